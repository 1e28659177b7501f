"""For all tests."""

from __future__ import annotations

import os
import sys

from tests.engine_cache import SHORT_LIST_OF_MODELS

# The tests start our programs some hundred times: what Python compiles is kept for the next start,
# also where the environment says otherwise (as container images do). It halves a start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

os.environ.update(SHORT_LIST_OF_MODELS)
