"""The thin line through everything: a task given to the server is carried out by the engine."""

from __future__ import annotations

import asyncio

from openwork.demo.layout import lay_out
from openwork.engine.events import events
from tests.stack import CLIENT_TOKEN, running_stack


async def test_a_task_streams_asks_and_changes_the_folder(tmp_path):
    async with running_stack(tmp_path) as stack:
        server = stack.server
        lay_out(server.folder)
        owner = await server.token("owner")
        async with server.engine_client(owner) as client:
            connected = asyncio.Event()
            seen: list[str] = []
            session = await client.create_session()
            async with asyncio.timeout(40):
                async for event in events(client, connected=connected):
                    seen.append(event.type)
                    if event.type == "server.connected":
                        await client.prompt(session.id, "Summarise the expenses")
                    if event.type == "permission.asked":
                        await client.reply_permission(event.properties["id"], "once")
                    if event.type == "session.idle":
                        break
            messages = await client.messages(session.id)
        assert "message.part.delta" in seen
        assert (server.folder / "summary.md").exists(), messages
        _, audit = await server.call(
            "GET", f"/workspace/{server.workspace}/audit", token=CLIENT_TOKEN
        )
        assert [each["action"] for each in audit["items"]] == ["permission.reply"]
        assert "summary.md" in audit["items"][0]["summary"]
