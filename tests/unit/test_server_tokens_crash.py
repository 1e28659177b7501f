"""A server that is killed at any step of a token change has the old tokens or the new ones."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from openwork.server.scope import Scope
from openwork.server.tokens import TokenStore

# Revokes one token and issues another, but dies at the step with the given number: whatever the
# interpreter announces of files, and before and after each sync.
VICTIM = """
import os, signal, sys
from pathlib import Path
from openwork.server import tokens
from openwork.server.scope import Scope
store = tokens.TokenStore(Path(sys.argv[1]))
left = int(sys.argv[2])
def step(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
def announced(event, _):
    if event in {"open", "os.rename", "os.chmod", "os.remove", "os.mkdir"}:
        step()
def counted(*args, real=os.fsync):
    step()
    real(*args)
    step()
os.fsync = counted
sys.addaudithook(announced)
store.revoke(store.list()[0].id)
store.issue(Scope.VIEWER, "new")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_at_any_step_the_tokens_are_whole(tmp_path):
    seen = []
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        step += 1
        path = tmp_path / str(step) / "tokens.json"
        _, secret = TokenStore(path).issue(Scope.OWNER, "old")
        command = [sys.executable, "-c", VICTIM, str(path), str(step)]
        code = subprocess.run(command, check=False).returncode
        left = [each.label for each in TokenStore(path).list()]
        assert left in (["old"], [], ["new"]), (step, left)
        if left not in seen:
            seen.append(left)
        assert secret not in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        assert json.loads(path.read_text())["schemaVersion"] == 1
    assert code == 0
    assert step > 8
    assert seen == [["old"], [], ["new"]]
