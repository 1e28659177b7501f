"""Pages of the catalog: together they hold everything once, and each tells the present."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace.catalog import MAX_LIMIT, TRUSTED_S, Catalog, CatalogQuery
from openwork.workspace.paths import WorkspaceRoot

names = st.sampled_from(["a", "a.b", "a-", "b", "c", "Z", "é"])
files = st.sets(st.lists(names, min_size=1, max_size=4).map("/".join), max_size=25)


def lay_out(root: Path, wanted: set[str]) -> None:
    for path in sorted(wanted, key=len, reverse=True):
        place = root / path
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(path)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@settings(max_examples=60, deadline=None)
@given(
    files,
    st.integers(1, 9),
    st.sampled_from(["", "a", "a/b", "b", "nothing"]),
    st.booleans(),
    st.booleans(),
)
def test_paging_covers_everything_exactly_once(wanted, limit, prefix, include_dirs, slow):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lay_out(root, wanted)
        clock = Clock()
        catalog = Catalog(WorkspaceRoot(root), clock_s=clock)
        found = []
        after = ""
        while True:
            page = catalog.page(CatalogQuery(prefix, after, limit, include_dirs))
            found.append(page)
            if not page.truncated:
                break
            assert len(page.items) == limit
            after = page.next_after or ""
            assert after == page.items[-1].path
            clock.now += TRUSTED_S * 2 if slow else 0
        expected = sorted(
            place.relative_to(root).as_posix()
            for place in root.rglob("*")
            if include_dirs or place.is_file()
        )
        if prefix:
            expected = [each for each in expected if f"{each}/".startswith(f"{prefix}/")]
        listed = [item.path for page in found for item in page.items]
        assert listed == expected
        left = len(expected)
        for page in found:
            assert page.total == left
            left -= len(page.items)
        for page in found:
            for item in page.items:
                state = (root / item.path).stat()
                assert item.stat.mtime_ns == state.st_mtime_ns
                assert item.stat.size == (state.st_size if (root / item.path).is_file() else 0)


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_what_goes_between_two_pages_is_left_out_and_the_page_still_full(root):
    catalog = Catalog(WorkspaceRoot(root))
    first = catalog.page(CatalogQuery(limit=1))
    (root / "b").unlink()
    second = catalog.page(CatalogQuery(after=first.next_after or "", limit=1))
    assert [item.path for item in second.items] == ["c"]


def test_a_first_page_shows_every_change_up_to_now(root):
    catalog = Catalog(WorkspaceRoot(root))
    catalog.page(CatalogQuery())
    (root / "new").mkdir()
    (root / "new/file").touch()
    (root / "a").write_text("longer than before")
    items = {item.path: item.stat.size for item in catalog.page(CatalogQuery()).items}
    assert items == {"a": 18, "b": 1, "c": 1, "d": 1, "new": 0, "new/file": 0}


def test_later_pages_trust_the_first_for_a_moment_only(root):
    clock = Clock()
    catalog = Catalog(WorkspaceRoot(root), clock_s=clock)
    catalog.page(CatalogQuery(limit=1))
    (root / "bb").touch()
    assert [i.path for i in catalog.page(CatalogQuery(after="a")).items] == ["b", "c", "d"]
    catalog.apply_change(["bb"])
    assert [i.path for i in catalog.page(CatalogQuery(after="a")).items] == ["b", "bb", "c", "d"]
    (root / "bc").touch()
    clock.now += TRUSTED_S + 1
    assert len(catalog.page(CatalogQuery(after="a")).items) == 5


def test_a_page_below_a_prefix_does_not_vouch_for_the_rest(root):
    (root / "sub").mkdir()
    catalog = Catalog(WorkspaceRoot(root), clock_s=Clock())
    catalog.page(CatalogQuery())
    catalog.forget()
    catalog.page(CatalogQuery(prefix="sub"))
    (root / "e").touch()
    listed = [item.path for item in catalog.page(CatalogQuery(after="c")).items]
    assert listed == ["d", "e", "sub"]


def test_git_and_node_modules_are_shown_only_when_asked_for(root):
    for ignored in (".git", "node_modules", "sub/node_modules"):
        (root / ignored).mkdir(parents=True)
        (root / ignored / "x").touch()
    catalog = Catalog(WorkspaceRoot(root))
    listed = {item.path for item in catalog.page(CatalogQuery()).items}
    assert listed == {"a", "b", "c", "d", "sub"}
    listed = {item.path for item in catalog.page(CatalogQuery(include_ignored=True)).items}
    assert {".git/x", "node_modules/x", "sub/node_modules/x"} < listed


def test_a_query_is_brought_into_range_and_its_prefix_checked():
    assert CatalogQuery.of(None, None, None) == CatalogQuery()
    assert CatalogQuery.of(" ", "", 0).limit == 1
    assert CatalogQuery.of("/docs/", "", 10**9) == CatalogQuery("docs", "", MAX_LIMIT)
    with pytest.raises(OpenWorkError):
        CatalogQuery.of("../x", "", 5)


def test_the_wire_form(root):
    page = Catalog(WorkspaceRoot(root)).page(CatalogQuery(limit=1)).to_json()
    (item,) = page.pop("items")
    assert page == {"total": 4, "truncated": True, "nextAfter": "a"}
    assert (item["path"], item["kind"], item["size"]) == ("a", "file", 1)
    assert item["revision"] == f"{int(item['mtimeMs'])}:1"
