"""Which path texts a client may name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace.names import normalize


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("notes.md", "notes.md"),
        ("  notes.md\n", "notes.md"),
        ("a\\b\\c.md", "a/b/c.md"),
        ("/etc/passwd", "etc/passwd"),
        ("///a", "a"),
        ("./a", "a"),
        (".//./a", "a"),
        ("workspace/a", "a"),
        ("/workspace/a", "a"),
        ("workspace/workspace/a", "workspace/a"),
        ("workspace", "workspace"),
        ("a//b/", "a/b"),
        (".opencode/openwork.json", ".opencode/openwork.json"),
        ("...a", "...a"),
        ("console.log", "console.log"),
        ("com10", "com10"),
        ("ünï/日本語.md", "ünï/日本語.md"),
        ("a b/c d.md", "a b/c d.md"),
        ("n" * 255, "n" * 255),
    ],
)
def test_a_usable_path_becomes_its_plain_form(text: str, expected: str):
    assert normalize(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "/",
        "./",
        "workspace/",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        "a/..",
        "..\\..\\a",
        "\\..\\a",
        "workspace/../a",
        "a\0b",
        "a\0",
        "a\nb",
        "a\x7fb",
        "a\x9fb",
        "a\ud800b",
        "C:/Windows",
        "notes.md:stream",
        "notes.md::$DATA",
        "a./b",
        "a /b",
        "x/a.",
        "x/a...",
        "CON",
        "con.txt",
        "a/Nul",
        "a/nul.tar.gz",
        "aux .txt",
        "COM1",
        "lpt9.log",
        "com¹.txt",
        "conin$",
        "n" * 256,
        "é" * 128,
        "/".join(["n" * 200] * 21),
    ],
)
def test_a_dangerous_or_unportable_path_is_refused(text: str):
    with pytest.raises(OpenWorkError) as caught:
        normalize(text)
    assert (caught.value.code, caught.value.status) == ("invalid_path", 400)


@given(st.text(alphabet=st.sampled_from("ab./\\: \0\n~cCoOnN1\u202e\ud800é"), max_size=30))
def test_what_is_let_through_never_leaves_the_folder(text: str):
    try:
        path = normalize(text)
    except OpenWorkError:
        return
    parts = path.split("/")
    assert not set(parts) & {"", ".", ".."}
    assert not set(path) & set("\\:\0\n\ud800")
    assert not any(part.endswith((".", " ")) for part in parts)
