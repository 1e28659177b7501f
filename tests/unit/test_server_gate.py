"""The one way a change takes: scope, approval, body, audit, reload event."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server.approvals import Approvals
from openwork.server.audit import AuditLog
from openwork.server.auth import Actor
from openwork.server.gate import Gate
from openwork.server.registry import Workspace
from openwork.server.reload_events import ReloadEvents, ReloadTrigger
from openwork.server.scope import Scope
from openwork.workspace.paths import WorkspaceRoot
from tests.until import until

COLLABORATOR = Actor("remote", "hash", Scope.COLLABORATOR)
VIEWER = Actor("remote", "hash", Scope.VIEWER)


class Setup:
    def __init__(
        self,
        tmp_path,
        *,
        mode: Literal["manual", "auto"] = "auto",
        timeout_ms=10_000,
        read_only=False,
        **options,
    ):
        self.approvals = Approvals(mode, timeout_ms)
        self.audit = AuditLog(tmp_path / "data")
        self.events = ReloadEvents()
        self.gate = Gate(self.approvals, self.audit, self.events, read_only=read_only, **options)
        folder = tmp_path / "folder"
        folder.mkdir(exist_ok=True)
        self.workspace = Workspace("ws_a", "a", WorkspaceRoot(folder), None)
        self.path = folder / "f"

    def change(self, actor=COLLABORATOR, **options):
        return self.gate.change(
            actor,
            self.workspace,
            action="config.patch",
            summary="Change it",
            paths=[self.path],
            reload=("config", ReloadTrigger("config")),
            **options,
        )

    async def outcomes(self):
        return [each["outcome"] for each in await self.audit.tail("ws_a", 10)]

    def reloads(self):
        return self.events.since("ws_a", 0)


async def test_a_change_is_made_recorded_and_announced_in_that_order(tmp_path):
    setup = Setup(tmp_path)
    async with setup.change() as change:
        assert await setup.outcomes() == []
        assert setup.reloads() == []
        change.summary = "More exact"
    newest = (await setup.audit.tail("ws_a", 1))[0]
    assert newest["outcome"] == "done"
    assert newest["summary"] == "More exact"
    assert newest["target"] == str(setup.path)
    assert newest["timestamp"] == change.recorded_at_ms
    assert [each["reason"] for each in setup.reloads()] == ["config"]


async def test_read_only_comes_first_then_scope_and_neither_asks_anybody(tmp_path):
    setup = Setup(tmp_path, mode="manual", read_only=True)
    with pytest.raises(OpenWorkError) as caught:
        async with setup.change(VIEWER):
            pytest.fail("the body ran")
    assert caught.value.code == "read_only"
    with pytest.raises(OpenWorkError) as caught:
        async with setup.change(VIEWER, writes=False):
            pytest.fail("the body ran")
    assert caught.value.code == "forbidden"
    assert setup.approvals.list() == []


@pytest.mark.parametrize("reply", ["denied", "timeout", "withdrawn"])
async def test_what_is_not_approved_is_not_made_but_recorded(tmp_path, reply):
    setup = Setup(tmp_path, mode="manual", timeout_ms=1 if reply == "timeout" else 10_000)

    async def attempt():
        async with setup.change():
            pytest.fail("the body ran")

    task = asyncio.create_task(attempt())
    if reply != "timeout":
        await until(setup.approvals.list)
        if reply == "denied":
            setup.approvals.reply(setup.approvals.list()[0].id, allow=False)
        else:
            setup.approvals.withdraw(task)
    with pytest.raises(OpenWorkError) as caught:
        await task
    assert caught.value.code == "write_denied"
    assert caught.value.details["reason"] == reply
    assert await setup.outcomes() == [reply]
    assert setup.reloads() == []


async def test_a_body_that_fails_is_recorded_as_failed_and_announces_nothing(tmp_path):
    setup = Setup(tmp_path)
    with pytest.raises(RuntimeError, match="no luck"):
        async with setup.change():
            raise RuntimeError("no luck")
    assert await setup.outcomes() == ["failed"]
    assert setup.reloads() == []


async def test_a_change_that_cannot_be_recorded_fails(tmp_path):
    setup = Setup(tmp_path)
    (tmp_path / "data").write_text("in the way of the folder")
    with pytest.raises(OpenWorkError, match="data"):
        async with setup.change():
            pass
    assert setup.reloads() == []


async def test_bodies_of_a_workspace_run_one_after_another_while_approvals_wait_together(tmp_path):
    setup = Setup(tmp_path, mode="manual")
    inside = 0
    most = 0

    async def change():
        nonlocal inside, most
        async with setup.change():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    tasks = [asyncio.create_task(change()) for _ in range(5)]
    await until(lambda: len(setup.approvals.list()) == 5)
    for each in setup.approvals.list():
        setup.approvals.reply(each.id, allow=True)
    await asyncio.gather(*tasks)
    assert most == 1
    assert await setup.outcomes() == ["done"] * 5


@pytest.mark.parametrize("allow", [True, False])
async def test_who_decided_is_recorded_and_sees_what_would_change(tmp_path, allow):
    setup = Setup(tmp_path, mode="manual")
    host = Actor("host", "host-hash", Scope.OWNER)

    async def attempt():
        with contextlib.suppress(OpenWorkError):
            async with setup.change(detail="model: a/b"):
                pass

    task = asyncio.create_task(attempt())
    await until(setup.approvals.list)
    (waiting,) = setup.approvals.list()
    assert waiting.to_json()["detail"] == "model: a/b"
    setup.approvals.reply(waiting.id, allow=allow, by=host)
    await task
    (entry,) = await setup.audit.tail("ws_a", 10)
    assert entry["decidedBy"] == host.to_json()
    assert entry["outcome"] == ("done" if allow else "denied")


async def test_a_token_revoked_while_its_change_waits_changes_nothing(tmp_path):
    setup = Setup(tmp_path, mode="manual")
    task = asyncio.create_task(denied(setup))
    await until(setup.approvals.list)
    setup.approvals.revoke(COLLABORATOR.token_hash)
    assert await task == "revoked"
    (entry,) = await setup.audit.tail("ws_a", 10)
    assert (entry["outcome"], entry["reason"]) == ("denied", "revoked")


@pytest.mark.parametrize("scope", [None, Scope.VIEWER])
async def test_what_a_token_allows_is_asked_again_after_the_approval(tmp_path, scope):
    scopes = [scope]
    setup = Setup(tmp_path, mode="manual", scope_of=lambda _: scopes[0])
    task = asyncio.create_task(denied(setup))
    await until(setup.approvals.list)
    setup.approvals.reply(setup.approvals.list()[0].id, allow=True)
    assert await task == "revoked"
    (entry,) = await setup.audit.tail("ws_a", 10)
    assert (entry["outcome"], entry["reason"]) == ("denied", "revoked")
    scopes[0] = Scope.OWNER
    setup.approvals.mode = "auto"
    async with setup.change():
        pass
    assert (await setup.outcomes())[0] == "done"


async def denied(setup):
    """Why a change was refused, whose body does not run."""
    with pytest.raises(OpenWorkError) as caught:
        async with setup.change():
            pytest.fail("the body ran")
    assert caught.value.code == "write_denied"
    return caught.value.details["reason"]


async def test_a_log_that_cannot_be_written_refuses_the_change_before_it_is_made(tmp_path):
    setup = Setup(tmp_path)
    (tmp_path / "data" / "audit" / "ws_a.jsonl").mkdir(parents=True)
    with pytest.raises(OpenWorkError, match=r"not made.*ws_a\.jsonl") as caught:
        async with setup.change():
            pytest.fail("the body ran")
    assert (caught.value.code, caught.value.status) == ("audit_unavailable", 503)
    assert setup.reloads() == []


async def test_a_change_on_a_full_disk_is_refused_before_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("openwork.server.audit.LEAST_ROOM_BYTES", 1 << 62)
    with pytest.raises(OpenWorkError, match="bytes are free"):
        async with Setup(tmp_path).change():
            pytest.fail("the body ran")


async def test_a_log_that_breaks_while_the_change_is_made_is_told_in_the_servers_log(
    tmp_path, caplog
):
    setup = Setup(tmp_path)

    async def change_and_break_the_log():
        async with setup.change() as change:
            change.summary = "Install the skill report"
            path = tmp_path / "data" / "audit" / "ws_a.jsonl"
            path.unlink()
            path.mkdir()

    with pytest.raises(OSError, match=r"ws_a\.jsonl"):
        await change_and_break_the_log()
    (told,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "not in the audit log of workspace ws_a: Install the skill report" in told.getMessage()
    assert setup.reloads() == []


async def test_a_stopping_server_ends_what_is_under_way_and_begins_nothing_more(tmp_path):
    setup = Setup(tmp_path)
    may_end = asyncio.Event()

    async def slow():
        async with setup.change():
            await may_end.wait()

    under_way = asyncio.create_task(slow())
    await until(lambda: setup.gate._under_way)
    queued = asyncio.create_task(denied(setup))
    await asyncio.sleep(0)
    setup.gate.close()
    finished = asyncio.create_task(setup.gate.finished())
    await asyncio.sleep(0)
    assert not finished.done()
    may_end.set()
    await asyncio.gather(under_way, finished)
    assert await queued == "restart"
    assert await setup.outcomes() == ["denied", "done"]
    await setup.gate.finished()
