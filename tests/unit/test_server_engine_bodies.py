"""What a body for the engine may not hold."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.server.engine_bodies import Bounds, check_body, file_of


@pytest.fixture
def bounds(tmp_path):
    root = tmp_path / "root"
    (root / ".git").mkdir(parents=True)
    (root / "notes.md").write_text("x")
    (root / "out").symlink_to(tmp_path)
    (tmp_path / "rooted").mkdir()
    return Bounds(root)


def refused(inspection, body, bounds):
    try:
        check_body(inspection, body, bounds)
    except OpenWorkError as error:
        assert error.status == 403  # noqa: PT017  # refusing is one of two good ends
        return True
    return False


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, False),
        ({"title": "x", "permission": None}, False),
        ({"permission": []}, False),
        ({"permission": [{"permission": "*", "action": "deny"}]}, False),
        ({"permission": [{"action": "ask"}, {"action": "allow"}]}, True),
        ({"permission": [{}]}, True),
        ({"permission": ["allow"]}, True),
        ({"permission": {"*": "allow"}}, True),
        ({"permission": "allow"}, True),
    ],
)
def test_a_session_may_be_stricter_never_looser(bounds, body, expected):
    assert refused("session", body, bounds) is expected


@pytest.mark.parametrize("name", ["location", "directory"])
def test_nobody_chooses_the_folder_in_a_body(bounds, name):
    assert refused("location", {name: {"directory": "/"}}, bounds)
    assert not refused("location", {"title": "x"}, bounds)


def test_a_prompt_may_take_tools_away_but_not_allow_them(bounds):
    assert not refused("prompt", {"tools": {"bash": False}}, bounds)
    assert refused("prompt", {"tools": {"bash": False, "edit": True}}, bounds)
    assert refused("command", {"tools": {"bash": 1}}, bounds)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "file:/etc/passwd", "FILE:/etc/passwd", " file:///etc/passwd",
        "\x00file:///etc/passwd", "fi\nle:///etc/passwd", "f\tile:/etc/passwd",
        "file:\\\\\\etc\\passwd", "file://localhost/etc/passwd", "file:etc/passwd",
        "file:////etc/passwd", "file:///etc/passwd?start=1", "file:///etc/passwd#x",
        "file:///%65tc/passwd", "/etc/passwd", "etc/passwd", "ftp://x/etc/passwd",
        "file:///a%00b",
    ],
)  # fmt: skip
def test_a_file_from_outside_is_refused_however_it_is_spelled(bounds, url):
    assert refused("prompt", {"parts": [{"type": "file", "url": url}]}, bounds)
    assert refused("command", {"parts": [{"type": "file", "url": url}]}, bounds)


def test_files_of_the_folder_and_what_is_no_file_pass(bounds):
    for url in (
        f"file://{bounds.root}/notes.md",
        f"FILE:{bounds.root}/new%20file.md?start=1&end=2",
        "data:text/plain;base64,eA==",
        "https://example.org/file:///etc/passwd",
    ):
        body = {"parts": [{"type": "text", "text": "@/etc/passwd"}, {"type": "file", "url": url}]}
        assert not refused("prompt", body, bounds), url


def test_links_and_sibling_prefixes_lead_outside(bounds):
    for path in (f"{bounds.root}/out/x", f"{bounds.root}ed/x", f"{bounds.root}/../x"):
        assert refused("prompt", {"parts": [{"url": "file://" + path}]}, bounds), path


def test_a_file_address_is_read_as_a_browser_reads_it():
    assert file_of("file://host/a/b") == "/a/b"
    assert file_of("file:///a%20b?x#y") == "/a b"
    assert file_of("DATA:,x") is None


@pytest.mark.parametrize(
    "arguments",
    [
        "!`id`", "x !`id` y", "@/etc/passwd", "see @../x", "@~/x", "@~", "@out/secret",
        "(@/etc/passwd)", '"@/etc/passwd"', "é@/etc/passwd", "@/etc/passwd.",
        "@" + "x" * 2000, "@a " * 60,
    ],
)  # fmt: skip
def test_arguments_that_run_or_read_unasked_are_refused(bounds, arguments):
    assert refused("command", {"arguments": arguments}, bounds)


def test_a_mention_the_engine_ends_earlier_is_judged_there_too(bounds):
    # The engine reads /etc/passwd from this; as a whole it would lie in the folder.
    assert refused("command", {"arguments": f"@/etc/passwd../../..{bounds.root}/x"}, bounds)
    assert refused("command", {"arguments": "@out..md"}, bounds)


def test_plain_arguments_and_mentions_of_the_folders_files_pass(bounds):
    for arguments in ("all of it", "@notes.md", "@sub/new.md", "me@example.org", "`x`", None):
        assert not refused("command", {"arguments": arguments}, bounds), arguments


def test_where_the_folder_is_no_git_root_only_whole_paths_say_where(tmp_path):
    bounds = Bounds(tmp_path)
    assert refused("command", {"arguments": "@etc/passwd"}, bounds)
    assert not refused("command", {"arguments": f"@{tmp_path}/notes.md"}, bounds)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)
    | st.dictionaries(
        st.sampled_from(["parts", "tools", "arguments", "permission", "location"]),
        st.recursive(
            st.none() | st.text(),
            lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["url", "action"]), x),
        ),
    )
)
def test_any_json_is_judged_without_a_crash(bounds, body):
    for inspection in ("session", "prompt", "command", "location"):
        refused(inspection, body, bounds)
