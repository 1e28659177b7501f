"""The host: brings the engine and the server up on a folder, watches them, ends them in order."""
