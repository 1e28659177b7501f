"""The commands: each module parses, calls one function below, and prints."""
