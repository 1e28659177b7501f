"""``python -m openwork.demo``: the scripted provider as its own process."""

from __future__ import annotations

import sys

from openwork.demo.serve import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
