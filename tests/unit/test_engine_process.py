"""At which level the engine's own log lines are told."""

from __future__ import annotations

import logging

import pytest

from openwork.engine.process import line_level

HEAD = "timestamp=2026-11-21T12:13:04.052Z"


@pytest.mark.parametrize(
    "line",
    [
        f'{HEAD} level=ERROR message="provider refused" status=500',
        f'{HEAD} level=WARN message="an attempt failed"',
    ],
)
def test_what_the_engine_calls_an_error_is_told_and_is_none_of_the_hosts(line: str):
    assert line_level(line) == logging.INFO


@pytest.mark.parametrize(
    "line",
    [
        f"{HEAD} level=INFO message=loading path=/reports/opencode.jsonc",
        "a line with no level",
        "",
        f'{HEAD} level=ERROR message="Failed to fetch models.dev" cause="Transport error"',
        f'{HEAD} level=WARN message="background dependency install failed" dir=/reports/.opencode',
    ],
)
def test_what_it_loads_and_what_it_misses_without_a_network_is_for_verbose(line: str):
    assert line_level(line) == logging.DEBUG
