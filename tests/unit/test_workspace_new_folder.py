"""Which folders may become a workspace."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace.new_folder import check_new_folder


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def refusal(text, home, own=()):
    with pytest.raises(OpenWorkError) as caught:
        check_new_folder(str(text), home=home, own=own)
    assert (caught.value.code, caught.value.status) == ("invalid_path", 400)
    return caught.value.message


def test_a_folder_of_ones_own_is_taken_whether_it_exists_or_not(home):
    assert check_new_folder(f"{home}/a/b", home=home, own=()) == home / "a" / "b"
    assert check_new_folder("~/a", home=home, own=()) == home / "a"
    assert check_new_folder(f"  {home}/a/../c/ ", home=home, own=()) == home / "c"
    (home / "real").mkdir()
    (home / "link").symlink_to(home / "real")
    assert check_new_folder(f"{home}/link/x", home=home, own=()) == home / "real" / "x"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/", "whole file system"),
        ("//", "whole file system"),
        ("/etc", "system"),
        ("/ETC/openwork", "system"),
        ("/usr/share/x", "system"),
        ("/var", "system"),
        ("/var/lib/x", "system"),
        ("/proc/self/root/etc", "system"),
        ("/opt", "directly below"),
        ("/not-there-yet-4711", "directly below"),
        ("~", "home folder"),
        ("~/.ssh/x", "keys"),
        ("~/.config", "keys"),
        ("~/.openwork/x", "keys"),
        ("relative/x", "not absolute"),
        ("~root/x", "not absolute"),
        ("/srv/a\0b", "control"),
        ("/srv/a\nb", "control"),
        ("/srv/\ud800", "control"),
        ("/srv/" + "x" * 256, "longer"),
        ("/srv" + "/abc" * 2000, "longer"),
    ],
)
def test_what_is_refused_is_told_why(home, text, why):
    assert why in refusal(text, home)


def test_what_holds_the_home_or_leads_to_it_is_refused(home):
    assert "holds your home" in refusal(home.parent, home)
    (home.parent / "link").symlink_to(home)
    assert "home folder" in refusal(home.parent / "link", home)


def test_openworks_own_files_are_no_workspace_nor_in_one(home):
    own = [home / "data" / "openwork", home / "kept" / "tokens.json"]
    assert "its own files" in refusal(home / "data" / "openwork" / "x", home, own)
    assert "its own files" in refusal(home / "data", home, own)
    assert "its own files" in refusal(home / "kept", home, own)
    assert check_new_folder(f"{home}/kept/beside", home=home, own=own) == home / "kept" / "beside"


def test_a_file_is_no_folder(home):
    (home / "file").write_text("")
    assert "file" in refusal(home / "file", home)


@given(st.text())
def test_any_text_is_taken_or_refused(text):
    home = Path("/nonexistent-home/somebody")
    try:
        path = check_new_folder(text, home=home, own=())
    except OpenWorkError as error:
        assert error.code == "invalid_path"  # noqa: PT017  # either outcome is right
    else:
        assert path.is_absolute()
