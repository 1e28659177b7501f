"""Every recorded request gets the recorded answer, or a listed one that is better."""

from __future__ import annotations

import pytest

from tests.conformance.replay import DIFFERENCES, RECORDED, Answer, expected, lay_out, load, replay
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, running_engine, running_server

CASES = load(RECORDED)
TOKENS = ("--token", CLIENT_TOKEN, "--host-token", HOST_TOKEN)
WANTED_INSTEAD = {case["name"]: case for case in load(DIFFERENCES)}


@pytest.fixture(scope="module")
async def answers(tmp_path_factory):
    base = tmp_path_factory.mktemp("conformance")
    folder, state, home = base / "cw", base / "state", base / "home"
    for each in (folder, state, home):
        each.mkdir()
    lay_out(folder)
    env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    async with (
        running_engine(folder, state, "http://127.0.0.1:9/v1") as engine,
        running_server(folder, state, engine=engine, env=env, arguments=TOKENS) as server,
    ):
        tokens = {"client": CLIENT_TOKEN, "host": HOST_TOKEN}
        return await replay(server.base, folder, tokens, CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_the_answer_is_as_recorded_or_listed_as_better(answers, case):
    answer = answers[case["name"]]
    wanted = expected(WANTED_INSTEAD.get(case["name"]) or case)
    assert answer == Answer(wanted.status, beside(wanted.content, answer.content))


def beside(wanted, got):
    """``wanted`` with what errors may hold beside it: a next step, and where the fault lies."""
    if isinstance(wanted, dict) and "code" in wanted and isinstance(got, dict):
        extra = {key: got[key] for key in ("hint", "details") if key in got and key not in wanted}
        return wanted | extra
    return wanted


def test_every_difference_names_its_reason_and_a_case():
    names = [case["name"] for case in CASES]
    for case in WANTED_INSTEAD.values():
        assert case["name"] in names
        assert case["why"]


def test_each_case_keeps_its_recorded_status_but_where_the_reason_is_the_status():
    recorded = {case["name"]: case["status"] for case in CASES}
    changed = {name for name, case in WANTED_INSTEAD.items() if case["status"] != recorded[name]}
    assert changed == {name for name, case in WANTED_INSTEAD.items() if case.get("otherStatus")}
