"""The command printed for another terminal works as it stands."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from openwork.common.paths import default_data_dir
from openwork.orchestrator.own_command import own_command


def ours():
    return Path(sys.executable).with_name("openwork")


def test_the_full_path_when_it_is_not_on_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    line = own_command("--version", data_dir=Path(os.path.realpath(default_data_dir())))
    assert shlex.split(line)[0] == str(ours())
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)  # noqa: S602
    assert done.stdout.startswith("openwork ")


def test_the_plain_name_when_it_is_the_one_on_path(monkeypatch):
    monkeypatch.setenv("PATH", str(ours().parent))
    assert own_command("status", data_dir=Path(os.path.realpath(default_data_dir()))) == (
        "openwork status"
    )


def test_another_openwork_on_path_is_not_taken(monkeypatch, tmp_path):
    other = tmp_path / "openwork"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not own_command("status", data_dir=tmp_path).startswith("openwork")


def test_an_unusual_data_folder_is_named(tmp_path):
    folder = tmp_path / "my data"
    assert own_command("run", "Do it", data_dir=folder).endswith(
        f"run 'Do it' --data-dir {shlex.quote(str(folder))}"
    )
