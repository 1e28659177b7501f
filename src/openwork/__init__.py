"""OpenWork: run agentic work on your own files, safely, and share it with a team."""

from openwork.version import __version__

__all__ = ["__version__"]
