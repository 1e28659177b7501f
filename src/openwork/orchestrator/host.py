"""One host: engine, server and (in a demo) model provider on one folder, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Self, cast

from openwork.common import log
from openwork.common.errors import OpenWorkError
from openwork.common.files import use_data_dir
from openwork.common.ids import new_password, workspace_id
from openwork.common.net import listen
from openwork.demo.config import engine_config
from openwork.demo.layout import lay_out
from openwork.engine.home import EngineHome
from openwork.engine.locate import locate_engine
from openwork.engine.process import Engine, EngineOptions
from openwork.orchestrator import runs
from openwork.orchestrator.credentials import load_credentials, save_owner_token
from openwork.orchestrator.ready import ReadyHost
from openwork.orchestrator.server_api import Access, ServerApi
from openwork.orchestrator.services import (
    EngineService,
    ModuleService,
    demo_environment,
    server_environment,
)
from openwork.orchestrator.supervisor import Supervisor
from openwork.workspace.config import ensure_config, read_config
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    import socket
    from pathlib import Path
    from types import TracebackType

    from openwork.engine.locate import EngineBinary
    from openwork.engine.progress import Report
    from openwork.orchestrator.credentials import Credentials
    from openwork.orchestrator.settings import HostSettings

PORTS_TO_TRY = 10

logger = logging.getLogger("openwork.orchestrator")


class Host:
    """Brings the services up in order and ends them in order; use it with ``async with``.

    Leaving the block ends everything, whatever happened inside, also half-way through the start.

    Args:
        settings: What it was told.
        report: Told about the engine's installation.
    """

    def __init__(self, settings: HostSettings, report: Report) -> None:
        self._settings = settings
        self._report = report
        self._supervisors: list[Supervisor] = []
        self._modules: list[ModuleService] = []
        self._ready: ReadyHost | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.shield(self._end())

    async def start(self) -> ReadyHost:
        """Bring everything up.

        Raises:
            OpenWorkError: The first thing that failed, named, with the next step.
        """
        settings = self._settings
        _prepare(settings)
        runs.sweep(settings.run_dir)
        listener = _listen(settings)
        try:
            credentials = load_credentials(
                settings.data_dir,
                collaborator=settings.openwork_token,
                host=settings.openwork_host_token,
            )
            binary = await self._locate()
        except BaseException:
            listener.close()
            raise
        engine, server = self._make_services(listener, credentials, binary)
        await self._start_all()
        credentials = await _with_owner_token(settings, credentials, server.base_url)
        self._ready = ReadyHost(settings, credentials, engine, binary, server.base_url, server.port)
        await self._verify(self._ready)
        self._record()
        return self._ready

    async def watch(self) -> None:
        """Keep the services running until cancelled.

        Raises:
            OpenWorkError: ``crash_loop`` of a service.
        """
        tasks = [asyncio.create_task(each.watch()) for each in self._supervisors]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _locate(self) -> EngineBinary:
        binary = await locate_engine(self._settings.engine_request, self._report)
        logger.debug("engine: %s", "; ".join(str(each) for each in binary.tried))
        return binary

    def _make_services(
        self, listener: socket.socket, credentials: Credentials, binary: EngineBinary
    ) -> tuple[Engine, ModuleService]:
        settings = self._settings
        content = None
        if settings.demo:
            key = new_password()
            log.hide(key)
            provider = ModuleService(
                "model provider",
                "openwork.demo",
                listen("127.0.0.1", 0),
                arguments=("--log-format", "json", "--fd"),
                env=demo_environment(settings, key),
                log_component="openwork-demo",
            )
            self._modules.append(provider)
            content = engine_config(f"{provider.base_url}/v1", key)
        engine = Engine(
            EngineOptions(
                binary=binary.path,
                home=EngineHome(settings.data_dir, isolated=settings.demo),
                cwd=settings.workspace,
                run_id=settings.run_id,
                host=settings.opencode_host,
                port=settings.opencode_port,
                log_level=settings.opencode_log_level,
                config_content=content,
            )
        )
        server = ModuleService(
            "openwork-server",
            "openwork.cli.server",
            listener,
            arguments=("--listen-fd",),
            env=server_environment(settings, credentials, engine, os.environ),
            log_component="openwork-server",
        )
        self._modules.append(server)

        async def tell_server() -> None:
            await _tell_of_restart(server.base_url, credentials.host, engine.base_url)

        self._supervisors = [
            Supervisor(EngineService(engine), on_change=self._record, on_restart=tell_server),
            *(Supervisor(each, on_change=self._record) for each in self._modules),
        ]
        return engine, server

    async def _start_all(self) -> None:
        """Start the services side by side: none needs another to start, only to work."""
        try:
            async with asyncio.TaskGroup() as group:
                for supervisor in self._supervisors:
                    group.create_task(supervisor.start())
        except BaseException as failure:
            raise _first(failure) from failure

    async def _verify(self, ready: ReadyHost) -> None:
        """The server must be ours, on our workspace, with our engine behind it.

        Raises:
            OpenWorkError: ``workspace_mismatch``, or what the engine answers through the server.
        """
        credentials = ready.credentials
        # A read-only host issues no owner token.
        access = Access(token=credentials.owner or credentials.collaborator)
        async with ServerApi(ready.server_url, access) as api:
            served = [each["id"] for each in await api.workspaces()]
            if ready.workspace_id not in served:
                raise OpenWorkError(
                    "workspace_mismatch",
                    f"The server at {ready.server_url} does not serve {ready.settings.workspace}.",
                    hint="Another program may answer there; choose another --openwork-port.",
                )
            await api.call("GET", f"/w/{ready.workspace_id}/opencode/global/health")

    def _record(self) -> None:
        ready = self._ready
        if ready is None:
            return
        children: list[runs.ChildRecord] = []
        for supervisor in self._supervisors:
            child = supervisor.service.child
            if child is not None and child.running:
                record = runs.ChildRecord(child.name, child.pid, runs.started_at(child.pid))
                children.append(record)
        settings = self._settings
        run = runs.HostRun(
            run_id=settings.run_id,
            pid=os.getpid(),
            started_at=runs.started_at(os.getpid()),
            workspace=str(settings.workspace),
            workspace_id=workspace_id(settings.workspace),
            url=ready.server_url,
            connect_url=ready.connect_url,
            token=ready.credentials.collaborator,
            owner_token=ready.credentials.owner,
            host_token=ready.credentials.host,
            children=tuple(children),
        )
        with contextlib.suppress(OSError):  # a full disk must not end the host
            runs.write_run(settings.run_dir, run)

    async def _end(self) -> None:
        """End the services, the last started first, and give their ports back."""
        was_recorded, self._ready = self._ready is not None, None
        for supervisor in reversed(self._supervisors):
            await supervisor.stop()
        for module in self._modules:
            module.close()
        if was_recorded:
            runs.remove_run(self._settings.run_dir, self._settings.run_id)


def _first(failure: BaseException) -> BaseException:
    """The failure that ended the others."""
    if isinstance(failure, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", failure)
        return _first(group.exceptions[0])
    return failure


def _prepare(settings: HostSettings) -> None:
    """Make the folders that must be there.

    Raises:
        OpenWorkError: ``workspace_unusable`` or ``data_dir_unusable``, naming the folder.
    """
    workspace = settings.workspace
    try:
        if not workspace.exists():
            workspace.mkdir(parents=True)
            if not settings.demo:
                logger.warning("%s was not there: made, and empty", workspace)
        workspace.mkdir(exist_ok=True)
        if not os.access(workspace, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(13, "it cannot be read and written", str(workspace))
        if not any(workspace.glob("opencode.json*")) and not settings.read_only:
            ensure_config(WorkspaceRoot(workspace))
        _warn_of_damaged_config(workspace)
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "it is no folder" if in_the_way else error.strerror or error
        raise OpenWorkError(
            "workspace_unusable",
            f"Cannot work in {workspace}: {reason}",
            hint=f"Check the folder and its permissions: ls -ld {workspace}",
        ) from error
    use_data_dir(settings.data_dir)
    if settings.demo:
        lay_out(workspace)


def _warn_of_damaged_config(workspace: Path) -> None:
    """Say which file the engine will refuse: the host is useful for repairing it, so it starts."""
    try:
        read_config(WorkspaceRoot(workspace))
    except OpenWorkError as error:
        logger.warning("%s The engine refuses this workspace until it is repaired.", error.message)


def _listen(settings: HostSettings) -> socket.socket:
    """The server's socket: the asked-for port, else the first free one from the default on."""
    if settings.port_was_asked_for:
        return listen(settings.openwork_host, settings.openwork_port)
    first = settings.openwork_port
    for port in range(first, first + PORTS_TO_TRY):
        try:
            listener = listen(settings.openwork_host, port)
        except OpenWorkError as error:
            if error.code != "port_taken":
                raise
            logger.info("%s Trying the next one.", error.message)
            continue
        return listener
    return listen(settings.openwork_host, 0)


async def _tell_of_restart(server_url: str, host_token: str, engine_url: str) -> None:
    """The server's clients learn that the engine was started again.

    A server that is being started again itself takes the call as soon as it is there.
    """
    try:
        async with ServerApi(server_url, Access(host_token=host_token)) as api:
            await api.call("POST", "/engine/restarted", json_body={"baseUrl": engine_url})
    except OpenWorkError as error:
        logger.warning("clients are not told that the engine was restarted: %s", error.message)


async def _with_owner_token(
    settings: HostSettings, credentials: Credentials, server_url: str
) -> Credentials:
    """The kept owner token when the server still knows it, else a new one, kept."""

    if credentials.owner:
        try:
            async with ServerApi(server_url, Access(token=credentials.owner)) as api:
                if (await api.whoami())["scope"] == "owner":
                    return credentials
        except OpenWorkError as error:
            if error.code != "unauthorized":
                raise
    async with ServerApi(server_url, Access(host_token=credentials.host)) as api:
        try:
            owner = await api.issue_token("owner", "host")
        except OpenWorkError as error:
            if error.code != "read_only":
                raise
            owner = ""
    if owner:
        save_owner_token(settings.data_dir, owner)
    return replace(credentials, owner=owner)
