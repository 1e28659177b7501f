"""``openwork run`` on a host that runs: the answer, the steps, permissions, interruptions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from openwork.common.net import free_port, listen
from openwork.engine.client import EngineClient
from openwork.orchestrator.retrying import Patience
from openwork.orchestrator.task import INTERRUPTED, Answer, Finished, TaskRun, TextDelta
from openwork.orchestrator.usable_models import HOW_TO_SIGN_IN
from tests.running_host import COMMAND, WAIT_S, home_of, openwork, running_host, wait_until

EXPENSES = "Summarise the expenses"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with running_host(tmp_path_factory.mktemp("run"), "--demo") as running:
        yield running


@pytest.fixture
def summary(host):
    path = Path(host.workspace) / "summary.md"
    path.unlink(missing_ok=True)
    return path


def run(host, *arguments):
    return openwork(host.env, "run", "--workspace", host.workspace, *arguments)


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def opened(pipe):
    """A pipe that was asked for."""
    assert pipe is not None
    return pipe


def through(host, base=None):
    """A client of the host's engine, through its server or something in front of it."""
    return EngineClient(
        f"{base or host.url}/w/{host.ready['workspaceId']}/opencode",
        headers={"Authorization": f"Bearer {host.ready['openwork']['ownerToken']}"},
    )


async def last_error(host, session_id):
    async with through(host) as client:
        assert session_id not in await client.session_statuses()
        return ((await client.messages(session_id))[-1].info.error or {}).get("name")


def test_the_answer_is_on_stdout_and_the_steps_on_stderr(host, summary):
    done = run(host, "--permissions", "once", EXPENSES)
    assert done.returncode == 0, done.stderr
    assert "summary.md is written." in done.stdout
    assert "permission" not in done.stdout
    assert "permission allowed once: edit summary.md" in done.stderr
    assert "✓ write: summary.md" in done.stderr
    assert summary.exists()


def test_nobody_to_ask_means_refused_and_failed(host, summary):
    done = run(host, EXPENSES)
    assert done.returncode == 1, done.stderr
    assert "No terminal to ask on" in done.stderr
    assert "Nobody is there to answer." in done.stdout
    assert "Failed: nobody could be asked, so this was refused: edit\n" in done.stderr
    assert "  Next: Run it in a terminal" in done.stderr
    assert not summary.exists()


def test_json_lines_tell_the_whole_story(host, summary):
    done = run(host, "--json", "--permissions", "reject", EXPENSES)
    told = lines_of(done.stdout)
    kinds = {each["type"] for each in told}
    assert kinds == {"started", "text", "step", "permission", "finished"}
    assert told[0]["sessionId"].startswith("ses_")
    assert [each["reply"] for each in told if each["type"] == "permission"] == ["reject"]
    assert told[-1] == {"type": "finished", "ok": True, "error": None}
    states = [each["state"] for each in told if each.get("tool") == "write"]
    assert states == ["pending", "running", "error"]
    assert not summary.exists()


def test_a_failing_provider_fails_the_command(host):
    done = run(host, "Show me a provider error")
    assert done.returncode == 1
    assert "Failed: " in done.stderr
    assert "The demo provider refused this request" in done.stderr


def test_a_provider_that_recovers_is_told_of_and_no_failure(host):
    done = run(host, "Show me a busy provider")
    assert done.returncode == 0, done.stderr
    assert "The model cannot be reached (attempt 1): " in done.stderr
    assert "here is the answer" in done.stdout


async def test_a_model_out_of_reach_ends_the_task(host):
    """The engine would try for ever: the session is stopped, and the reason told."""
    async with through(host) as client:
        session = await client.create_session()
        task = TaskRun(client, session.id, never_asked, patience=Patience(most_attempts=1))
        async with asyncio.timeout(WAIT_S):
            told = [event async for event in task.run("Show me a busy provider")]
        finished = told[-1]
        assert isinstance(finished, Finished)
        assert finished.error is not None
        assert "the model openwork-demo/scripted cannot be reached (1 attempt): " in finished.error
        assert "busy" in finished.error
        assert finished.hint
        assert session.id not in await client.session_statuses()


def test_without_any_model_nothing_is_sent(tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "opencode.jsonc").write_text('{"disabled_providers": ["opencode"]}')
    done = openwork(home_of(tmp_path), "run", "--workspace", str(folder), "Hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1:] == [
        "Error: No model can be used: no model provider is signed in or configured.",
        f"  Next: {HOW_TO_SIGN_IN}",
    ]


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    folder = tmp_path / "reprots"
    done = openwork(home_of(tmp_path), "run", "--workspace", str(folder), "Hello")
    assert done.returncode == 1
    assert f"Error: There is no folder {folder}." in done.stderr
    assert not folder.exists()


def test_a_wrong_token_is_told_with_the_next_step(host):
    done = openwork(host.env, "run", "--openwork-url", host.url, "--token", "wrong", "x")
    assert done.returncode == 1
    assert "Error: " in done.stderr
    assert "token" in done.stderr
    assert "Next: " in done.stderr


def test_no_token_and_no_host_are_told_with_the_next_step(host):
    done = openwork(host.env, "run", "--openwork-url", host.url, "x")
    assert (done.returncode, "OPENWORK_TOKEN" in done.stderr) == (1, True)
    nobody = f"http://127.0.0.1:{free_port()}"
    done = openwork(host.env, "run", "--openwork-url", nobody, "--token", "any", "x")
    assert (done.returncode, nobody in done.stderr) == (1, True)
    assert "Next: " in done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_engines_work_too(host, number, status):
    command = [*COMMAND, "run", "--workspace", host.workspace, "--json", "Please count to 5000"]
    with subprocess.Popen(
        command,
        env=host.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as task:
        output = opened(task.stdout)
        session_id = json.loads(output.readline())["sessionId"]
        assert json.loads(output.readline())["type"] == "text"
        task.send_signal(number)
        assert task.wait(WAIT_S) == status
        assert opened(task.stderr).read().splitlines()[1:] == ["Stopping …"]
    assert asyncio.run(last_error(host, session_id)) == "MessageAbortedError"


@contextlib.contextmanager
def asked_in_a_terminal(host):
    """A task that waits for a person: the process, and the terminal's other end."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, "run", "--workspace", host.workspace, "--json", EXPENSES]
    with subprocess.Popen(
        command, env=host.env, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True
    ) as task:
        os.close(theirs)
        seen = b""
        while b"Allow?" not in seen:
            seen += os.read(ours, 4096)
        assert b"The agent asks: edit summary.md" in seen
        assert b"+# Summary of expenses-2025-q3.csv" in seen
        assert not [mark for mark in (b"Index:", b"+++", b"---\t") if mark in seen]
        try:
            yield task, ours
        finally:
            os.close(ours)


def test_a_person_answers_in_the_terminal(host, summary):
    with asked_in_a_terminal(host) as (task, terminal):
        os.write(terminal, b"\nperhaps\nyes\n")
        told = lines_of(opened(task.stdout).read())
        assert task.wait(WAIT_S) == 0
    assert [each["reply"] for each in told if each["type"] == "permission"] == ["once"]
    assert summary.exists()


def test_a_refusal_carries_its_reason_to_the_model(host, summary):
    with asked_in_a_terminal(host) as (task, terminal):
        os.write(terminal, b"no\nuse another name\n")
        told = lines_of(opened(task.stdout).read())
        assert task.wait(WAIT_S) == 0
    said = "".join(each["text"] for each in told if each["type"] == "text")
    assert "use another name" in said
    assert not summary.exists()


def the_rest_of(terminal):
    """What stood on the terminal until its other end was closed."""
    seen = b""
    with contextlib.suppress(OSError):  # EIO: nobody has it open any more
        while chunk := os.read(terminal, 4096):
            seen += chunk
    return seen.decode()


@pytest.mark.parametrize(
    ("stop", "status", "line"),
    [
        (lambda task, _: task.send_signal(signal.SIGINT), 130, "Stopping …"),
        (lambda task, _: task.send_signal(signal.SIGTERM), 143, "Stopping …"),
        (lambda _, terminal: os.write(terminal, b"\x04"), 130, "Interrupted."),
    ],
    ids=["ctrl-c", "SIGTERM", "ctrl-d"],
)
def test_stopping_at_the_question_ends_at_once(host, summary, stop, status, line):
    with asked_in_a_terminal(host) as (task, terminal):
        stop(task, terminal)
        told = lines_of(opened(task.stdout).read())
        assert task.wait(WAIT_S) == status
        said = [each for each in the_rest_of(terminal).splitlines() if each.strip()]
    assert [each for each in said if "Allow?" not in each and "^D" not in each] == [line]
    assert asyncio.run(last_error(host, told[0]["sessionId"])) == "MessageAbortedError"
    assert not summary.exists()


class Cable:
    """A TCP relay to a host that can be cut: every connection breaks, later ones stand."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        for each in self._open:
            each.transport.abort()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def relayed(host):
    """A cable to ``host``: it and its address."""
    cable = Cable(host.ready["openwork"]["port"])
    listener = listen("127.0.0.1", 0)
    async with await asyncio.start_server(cable.connect, sock=listener):
        yield cable, f"http://127.0.0.1:{listener.getsockname()[1]}"
        cable.cut()


async def never_asked(_):
    return Answer("reject")


async def test_a_cut_stream_neither_loses_nor_doubles_text(host):
    numbers = " ".join(str(number) for number in range(1, 61))
    async with relayed(host) as (cable, base), through(host, base) as client:
        session = await client.create_session()
        task = TaskRun(client, session.id, never_asked)
        pieces: list[str] = []
        last = None
        async with asyncio.timeout(WAIT_S):
            async for event in task.run("Please count to 60"):
                last = event
                if isinstance(event, TextDelta):
                    pieces.append(event.text)
                    if len(pieces) == 10:
                        cable.cut()
    assert last == Finished(None)
    assert "".join(pieces) == numbers
    assert 10 < len(pieces) < 60, "the cut made no gap"


async def test_a_permission_answered_elsewhere_is_no_failure(host, summary):
    async with through(host) as client, through(host) as other:
        session = await client.create_session()

        async def too_late(request):
            await other.reply_permission(request.id, "once")
            return Answer("reject")

        task = TaskRun(client, session.id, too_late)
        async with asyncio.timeout(WAIT_S):
            told = [event async for event in task.run(EXPENSES)]
    assert told[-1] == Finished(None)
    assert summary.exists()


def test_always_is_not_asked_again(host, summary):
    done = run(host, "--permissions", "always", EXPENSES)
    assert done.returncode == 0, done.stderr
    assert "permission allowed from now on: edit summary.md" in done.stderr
    summary.unlink()
    done = run(host, EXPENSES)
    assert done.returncode == 0, done.stderr
    assert "refused" not in done.stderr.replace("permissions will be refused", "")
    assert summary.exists()


def test_a_task_that_broke_off_is_no_success(host):
    command = [*COMMAND, "run", "--workspace", host.workspace, "Please count to 5000"]
    with subprocess.Popen(
        command,
        env=host.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as task:
        assert opened(task.stdout).read(2)
        host.find("opencode", "serve").kill()
        assert task.wait(WAIT_S) == 1
        assert f"Failed: {INTERRUPTED}" in opened(task.stderr).read()


def test_without_a_host_a_temporary_one_is_used_and_ended(tmp_path):
    env = home_of(tmp_path)
    done = openwork(env, "run", "--demo", "Please count to 3")
    assert (done.returncode, done.stdout) == (0, "1 2 3\n"), done.stderr
    assert "Starting a temporary host on sample files" in done.stderr
    assert list((tmp_path / "tmp").glob("openwork-demo-*")) == []
    assert list((tmp_path / "data" / "run").iterdir()) == []
    wait_until(lambda: not ours_in(tmp_path), "no process of that home is left")


def ours_in(folder):
    """Processes whose home lies below ``folder``."""
    import psutil

    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(folder) in each.environ().get("OPENWORK_DATA_DIR", ""):
                found.append(each)
    return found
