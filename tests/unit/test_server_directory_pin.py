"""The folder a request reaches the engine with."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.server.directory_pin import lies_within, pin_directory
from openwork.workspace.paths import WorkspaceRoot


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "out").symlink_to(tmp_path)
    (folder / "in").symlink_to(folder / "sub")
    (folder / "file").write_text("x")
    (tmp_path / "rooted").mkdir()
    return WorkspaceRoot(folder)


def pin(root, header=None, query=b""):
    return pin_directory(root, str(root.path), header, query)


def test_without_a_choice_it_is_the_root(root):
    assert pin(root) == (str(root.path), "")
    assert pin(root, query=b"limit=3") == (str(root.path), "limit=3")


def test_the_root_and_folders_below_are_allowed_however_written(root):
    sub = str(root.path / "sub")
    assert pin(root, header=sub)[0] == sub
    assert pin(root, header=quote(sub, safe=""))[0] == sub
    assert pin(root, header=str(root.path / "in"))[0] == sub
    for name in ("directory", "location[directory]"):
        _, query = pin(root, query=urlencode({name: sub, "x": "1"}).encode())
        assert parse_qsl(query) == [(name, sub), ("x", "1")]


def test_the_engines_own_name_of_the_root_is_kept(root):
    header, query = pin_directory(root, "/workspace", str(root.path), b"directory=%2Fworkspace")
    assert (header, query) == ("/workspace", "directory=%2Fworkspace")


@pytest.mark.parametrize("where", ["header", "directory", "location[directory]", "second"])
@pytest.mark.parametrize(
    "path", ["/", "/etc", "..", "{root}/..", "{root}/out", "{root}ed", "{root}/missing",
             "{root}/file", "{root}/sub/../..", "~", "\x00"],
)  # fmt: skip
def test_folders_outside_are_refused_with_one_answer(root, where, path):
    path = path.replace("{root}", str(root.path))
    options: dict[str, Any] = {"header": path}
    if where == "second":
        options = {
            "query": urlencode([("directory", str(root.path)), ("directory", path)]).encode()
        }
    elif where != "header":
        options = {"query": urlencode({where: path}).encode()}
    with pytest.raises(OpenWorkError) as caught:
        pin(root, **options)
    assert (caught.value.code, caught.value.status) == ("workspace_unauthorized", 403)


@pytest.mark.parametrize(
    "query",
    [
        b"workspace=x",
        b"workspaceID=x",
        b"location=x",
        b"location%5Bworkspace%5D=x",
        b"%77orkspace=x",
    ],
)
def test_other_ways_to_choose_a_place_are_refused(root, query):
    with pytest.raises(OpenWorkError) as caught:
        pin(root, query=query)
    assert caught.value.status == 403


pieces = st.sampled_from(
    ["/", "..", ".", "sub", "out", "in", "ROOT", "%2e%2e", "%2F", "//", "etc", "\x00", "~", "é"]
)
paths = st.lists(pieces, max_size=6).map("/".join) | st.text(max_size=12)
names = st.sampled_from(["directory", "location[directory]", "x"]) | st.text(max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.none() | paths, pairs=st.lists(st.tuples(names, paths), max_size=3))
def test_what_is_sent_on_lies_in_the_folder_whatever_is_asked(root, header, pairs):
    place = str(root.path)
    pairs = [(name, value.replace("ROOT", place)) for name, value in pairs]
    try:
        sent, query = pin(root, header and header.replace("ROOT", place), urlencode(pairs).encode())
    except OpenWorkError as error:
        assert error.status == 403  # noqa: PT017  # refusing is one of two good ends
        return
    chosen = [unquote(sent)]
    chosen += [v for n, v in parse_qsl(query, keep_blank_values=True) if "directory" in n.lower()
               and n in ("directory", "location[directory]")]  # fmt: skip
    for each in chosen:
        assert Path(each).resolve(strict=True).is_relative_to(root.path)
        assert Path(each).is_dir()


def cursor(fields):
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@pytest.mark.parametrize("listing", ["plain", "pages"])
def test_a_list_is_narrowed_to_one_folder_whatever_widens_it(root, listing):
    sub = str(root.path / "sub")
    query = urlencode({"limit": "3", "scope": "project", "path": "etc", "location[directory]": sub})
    _, sent = pin_directory(root, str(root.path), None, query.encode(), listing=listing)
    assert parse_qsl(sent) == [("limit", "3"), ("directory", str(root.path))]
    header, sent = pin_directory(root, str(root.path), sub, b"", listing=listing)
    assert parse_qsl(sent) == [("directory", header)] == [("directory", sub)]


def test_a_cursor_stays_in_its_folder(root):
    mine = cursor({"directory": str(root.path), "anchor": {"id": "s"}})
    _, sent = pin_directory(root, str(root.path), None, f"cursor={mine}".encode(), listing="pages")
    assert dict(parse_qsl(sent))["directory"] == str(root.path)
    for bad in (
        cursor({"anchor": {"id": "s"}}),
        cursor({"directory": "/"}),
        cursor([1]),
        "x",
        "%00",
    ):
        with pytest.raises(OpenWorkError) as caught:
            pin_directory(root, str(root.path), None, f"cursor={bad}".encode(), listing="pages")
        assert caught.value.code == "invalid_payload"


def test_a_folder_that_the_engine_names_lies_within_or_not(root):
    engine = "/engine/sees"
    for name, within in ((engine, True), (engine + "/sub", True), (engine + "/in", True),
                         (engine + "/out", False), (engine + "/missing", False), ("/", False),
                         (str(root.path / "sub"), True), ("", False), ("\x00", False)):  # fmt: skip
        assert lies_within(root, engine, name) is within, name
