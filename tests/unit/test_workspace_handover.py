"""Inbox and outbox: lists that stay small, ids that name one file, nothing half-written."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace import inbox
from openwork.workspace.artifacts import item_id, outbox
from openwork.workspace.paths import WorkspaceRoot


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "ws"
    (folder / ".opencode/openwork/outbox/deep").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    return WorkspaceRoot(folder)


def put(root, name, *, at, kind="outbox"):
    place = root.path / ".opencode/openwork" / kind / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(name)
    os.utime(place, (at, at))


def refusal(use) -> tuple[str, int]:
    with pytest.raises(OpenWorkError) as caught:
        use()
    return caught.value.code, caught.value.status


def content(files, identity) -> bytes:
    with files.opened(identity) as stream:
        return stream.read()


def test_a_list_is_newest_first_without_links_and_half_written_files(root):
    put(root, "old", at=1)
    put(root, "deep/new", at=3)
    put(root, "b", at=2)
    put(root, "a", at=2)
    put(root, ".openwork-12.tmp", at=9)
    (root.path / ".opencode/openwork/outbox/link").symlink_to(root.path)
    found = outbox(root).list().to_json()
    assert [item["path"] for item in found["items"]] == ["deep/new", "a", "b", "old"]
    assert found["items"][0] == {
        "id": "ZGVlcC9uZXc", "path": "deep/new", "size": 8, "updatedAt": 3000.0
    }  # fmt: skip
    assert "truncated" not in found


def test_a_long_list_tells_the_newest_and_that_there_are_more(root):
    for number in range(5):
        put(root, str(number), at=number)
    newest = outbox(root).list(limit=2).to_json()
    assert [item["path"] for item in newest["items"]] == ["4", "3"]
    assert newest["truncated"] is True
    assert outbox(root).list(max_visited=3).truncated


def test_a_folder_that_is_missing_or_off_lists_nothing(root):
    assert inbox.inbox(root).list().items == ()
    put(root, "x", at=1)
    assert outbox(root, enabled=False).list().items == ()
    off = outbox(root, enabled=False)
    assert refusal(lambda: content(off, item_id("x"))) == ("outbox_disabled", 404)
    closed = inbox.inbox(root, enabled=False)
    assert refusal(lambda: inbox.destination(closed, "x")) == ("inbox_disabled", 404)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_subfolder_that_may_not_be_read_counts_as_empty(root):
    put(root, "x", at=1)
    (root.path / ".opencode/openwork/outbox/deep").chmod(0)
    assert [item.path for item in outbox(root).list().items] == ["x"]


@pytest.mark.parametrize(
    "name", ["plain", "deep/with space", "ünï.txt", "a:b", "trailing.", "C\\D"]
)
def test_an_id_from_the_list_opens_exactly_that_file(root, name):
    put(root, name, at=1)
    (item,) = outbox(root).list().to_json()["items"]
    assert content(outbox(root), item["id"]) == name.encode()


@given(st.text(max_size=40))
def test_no_text_is_an_id_of_something_else(text):
    root = WorkspaceRoot("/usr")
    assert refusal(lambda: content(outbox(root), text))[1] in {400, 404}


def test_ids_that_lead_elsewhere_are_refused(root):
    put(root, ".openwork-1.tmp", at=1)
    (root.path / ".opencode/openwork/outbox/out").symlink_to(root.path.parent / "secret")
    for relative in ("../inbox/x", "/etc/passwd", "", ".", "deep/..", "a//b", "a\0b", "out",
                     "deep", ".openwork-1.tmp", "x" * 300):  # fmt: skip
        assert refusal(lambda r=relative: content(outbox(root), item_id(r))) == (
            "invalid_artifact", 400
        ), relative  # fmt: skip
    for identity in ("%%%", "ä", "a", "////", "AA\n"):
        assert refusal(lambda i=identity: content(outbox(root), i))[0] == "invalid_artifact"
    assert refusal(lambda: content(outbox(root), item_id("none"))) == ("artifact_not_found", 404)


def test_an_outbox_that_is_a_link_out_of_the_workspace_is_refused(root, tmp_path):
    (root.path / ".opencode").rename(tmp_path / "elsewhere")
    (root.path / ".opencode").symlink_to(tmp_path / "elsewhere")
    assert refusal(lambda: outbox(root).list()) == ("invalid_path", 400)
    assert refusal(lambda: inbox.destination(inbox.inbox(root), "x")) == ("invalid_path", 400)


def test_an_upload_goes_to_the_first_name_given(root):
    files = inbox.inbox(root)
    place = inbox.destination(files, "", " ", "sub/dir/a.txt", "b.txt")
    done = inbox.keep(files, place, io.BytesIO(b"deep"))
    assert done.to_json() == {"ok": True, "path": "sub/dir/a.txt", "bytes": 4}
    (item,) = files.list().to_json()["items"]
    assert (item["path"], item["name"], item["size"]) == ("sub/dir/a.txt", "a.txt", 4)
    assert content(files, item["id"]) == b"deep"


@pytest.mark.parametrize(
    "given_names",
    [(), ("",), ("../x",), ("a/../../x",), ("sub",), ("a\0",), ("/",), ("NUL",),
     (".openwork-1.tmp",), ("x" * 300,)],
)  # fmt: skip
def test_an_upload_without_a_usable_name_is_refused(root, given_names):
    put(root, "sub/x", at=1, kind="inbox")
    files = inbox.inbox(root)
    assert refusal(lambda: inbox.destination(files, *given_names)) == ("invalid_path", 400)


def test_a_size_over_the_limit_is_refused_with_both_sizes():
    inbox.require_fits(5, 5)
    with pytest.raises(OpenWorkError) as caught:
        inbox.require_fits(6, 5)
    assert (caught.value.code, caught.value.status) == ("file_too_large", 413)
    assert caught.value.details == {"maxBytes": 5, "size": 6}
