"""Fetching from GitHub: what is kept, for how long, and how much is taken."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from yarl import URL

from openwork.common.errors import OpenWorkError, UsageError
from openwork.server import github, settings
from openwork.server.github import Hub
from openwork.workspace.skill_hub import Repository
from tests.fake_github import FakeGitHub, fake_github

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

SOURCE = Repository("acme", "skills", "main")
SKILL = b"---\nname: it\ndescription: d\n---\n"


@pytest.fixture
async def fake() -> AsyncGenerator[FakeGitHub]:
    async with fake_github() as fake:
        fake.files["skills/it/SKILL.md"] = (SKILL, "100644")
        yield fake


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def hub(fake: FakeGitHub, clock: list[float]) -> Hub:
    return Hub(f"{fake.base}/api", f"{fake.base}/raw", clock=lambda: clock[0])


async def names(hub: Hub, source: Repository = SOURCE) -> list[str]:
    return [each.name for each in (await hub.catalogue(source)).skills]


async def test_a_catalogue_is_fresh_for_five_minutes(hub, fake, clock):
    assert await names(hub) == ["it"]
    fake.files.clear()
    clock[0] = 299.9
    assert await names(hub) == ["it"]
    clock[0] = 300.0
    assert await names(hub) == []


async def test_only_the_latest_catalogues_are_kept(hub, fake):
    fake.branches |= {f"b{number}" for number in range(github.MAX_CATALOGUES)}
    await names(hub)
    for number in range(github.MAX_CATALOGUES):
        await names(hub, Repository("acme", "skills", f"b{number}"))
    asked = len(fake.requests)
    await names(hub, Repository("acme", "skills", "b0"))
    assert len(fake.requests) == asked
    await names(hub)
    assert len(fake.requests) == asked + 3


async def test_more_bytes_than_promised_are_not_taken(hub, fake):
    fake.wrong["skills/it/SKILL.md"] = SKILL + b"x" * 1_000_000
    with pytest.raises(OpenWorkError, match="sent more than") as caught:
        await names(hub)
    assert (caught.value.code, caught.value.status) == ("hub_fetch_failed", 502)


async def test_a_tree_over_the_limit_is_not_read(hub, fake, monkeypatch):
    monkeypatch.setattr(github, "MAX_TREE_BYTES", 100)
    with pytest.raises(OpenWorkError, match="sent more than 100 bytes"):
        await names(hub)


async def test_an_answer_that_does_not_come_is_given_up(hub, fake, monkeypatch):
    monkeypatch.setattr(github, "REQUEST_TIMEOUT_S", 0.05)
    fake.gate.clear()
    with pytest.raises(OpenWorkError, match="no answer") as caught:
        await names(hub)
    assert caught.value.code == "hub_fetch_failed"
    fake.gate.set()


async def test_nobody_there_is_told():
    with pytest.raises(OpenWorkError) as caught:
        await names(Hub("http://127.0.0.1:9", "http://127.0.0.1:9"))
    assert caught.value.code == "hub_fetch_failed"


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://api.github.com", "https://api.github.com"),
        ("https://ghe.example.com:8443/api/v3/", "https://ghe.example.com:8443/api/v3"),
        ("http://127.0.0.1:8000/api", "http://127.0.0.1:8000/api"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_address_of_the_hub_may_have_a_path(tmp_path, address, kept):
    env = {"OPENWORK_HUB_API_URL": address, "OPENWORK_SERVER_CONFIG": str(tmp_path / "none.json")}
    assert settings.load({}, env).hub_api_url == kept


@pytest.mark.parametrize(
    "address",
    ["http://ghe.example.com", "ftp://x", "https://user:pw@x", "https://x?y", "https://x/#y",
     "https://x y", "x", "http://127.0.0.1@evil.example", "http://localhost.evil.example"],
)  # fmt: skip
def test_other_addresses_are_refused_at_the_start(tmp_path, address):
    env = {"OPENWORK_HUB_RAW_URL": address, "OPENWORK_SERVER_CONFIG": str(tmp_path / "none.json")}
    with pytest.raises(UsageError, match="expected an address"):
        settings.load({}, env)


@asynccontextmanager
async def proxy_before(fake: FakeGitHub, *, password: str = "") -> AsyncGenerator[tuple[str, list]]:
    """A proxy that answers every plain request as ``fake`` does; what it was asked for."""
    asked: list[tuple[str, str, str | None]] = []
    wanted = "Basic " + base64.b64encode(f"me:{password}".encode()).decode() if password else None

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        login = request.headers.get("Proxy-Authorization")
        asked.append((request.method, request.raw_path, login))
        if login != wanted:
            return web.Response(status=407)
        if request.method == "CONNECT":
            return web.Response(status=403)
        return await fake.answer(request)  # pyright: ignore[reportArgumentType]  # reads no more

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}", asked
    finally:
        await runner.cleanup()


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Sets the variables of proxies, none other being set; a login lies in ~/.netrc."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    hosts = ("hub.example", "127.0.0.1", "default")
    lines = [f"machine {host} login me password netrc-canary\n" for host in hosts]
    (tmp_path / "netrc").write_text("".join(lines))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return monkeypatch.setenv


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_what_the_hub_needs_goes_through_the_proxy_without_a_login(fake, environment, scheme):
    async with proxy_before(fake) as (address, asked):
        environment("HTTP_PROXY", scheme + address)
        assert await names(Hub("http://hub.example/api", "http://hub.example/raw")) == ["it"]
    assert {path.partition("/api")[0].partition("/raw")[0] for _, path, _ in asked} == {
        "http://hub.example"
    }
    assert {login for _, _, login in asked} == {None}


async def test_the_proxys_own_login_goes_to_the_proxy_and_into_no_message(fake, environment):
    async with proxy_before(fake, password="right-canary") as (address, _):
        hub = Hub("http://hub.example/api", "http://hub.example/raw")
        environment("http_proxy", f"http://me:right-canary@{address}")
        assert await names(hub) == ["it"]
        environment("http_proxy", f"http://me:wrong-canary@{address}")
        with pytest.raises(OpenWorkError) as caught:
            await names(hub, Repository("acme", "other", "main"))
    assert "407" in caught.value.message
    assert "canary" not in caught.value.message


async def test_encrypted_addresses_are_tunnelled(fake, environment):
    async with proxy_before(fake) as (address, asked):
        environment("HTTPS_PROXY", f"http://{address}")
        with pytest.raises(OpenWorkError, match="403"):  # this one opens no tunnel
            await names(Hub("https://hub.example/api", "https://hub.example/raw"))
    assert asked == [("CONNECT", "hub.example:443", None)]


def test_no_proxy_is_asked_where_none_is_wanted(environment):
    environment("HTTP_PROXY", "http://proxy.example:3128")
    assert github.proxy_for(URL("http://hub.example/x")) == "http://proxy.example:3128"
    assert github.proxy_for(URL("https://hub.example/x")) is None
    assert github.proxy_for(URL("http://127.0.0.1:8000/x")) is None
    environment("NO_PROXY", "other.example, hub.example")
    assert github.proxy_for(URL("http://hub.example/x")) is None
    assert github.proxy_for(URL("http://api.hub.example/x")) is None
