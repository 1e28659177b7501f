"""A demo leaves no folder behind, not even a killed one for long."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from openwork.cli.demo_folder import LOCK_NAME, PREFIX, demo_folder, sweep_demo_folders

HOLD = """
import sys, time
from openwork.cli.demo_folder import demo_folder
with demo_folder(wanted=True) as folder:
    (folder / "sample.md").write_text("x")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_is_there_for_the_time_of_the_demo(base):
    with demo_folder(wanted=True) as folder:
        assert folder is not None
        assert folder.parent == base
        (folder / "deep").mkdir()
    assert list(base.iterdir()) == []
    with demo_folder(wanted=False) as folder:
        assert folder is None


def test_what_a_killed_demo_left_goes_with_the_next_and_a_living_one_stays(base):
    env = {**os.environ, "TMPDIR": str(base)}
    holders = [
        subprocess.Popen([sys.executable, "-c", HOLD], env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [holder.stdout for holder in holders if holder.stdout]
    try:
        killed, living = (output.readline().strip() for output in outputs)
        holders[0].kill()
        holders[0].wait(20)
        with demo_folder(wanted=True) as own:
            assert {str(each) for each in base.iterdir()} == {living, str(own)}
        assert killed != living
    finally:
        for holder, output in zip(holders, outputs, strict=True):
            holder.kill()
            holder.wait(20)
            output.close()


def test_only_our_own_folders_are_swept(base):
    (base / f"{PREFIX}being-made").mkdir()
    other = base / "elsewhere"
    other.mkdir()
    (other / LOCK_NAME).write_text("")
    (base / f"{PREFIX}link").symlink_to(other)
    (base / f"{PREFIX}file").write_text("")
    sweep_demo_folders(base)
    assert len(list(base.iterdir())) == 4
    assert (other / LOCK_NAME).exists()
