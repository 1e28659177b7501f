"""Writing goes on when nobody reads, and the program ends with its own status."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WRITES = """
import logging, sys
from openwork.cli.lasting_output import outlast_readers
outlast_readers()
outlast_readers()
logging.basicConfig()
sys.stdin.readline()
for _ in range(3):
    print("for people")
    logging.error("for the log")
print("no line end", end="")
print(sys.stdout.encoding, file=open(sys.argv[1], "w"))
sys.exit(7)
"""


@pytest.mark.parametrize("reads", [True, False])
def test_a_closed_pipe_takes_everything(tmp_path, reads):
    told = tmp_path / "told"
    ours, theirs = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(told)],
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    ) as writer:
        os.close(theirs)
        if not reads:
            os.close(ours)
        writer.communicate(b"go\n", timeout=30)
        assert writer.returncode == 7
    assert told.read_text() == "utf-8\n"
    if reads:
        with os.fdopen(ours) as pipe:
            seen = pipe.read()
        assert seen == "for people\nERROR:root:for the log\n" * 3 + "no line end"
