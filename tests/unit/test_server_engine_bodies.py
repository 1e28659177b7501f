"""What a body for the engine may not hold."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.server import engine_paths
from openwork.server.engine_bodies import Bounds, check_body, file_of


@pytest.fixture
def bounds(tmp_path):
    root = tmp_path / "root"
    (root / ".git").mkdir(parents=True)
    (root / "notes.md").write_text("x")
    (root / "out").symlink_to(tmp_path)
    (root / "modules" / ".store" / "foo").mkdir(parents=True)
    (root / "modules" / "foo").symlink_to(".store/foo")
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


@pytest.mark.parametrize(
    "up",
    [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "..%2f..",
        "..%5c..",
        "..\\..",
        ".\t.",
        "%2e%0a.",
    ],
)
def test_a_link_deeper_into_the_folder_leads_nobody_up(bounds, up):
    """The engine takes .. out as text; the system goes up from where the link leads."""
    url = f"file://{bounds.root}/modules/foo/{up}/{up}/{up}/secret.txt"
    assert refused("prompt", {"parts": [{"url": url}]}, bounds)
    assert refused("part", {"url": url}, bounds)
    if not any(sign.isspace() for sign in up):  # which ends a mention
        assert refused("command", {"arguments": f"@modules/foo/{up}/{up}/{up}/x"}, bounds)


def test_a_name_may_hold_dots_and_percent_signs(bounds):
    for name in ("a..b.md", "...", "100%25.md", "%C3%A4.md", "x/..y"):
        assert not refused("prompt", {"parts": [{"url": f"file://{bounds.root}/{name}"}]}, bounds)


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


@pytest.mark.parametrize("prompt", ["@/etc/passwd", "see @../x", "@~/x", "@out/secret"])
def test_a_subtasks_prompt_is_read_as_a_commands_text_is(bounds, prompt):
    part = {"type": "subtask", "agent": "general", "prompt": prompt}
    assert refused("prompt", {"parts": [{"type": "text", "text": "x"}, part]}, bounds)
    assert refused("command", {"parts": [part]}, bounds)
    assert refused("part", part, bounds)
    assert not refused("part", part | {"prompt": "Look at @notes.md, me@example.org"}, bounds)


def test_the_mentions_of_all_subtasks_count_together(bounds):
    parts = [{"type": "subtask", "prompt": f"@{n}.md"} for n in range(51)]
    assert refused("prompt", {"parts": parts}, bounds)
    assert not refused("prompt", {"parts": parts[:50]}, bounds)


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


def test_a_mention_may_end_in_a_few_places_only_and_letters_are_none(bounds):
    assert refused("command", {"arguments": "@a" + ".b" * 9}, bounds)
    assert not refused("command", {"arguments": "@a" + ".b" * 4}, bounds)
    assert not refused(
        "command", {"arguments": "@Übersicht-für-größere-Völker-項目概要説明資料.md"}, bounds
    )


@pytest.fixture
def resolved(monkeypatch):
    """How many names of folders and files each path that was looked up had."""
    found = []
    real = engine_paths.os.path.realpath

    def counted(path):
        found.append(str(path).count("/"))
        return real(path)

    monkeypatch.setattr(engine_paths.os.path, "realpath", counted)
    return found


@pytest.mark.parametrize(
    "body",
    [
        {"arguments": " ".join("@" + ".a" * 240 for _ in range(50))},
        {"arguments": " ".join(f"@{n}" + "/a.b" * 240 for n in range(50))},
        {"arguments": " ".join(f"@{n}." + "a/" * 500 for n in range(50))},
        {"parts": [{"url": f"file:///{n}" + "/a" * 100_000} for n in range(64)]},
        {"parts": [{"url": f"file:///{n}" + "/a" * 2000} for n in range(64)]},
        {"parts": [{"url": f"file:///{n}" + "%2fa" * 900} for n in range(64)]},
        {"parts": [{"url": f"file:///{n}" + "%25252f" * 500} for n in range(64)]},
    ],
)
def test_what_costs_too_much_to_judge_is_refused_unjudged(bounds, resolved, body):
    """Each took seconds, and everybody waited: the server looks at bodies where it serves."""
    for part in body.get("parts", ()):
        part["url"] = part["url"].replace("file:///", f"file://{bounds.root}/")
    with pytest.raises(OpenWorkError) as caught:
        check_body("command", body, bounds)
    assert caught.value.status in {400, 403}
    assert sum(resolved) == 0


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
