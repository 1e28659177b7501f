"""Where OpenWork keeps its own files when nothing else is said."""

from __future__ import annotations

from pathlib import Path


def default_data_dir() -> Path:
    """The orchestrator's data: ``~/.openwork/openwork-orchestrator``."""
    return Path.home() / ".openwork" / "openwork-orchestrator"


def default_server_data_dir() -> Path:
    """The server's data (audit): ``~/.openwork/openwork-server``."""
    return Path.home() / ".openwork" / "openwork-server"


def default_server_config() -> Path:
    """The server's settings file: ``~/.config/openwork/server.json``."""
    return Path.home() / ".config" / "openwork" / "server.json"


def default_router_data_dir() -> Path:
    """The messaging router's data: ``~/.openwork/opencode-router``."""
    return Path.home() / ".openwork" / "opencode-router"
