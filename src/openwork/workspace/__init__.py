"""What a workspace folder holds: safe paths, configuration, and the rules of its files. No HTTP."""
