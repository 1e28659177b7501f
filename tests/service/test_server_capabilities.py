"""What a server says it can do follows from what it was told."""

from __future__ import annotations

import pytest

from openwork.server.routes.health import describe_browser
from tests.stack import CLIENT_TOKEN, running_server


async def test_sandbox_and_browser_are_told_to_clients(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "s").mkdir()
    env = {
        "OPENWORK_SANDBOX_ENABLED": "1",
        "OPENWORK_SANDBOX_BACKEND": "docker",
        "OPENWORK_BROWSER_PROVIDER": "sandbox-headless",
    }
    async with running_server(tmp_path / "w", tmp_path / "s", env=env) as server:
        _, body = await server.call("GET", "/capabilities", token=CLIENT_TOKEN)
    assert body["sandbox"] == {"enabled": True, "backend": "docker"}
    browser = {"enabled": True, "placement": "in-sandbox", "mode": "headless"}
    assert body["toolProviders"]["browser"] == browser


@pytest.mark.parametrize(
    ("provider", "placement", "mode"),
    [
        ("none", "external", "none"),
        ("sandbox-headless", "in-sandbox", "headless"),
        ("host-interactive", "host-machine", "interactive"),
        ("client-interactive", "client-machine", "interactive"),
    ],
)
def test_each_browser_says_where_it_runs(provider, placement, mode):
    told = {"enabled": provider != "none", "placement": placement, "mode": mode}
    assert describe_browser(provider) == told
