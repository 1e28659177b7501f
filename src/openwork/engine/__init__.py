"""OpenCode, the engine: find it, run it, talk to it. Every engine route lives in this package."""
