"""What a real server does with somebody who guesses, and what it tells a scraper."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from openwork.server.approvals import MOST_WAITING_OF_A_TOKEN
from tests.stack import CLIENT_TOKEN, HOST_TOKEN, WAIT_S, running_server

MOST = 5


@pytest.fixture
async def server(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    env = {"OPENWORK_FAILED_AUTH_PER_MINUTE": str(MOST)}
    async with running_server(
        folder, tmp_path, engine_url="http://127.0.0.1:9", env=env
    ) as running:
        yield running


@pytest.mark.parametrize("path", ["/whoami", "/opencode/global/health"])
async def test_guessing_is_refused_after_a_while_with_the_time_to_wait(server, path):
    assert (await server.call("GET", "/whoami", token=CLIENT_TOKEN))[0] == 200
    for attempt in range(MOST):
        assert (await server.call("GET", path, token=f"guess-{attempt}"))[0] == 401
    headers = {"Authorization": "Bearer another-guess"}
    async with server.http.get(server.base + path, headers=headers) as response:
        assert response.status == 429
        assert 0 < int(response.headers["retry-after"]) <= 60
        assert (await response.json())["code"] == "too_many_attempts"
    assert (await server.call("GET", "/tokens", headers={"X-OpenWork-Host-Token": "x"}))[0] == 429
    # Not even a right token, from somebody who was never here before …
    assert (await server.call("GET", "/tokens", host=True))[0] == 429
    # … but whoever was here before goes on undisturbed, and what needs no token too.
    assert (await server.call("GET", "/whoami", token=CLIENT_TOKEN))[0] == 200
    assert (await server.call("GET", "/health"))[0] == 200


async def test_a_page_of_another_origin_that_guesses_locks_only_pages_out(server):
    pages = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ]
    for attempt in range(MOST):
        page = pages[attempt % len(pages)]
        assert (await server.call("GET", "/whoami", token=f"g-{attempt}", headers=page))[0] == 401
    for page in pages:
        assert (await server.call("GET", "/whoami", token="another", headers=page))[0] == 429
        host = {**page, "X-OpenWork-Host-Token": "guess"}
        assert (await server.call("GET", "/tokens", headers=host))[0] == 429
    own = {"Origin": server.base, "Sec-Fetch-Site": "same-origin"}
    assert (await server.call("GET", "/whoami", token=CLIENT_TOKEN, headers=own))[0] == 200
    assert (await server.call("GET", "/tokens", host=True))[0] == 200


async def test_whoever_is_no_page_and_guesses_locks_no_page_out(server):
    for attempt in range(MOST + 1):
        await server.call("GET", "/whoami", token=f"guess-{attempt}")
    page = {"Origin": "https://ui.example"}
    assert (await server.call("GET", "/whoami", token=CLIENT_TOKEN))[0] == 429
    assert (await server.call("GET", "/whoami", token=CLIENT_TOKEN, headers=page))[0] == 200


async def test_a_missing_token_is_no_guess(server):
    for _ in range(MOST + 2):
        assert (await server.call("GET", "/whoami"))[0] == 401


async def test_metrics_count_by_route_never_by_path(server):
    await server.call("GET", "/health")
    await server.call("GET", f"/workspace/{server.workspace}/audit", token=CLIENT_TOKEN)
    await server.call("GET", "/no-such-path/CANARY", token=CLIENT_TOKEN)
    await server.call("TRACE", "/health")
    await server.call("GET", "/whoami", token="wrong")
    await server.call("GET", f"/w/{server.workspace}/opencode/session/CANARY", token=CLIENT_TOKEN)
    status, text = await server.call("GET", "/metrics", token=CLIENT_TOKEN)
    assert status == 200
    lines, count = text.splitlines(), "openwork_requests_total"
    for expected in (
        f'{count}{{method="GET",route="/workspace/{{workspace_id}}/audit",status="200"}} 1.0',
        f'{count}{{method="GET",route="unknown",status="404"}} 1.0',
        f'{count}{{method="other",route="unknown",status="404"}} 1.0',
        f'{count}{{method="GET",route="/whoami",status="401"}} 1.0',
        f'{count}{{method="GET",route="/opencode/{{path}}",status="502"}} 1.0',
        "openwork_auth_failures_total 1.0",
        "openwork_requests_in_flight 1.0",
        "openwork_workspaces 1.0",
    ):
        assert expected in lines, text
    for absent in ("CANARY", "TRACE", server.workspace, CLIENT_TOKEN, HOST_TOKEN):
        assert absent not in text


async def test_prometheus_can_read_it(server):
    headers = {"Authorization": f"Bearer {CLIENT_TOKEN}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{server.base}/metrics", headers=headers) as response,
    ):
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await response.text()
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["openwork_request_duration_seconds"].type == "histogram"
    assert families["openwork_uptime_seconds"].samples[0].value > 0


@pytest.fixture(scope="module")
async def manual(tmp_path_factory):
    """A server whose host answers each change."""
    base = tmp_path_factory.mktemp("manual")
    folder = base / "workspace"
    folder.mkdir()
    env = {"OPENWORK_APPROVAL_MODE": "manual"}
    async with running_server(folder, base, engine_url="http://127.0.0.1:9", env=env) as running:
        yield running


async def waiting(server, count):
    """What waits for approval, once it is so many."""
    async with asyncio.timeout(WAIT_S):
        while True:
            _, body = await server.call("GET", "/approvals", host=True)
            if len(body["items"]) == count:
                return body["items"]


def save(server, token, name="a.md"):
    path = f"/workspace/{server.workspace}/files/content"
    body = {"path": name, "content": "x"}
    return asyncio.create_task(server.call("POST", path, token=token, json=body))


async def test_a_revoked_token_takes_its_waiting_change_with_it(manual):
    _, issued = await manual.call("POST", "/tokens", host=True, json={"scope": "collaborator"})
    saving = save(manual, issued["token"])
    (asked,) = await waiting(manual, 1)
    await manual.call("DELETE", f"/tokens/{issued['id']}", host=True)
    status, body = await saving
    assert (status, body["details"]["reason"]) == (403, "revoked")
    assert await waiting(manual, 0) == []
    answer = f"/approvals/{asked['id']}"
    assert (await manual.call("POST", answer, host=True, json={"reply": "allow"}))[0] == 404
    assert not (manual.folder / "a.md").exists()
    _, log = await manual.call("GET", f"/workspace/{manual.workspace}/audit", token=CLIENT_TOKEN)
    assert (log["items"][0]["outcome"], log["items"][0]["reason"]) == ("denied", "revoked")


async def test_one_token_has_so_many_changes_waiting_and_others_find_room(manual):
    saves = [save(manual, CLIENT_TOKEN, f"{n}.md") for n in range(MOST_WAITING_OF_A_TOKEN)]
    await waiting(manual, MOST_WAITING_OF_A_TOKEN)
    path = f"{manual.base}/workspace/{manual.workspace}/files/content"
    headers = {"Authorization": f"Bearer {CLIENT_TOKEN}"}
    body = {"path": "b.md", "content": "x"}
    async with manual.http.post(path, headers=headers, json=body) as response:
        assert response.status == 429
        assert int(response.headers["retry-after"]) > 0
        assert (await response.json())["code"] == "too_many_waiting"
    saves.append(save(manual, await manual.token("collaborator"), "c.md"))
    for asked in await waiting(manual, MOST_WAITING_OF_A_TOKEN + 1):
        answer = f"/approvals/{asked['id']}"
        await manual.call("POST", answer, host=True, json={"reply": "allow"})
    assert {status for status, _ in await asyncio.gather(*saves)} == {200}
