"""Private files are not read through the engine, whatever way to them is named."""

from __future__ import annotations

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server import engine_paths
from openwork.server.engine_files import refuse_private_file


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    inner = root / "modules" / ".store" / "foo" / "modules" / "foo"
    inner.mkdir(parents=True)
    (root / "modules" / "foo").symlink_to(".store/foo/modules/foo")
    (root / ".env").write_text("KEY=1")
    (root / "plain.txt").symlink_to(".env")
    (root / "notes.md").write_text("x")
    return root


def refusal(query, root, path="/file/content"):
    try:
        refuse_private_file(path, query, (str(root), str(root)))
    except OpenWorkError as error:
        return error.status, error.code
    return None


@pytest.mark.parametrize("path", ["notes.md", "sub/new.md", "100%.md", "a..b/...", "%25.md"])
def test_a_plain_file_is_read(root, path):
    assert refusal("path=" + path, root) is None


@pytest.mark.parametrize("path", [".env", "plain.txt", "%2Eenv", "%252Eenv", "modules/foo/.env"])
def test_a_private_file_is_refused_also_through_a_link(root, path):
    assert refusal("path=" + path, root) == (403, "forbidden")
    assert refusal("", root, f"/api/fs/read/{path}") == (403, "forbidden")


@pytest.mark.parametrize(
    "up", ["..", "%2e%2e", "%252E.", ".%25252e", "..%20", "x/..%5C..", "%00", "%2525252525252e."]
)
def test_no_path_goes_up_where_a_link_would_lead_elsewhere(root, up):
    assert refusal(f"path=modules/foo/{up}/{up}/plain.txt", root) == (400, "invalid_path")


def test_a_path_too_long_to_be_one_is_refused(root):
    assert refusal("path=" + "a/" * 3000, root) == (400, "invalid_path")


def test_the_chosen_folder_counts(root):
    (root / "sub").mkdir()
    (root / "sub" / "shown.txt").symlink_to("../.env")
    for name in ("directory", "location[directory]"):
        assert refusal(f"path=shown.txt&{name}={root}/sub", root) == (403, "forbidden")


def test_a_request_names_one_file_and_what_only_sounds_like_a_folder_is_none(root, monkeypatch):
    for query in ("path=a&path=b", "path=a&PATH=b", "path=a&directory=/x&directory=/y"):
        assert refusal(query, root) == (400, "invalid_payload")
    resolved = []
    real = engine_paths.os.path.realpath
    monkeypatch.setattr(engine_paths.os.path, "realpath", lambda p: resolved.append(p) or real(p))
    assert refusal("path=notes.md" + "&xdirectory=b" * 1000, root) is None
    assert len(resolved) <= 4
