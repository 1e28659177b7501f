"""Reading, writing and moving files in batches, and the revisions that keep writers apart."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace.batches import MAX_FILE_BYTES, Failure, place_of
from openwork.workspace.file_ops import Operation, plan_operation, run_step
from openwork.workspace.file_reads import read_file
from openwork.workspace.file_writes import FileWrite, FileWritten, plan_writes, write_file
from openwork.workspace.paths import WorkspaceRoot


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "ws"
    (folder / "docs").mkdir(parents=True)
    (folder / "docs/a.md").write_bytes(b"alpha")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    (folder / "out").symlink_to(tmp_path / "outside")
    return WorkspaceRoot(folder)


def names_in(folder):
    return sorted(each.name for each in folder.iterdir())


def failing(root, path, data, **options):
    result = write(root, path, data, **options)
    assert isinstance(result, Failure)
    return result


def read(root, path):
    return read_file(place_of(root, path)).to_json()


def write(root, path, data, **options):
    ready, failed = plan_writes(root, [FileWrite(path, data, **options)])
    return failed[0] if failed else write_file(ready[0])


def operate(root, *operations):
    results = []
    for operation in operations:
        step = plan_operation(root, operation)
        failed = step if isinstance(step, Failure) else run_step(step)
        results.append((failed or step).to_json())
    return results


class TestReading:
    def test_a_file_comes_with_its_revision(self, root):
        found = read(root, "/workspace/docs/a.md")
        state = (root.path / "docs/a.md").stat()
        assert base64.b64decode(found.pop("contentBase64")) == b"alpha"
        assert found == {
            "ok": True,
            "path": "docs/a.md",
            "kind": "file",
            "bytes": 5,
            "updatedAt": state.st_mtime_ns / 1e6,
            "revision": f"{state.st_mtime_ns // 1_000_000}:5",
        }

    def test_what_cannot_be_read_says_why(self, root):
        (root.path / "big").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
        (root.path / "loop").symlink_to("loop")
        os.mkfifo(root.path / "pipe")
        codes = {
            path: read(root, path)["code"]
            for path in ("none", "docs", "pipe", "out/secret", "out/none", "loop", "big")
        }
        assert codes == {
            "none": "file_not_found",
            "docs": "file_not_found",
            "pipe": "file_not_found",
            "out/secret": "invalid_path",
            "out/none": "invalid_path",
            "loop": "invalid_path",
            "big": "file_too_large",
        }
        big = read(root, "big")
        assert (big["maxBytes"], big["size"]) == (MAX_FILE_BYTES, MAX_FILE_BYTES + 1)


class TestWriting:
    def test_an_empty_file_can_be_written_and_read(self, root):
        assert write(root, "new/empty", b"").to_json()["bytes"] == 0
        assert read(root, "new/empty")["contentBase64"] == ""

    def test_a_write_that_expects_another_revision_is_a_conflict(self, root):
        current = read(root, "docs/a.md")["revision"]
        failure = failing(root, "docs/a.md", b"x", if_match="1:1")
        assert failure.to_json() | {"message": ""} == {
            "ok": False,
            "path": "docs/a.md",
            "code": "conflict",
            "message": "",
            "expectedRevision": "1:1",
            "currentRevision": current,
        }
        assert failing(root, "new", b"x", if_match=current).facts["currentRevision"] is None
        done = write(root, "docs/a.md", b"beta", if_match=current)
        assert isinstance(done, FileWritten)
        assert done.to_json()["previousRevision"] == current
        assert isinstance(write(root, "docs/a.md", b"x", if_match="1:1", force=True), FileWritten)

    def test_the_revision_is_looked_at_again_when_the_write_is_done(self, root):
        before = read(root, "docs/a.md")["revision"]
        (ready,), _ = plan_writes(root, [FileWrite("docs/a.md", b"mine", before)])
        (root.path / "docs/a.md").write_bytes(b"theirs, meanwhile")
        failure = write_file(ready)
        assert isinstance(failure, Failure)
        assert failure.code == "conflict"
        assert (root.path / "docs/a.md").read_bytes() == b"theirs, meanwhile"

    def test_what_cannot_be_written_says_why(self, root):
        (root.path / "file").touch()
        assert failing(root, "docs", b"x").code == "invalid_path"
        assert failing(root, "out/new", b"x").code == "invalid_path"
        assert failing(root, "file/below", b"x").code == "invalid_path"
        large = failing(root, "big", b"x" * (MAX_FILE_BYTES + 1))
        assert large.code == "file_too_large"
        assert large.facts == {"maxBytes": MAX_FILE_BYTES, "size": MAX_FILE_BYTES + 1}
        assert names_in(root.path.parent / "outside") == ["secret"]

    def test_a_link_swapped_in_after_planning_leads_nowhere(self, root):
        (ready,), _ = plan_writes(root, [FileWrite("docs/new", b"x")])
        (root.path / "docs").rename(root.path / "moved")
        (root.path / "docs").symlink_to(root.path.parent / "outside")
        failure = write_file(ready)
        assert isinstance(failure, Failure)
        assert failure.code == "invalid_path"
        assert names_in(root.path.parent / "outside") == ["secret"]

    @pytest.mark.parametrize(
        "path",
        ["../x", "a/../../x", "", " ", "a\0b", "..\\x", "CON", "nul.txt", "a:b", "a.", "x" * 300,
         "/".join(["d" * 200] * 25), "docs/.openwork-1.tmp",
         ".OpenWork-1.TMP", ".openwork-1.tmp/x", "\ud800"],
    )  # fmt: skip
    def test_a_path_no_batch_may_hold_refuses_the_batch(self, root, path):
        for use in (
            lambda: place_of(root, path),
            lambda: plan_writes(root, [FileWrite("good", b""), FileWrite(path, b"")]),
            lambda: plan_operation(root, Operation("mkdir", path)),
            lambda: plan_operation(root, Operation("delete", path)),
            lambda: plan_operation(root, Operation("rename", source="docs", target=path)),
            lambda: plan_operation(root, Operation("rename", source=path, target="x")),
        ):
            with pytest.raises(OpenWorkError) as caught:
                use()
            assert (caught.value.code, caught.value.status) == ("invalid_path", 400)
        assert not (root.path / "good").exists()

    @given(st.lists(st.binary(max_size=3), min_size=2, max_size=8))
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_every_write_changes_the_revision(self, root, contents):
        seen = [read(root, "docs/a.md")["revision"]]
        for content in contents:
            done = write(root, "docs/a.md", content, if_match=seen[-1])
            assert isinstance(done, FileWritten)
            now = read(root, "docs/a.md")
            assert done.to_json()["revision"] == now["revision"]
            assert done.to_json()["updatedAt"] == now["updatedAt"]
            seen.append(now["revision"])
        assert len(set(seen)) == len(seen)
        for stale in seen[:-1]:
            assert isinstance(write(root, "docs/a.md", b"lost", if_match=stale), Failure)

    def test_a_file_dated_far_ahead_is_not_dated_further(self, root):
        os.utime(root.path / "docs/a.md", (4e9, 4e9))
        done = write(root, "docs/a.md", b"now")
        assert isinstance(done, FileWritten)
        assert done.stat.mtime_ns < 4e18


class TestOperations:
    def test_each_sees_what_the_ones_before_it_did(self, root):
        assert operate(
            root,
            Operation("mkdir", "new/dir"),
            Operation("rename", source="docs/a.md", target="new/dir/b.md"),
            Operation("delete", "docs"),
            Operation("delete", "none"),
            Operation("delete", "new", recursive=True),
        ) == [
            {"ok": True, "type": "mkdir", "path": "new/dir"},
            {"ok": True, "type": "rename", "from": "docs/a.md", "to": "new/dir/b.md"},
            {"ok": True, "type": "delete", "path": "docs"},
            {"ok": False, "type": "delete", "path": "none", "code": "file_not_found",
             "message": "There is no 'none' in the workspace."},
            {"ok": True, "type": "delete", "path": "new"},
        ]  # fmt: skip
        assert names_in(root.path) == ["out"]

    def test_what_cannot_be_done_says_why_and_changes_nothing(self, root):
        codes = [
            result["code"]
            for result in operate(
                root,
                Operation("zap", "x"),
                Operation("delete", "docs"),
                Operation("rename", source="none", target="x"),
                Operation("rename", source="docs", target="docs/below"),
                Operation("mkdir", "docs/a.md"),
                Operation("delete", "out/secret"),
                Operation("rename", source="docs/a.md", target="out/taken"),
                Operation("mkdir", "out/made"),
            )
        ]
        assert (
            codes
            == ["invalid_operation", "operation_failed", "file_not_found"] + ["invalid_path"] * 5
        )
        assert (root.path / "docs/a.md").read_bytes() == b"alpha"
        assert names_in(root.path.parent / "outside") == ["secret"]

    def test_a_link_is_deleted_and_moved_itself(self, root):
        operate(root, Operation("rename", source="out", target="still"))
        assert (root.path / "still").is_symlink()
        operate(root, Operation("delete", "still", recursive=True))
        assert (root.path.parent / "outside/secret").exists()
