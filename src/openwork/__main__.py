"""``python -m openwork``."""

from openwork.cli.main import main

main()
