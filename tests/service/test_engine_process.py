"""The real engine's process: start, readiness, end, and what is in the way."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace

import psutil
import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.guard import descendants
from openwork.common.net import listen
from openwork.engine.home import EngineHome
from openwork.engine.process import Engine, EngineOptions
from tests.engine_cache import cached_engine
from tests.until import until


@pytest.fixture
def options(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    home = EngineHome(tmp_path / "data", isolated=True)
    return EngineOptions(binary=cached_engine(), home=home, cwd=folder, run_id="test-run")


async def test_it_starts_answers_only_with_its_password_and_leaves_nothing_behind(options):
    engine = Engine(options)
    await engine.start()
    assert engine.child is not None
    family = [engine.child.pid, *descendants(engine.child.pid)]
    try:
        assert engine.version.startswith("1.18.")
        assert len(family) >= 2
        commands = " ".join(" ".join(psutil.Process(pid).cmdline()) for pid in family)
        assert engine.password not in commands
        async with engine.client() as client:
            session = await client.create_session("Mine")
            assert session.directory == str(options.cwd)
            (listed,) = await client.sessions()
            assert listed.id == session.id
            # The engine dies, and is started again with the same address and state.
            os.kill(family[1], signal.SIGKILL)
            assert await engine.wait() == 128 + signal.SIGKILL
            await engine.start()
            assert (await client.session(session.id)).title == "Mine"
            await client.delete_session(session.id)
            assert await client.sessions() == []
        family += [engine.child.pid, *descendants(engine.child.pid)]
    finally:
        await engine.stop()
    await until(lambda: not any(psutil.pid_exists(pid) for pid in family), pause_s=0.01)
    await engine.stop()


async def test_a_program_that_is_missing_or_ends_at_once_is_told_with_its_words(options, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 3\n")
    broken.chmod(0o755)
    for binary, said in ((tmp_path / "none", "none"), (broken, "no such library")):
        with pytest.raises(OpenWorkError) as caught:
            await Engine(replace(options, binary=binary)).start()
        assert caught.value.code == "engine_failed"
        assert said in caught.value.message


async def test_another_program_at_the_port_is_not_taken_for_the_engine(options, tmp_path):
    idle = tmp_path / "idle"
    idle.write_text("#!/bin/sh\nexec sleep 600\n")
    idle.chmod(0o755)
    listener = listen("127.0.0.1", 0)

    async def stranger(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(stranger, sock=listener)
    try:
        engine = Engine(replace(options, binary=idle, port=listener.getsockname()[1]))
        with pytest.raises(OpenWorkError) as caught:
            await engine.start()
        assert caught.value.code == "engine_port_taken"
        assert engine.child is not None
        assert not engine.child.running
    finally:
        server.close()


def test_an_engine_never_listens_beyond_this_machine(options):
    with pytest.raises(OpenWorkError, match=r"0\.0\.0\.0"):
        Engine(replace(options, host="0.0.0.0"))  # noqa: S104  # refused
