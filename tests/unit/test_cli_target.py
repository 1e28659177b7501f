"""Which host a command talks to; what is no address is told with its origin."""

from __future__ import annotations

import pytest

from openwork.cli.target import find_target, named_url
from openwork.common.errors import UsageError


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("OPENWORK_URL", "OPENWORK_SERVER_URL", "OPENWORK_TOKEN", "OPENWORK_HOST_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "url", ["nonsense", "127.0.0.1:8787", "ftp://host", "http://", "http://[::1", "http://h:99999"]
)
def test_what_is_no_address_is_a_usage_error(url):
    with pytest.raises(UsageError) as caught:
        named_url(url)
    assert f"--openwork-url: {url!r} is not an address" in caught.value.message
    assert caught.value.hint


def test_a_variables_address_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("OPENWORK_SERVER_URL", "nonsense")
    with pytest.raises(UsageError, match="OPENWORK_SERVER_URL: 'nonsense'"):
        named_url(None)
    assert named_url("http://127.0.0.1:1") == "http://127.0.0.1:1"


def test_an_address_may_name_the_workspace():
    target = find_target(url="https://reports.example/w/ws_1/", token="t")
    assert (target.url, target.workspace_id) == ("https://reports.example", "ws_1")
