"""What ``GET config`` answers is kept as long as both files are the same."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server import config_answers as module
from openwork.server.config_answers import ConfigAnswers
from openwork.server.registry import Workspace
from openwork.workspace.paths import WorkspaceRoot


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "opencode.json").write_text('{"model": "a/b", "token": "t1"}')
    return Workspace("ws_a", "a", WorkspaceRoot(tmp_path), None)


@pytest.fixture
def worked_out(monkeypatch):
    """Whether secrets were hidden, for each time that the files were parsed."""
    times = []
    real = module._body

    def noted(files, *, hide):
        times.append(hide)
        return real(files, hide=hide)

    monkeypatch.setattr(module, "_body", noted)
    return times


async def read(answers, workspace, *, hide=True):
    return json.loads(await answers.read(workspace, hide=hide))


async def test_those_who_ask_at_once_or_again_are_answered_from_the_same_work(
    workspace, worked_out
):
    answers = ConfigAnswers()
    found = await asyncio.gather(*(read(answers, workspace) for _ in range(8)))
    found.append(await read(answers, workspace))
    assert found == [{"opencode": {"model": "a/b", "token": "***"}, "openwork": {}}] * 9
    assert worked_out == [True]


async def test_owners_see_the_secrets_and_nobody_else_after_them(workspace, worked_out):
    answers = ConfigAnswers()
    assert (await read(answers, workspace, hide=False))["opencode"]["token"] == "t1"
    assert (await read(answers, workspace))["opencode"]["token"] == "***"
    assert worked_out == [False, True]


async def test_a_change_is_seen_even_when_size_and_time_are_the_same(workspace, worked_out):
    answers = ConfigAnswers()
    await read(answers, workspace, hide=False)
    path = workspace.path / "opencode.json"
    before = path.stat()
    path.write_text(path.read_text().replace("t1", "t2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (await read(answers, workspace, hide=False))["opencode"]["token"] == "t2"
    path.write_text("{")
    with pytest.raises(OpenWorkError, match=r"opencode\.json"):
        await read(answers, workspace, hide=False)


async def test_what_is_kept_is_bounded_and_forgotten_with_the_workspace(
    workspace, worked_out, monkeypatch
):
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", 100)
    answers = ConfigAnswers()
    for hide in (True, False, True):
        await read(answers, workspace, hide=hide)
    assert worked_out == [True, False, True]
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", 1_000)
    await read(answers, workspace, hide=True)
    answers.forget(workspace.id)
    await read(answers, workspace, hide=True)
    assert worked_out == [True, False, True, True]
