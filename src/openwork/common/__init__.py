"""What every part uses: errors, logs, settings, files, processes. Imports nothing else of ours."""
