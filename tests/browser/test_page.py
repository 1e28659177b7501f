"""The first page in a real browser, on a real server and engine."""

from __future__ import annotations

import asyncio
from urllib.parse import quote, urlsplit

import pytest
from playwright.async_api import expect

from tests.browser.relay import running_relay

pytestmark = pytest.mark.timeout(120)

EXPENSES = "Summarise the expenses of the quarter in summary.md"
INVOICES = "List the open invoices and what is due"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def conversation(page):
    """Where messages are shown."""
    return page.get_by_role("region", name="Conversation")


async def refuse_what_waits(visited):
    """Leave no permission open for the next test."""
    card = visited.page.get_by_role("region", name="Create a file?")
    await card.get_by_role("button", name="Refuse…").click()
    await card.get_by_role("button", name="Refuse", exact=True).click()
    await expect(card).to_be_hidden()
    await expect(visited.page.get_by_role("button", name="Send")).to_be_visible()


async def test_a_link_connects_and_leaves_the_address_bar(visit, stack):
    async with visit("owner") as visited:
        await visited.connected()
        page = visited.page
        assert page.url == f"{stack.server.base}/w/{stack.server.workspace}/"
        await expect(page.get_by_role("heading", name="workspace")).to_be_visible()
        await expect(page.get_by_text("Owner", exact=True)).to_be_visible()
        await expect(page.get_by_text("Answers are scripted: this is the demo")).to_be_visible()

        await page.reload()
        await visited.connected()  # the link is remembered

        await page.get_by_role("button", name="Disconnect").click()
        await expect(page.get_by_label("Paste your connect link")).to_be_focused()
        await page.reload()
        await expect(page.get_by_label("Paste your connect link")).to_be_visible()


async def test_a_link_of_the_whole_host_opens_the_active_workspace_and_can_switch(visit, stack):
    token = await stack.server.token("collaborator")
    async with visit("", link=f"{stack.server.base}/#token={token}") as visited:
        await visited.connected()
        page = visited.page
        assert page.url == f"{stack.server.base}/"
        await visited.send("Explain what net 30 payment terms mean")
        await expect(conversation(page)).to_contain_text("Net 14 works the same way")
        choice = page.get_by_label("Workspace")
        await choice.select_option("second")
        await visited.connected()
        await expect(page.get_by_text("No tasks yet.")).to_be_visible()
        await choice.select_option("workspace")
        await expect(conversation(page)).to_contain_text("Net 14 works the same way")


async def test_a_refused_token_is_explained_and_another_link_can_be_pasted(visit, stack):
    wrong = f"{stack.server.base}/w/{stack.server.workspace}/#token=not-a-token"
    async with visit("", link=wrong) as visited:
        visited.expected = "401 (Unauthorized)"
        page = visited.page
        await expect(page.get_by_role("alert").first).to_contain_text("This link is not valid")
        assert page.url.endswith(f"/w/{stack.server.workspace}/")

        host = quote(f"{stack.server.base}/w/{stack.server.workspace}", safe="")
        token = await stack.server.token("viewer")
        link = f"openwork://connect-remote?openworkHostUrl={host}&openworkToken={token}"
        await page.get_by_label("Paste your connect link").fill(link)
        await page.keyboard.press("Enter")
        await visited.connected()
        await expect(page.get_by_text("Viewer", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("", "Paste the connect link first."),
        ("http://127.0.0.1/w/ws_1/", "no token in it"),
        ("what is this", "not a connect link"),
        ("javascript:alert(1)#token=x", "begins with http://"),
        ("openwork://connect-remote?openworkToken=x", "does not name a host"),
    ],
)
async def test_what_is_no_connect_link_is_told_so(visit, stack, pasted, said):
    async with visit("", link=f"{stack.server.base}/") as visited:
        await visited.page.get_by_label("Paste your connect link").fill(pasted)
        await visited.page.get_by_role("button", name="Connect").click()
        await expect(visited.page.get_by_role("alert").first).to_contain_text(said)


async def test_a_link_of_another_host_is_opened_there_after_a_word(visit, stack):
    async with visit("", link=f"{stack.server.base}/") as visited:
        link = "http://192.0.2.7:8787/w/ws_1/#token=secret"
        await visited.page.get_by_label("Paste your connect link").fill(link)
        await visited.page.get_by_role("button", name="Connect").click()
        await expect(visited.page.get_by_role("alert").first).to_contain_text("another host")
        other = visited.page.get_by_role("link", name="Open 192.0.2.7:8787")
        await expect(other).to_have_attribute("href", link)
        await expect(other).to_be_focused()


async def test_a_task_streams_asks_and_writes_once_allowed(visit, stack):
    file = stack.server.folder / "summary.md"
    file.unlink(missing_ok=True)
    async with visit("owner") as visited:
        await visited.connected()
        page = visited.page
        await visited.send(EXPENSES)
        await expect(conversation(page)).to_contain_text("I'll read the expenses first.")
        card = page.get_by_role("region", name="Create a file?")
        await expect(card).to_contain_text("summary.md")
        await expect(card).to_contain_text("I'll write the totals to summary.md.")  # why
        await expect(card).to_contain_text("without asking")  # what "always" means
        row = page.locator(".tool", has_text="Write")
        await expect(row).to_contain_text("Waits for permission")
        await card.get_by_text("Show the change").click()
        await expect(card.locator(".diff .added").first).to_contain_text("Summary of expenses")
        assert not file.exists()

        await card.get_by_role("button", name="Allow once").click()
        await expect(card).to_be_hidden()
        await expect(row).to_contain_text("summary.md")
        await expect(row).to_contain_text("Completed")
        await expect(conversation(page).get_by_text("The expenses add up to")).to_be_visible()
        announced = page.locator("#announcer")  # told to screen readers in one piece
        await expect(announced).to_contain_text("The expenses add up to")
        assert file.read_text().startswith("# Summary of expenses")
        await expect(page.get_by_role("button", name="Send")).to_be_visible()

        await page.reload()  # the conversation is still there
        await expect(conversation(page).get_by_text("The expenses add up to")).to_be_visible()
        await expect(row).to_contain_text("Completed")


async def test_text_is_shown_while_it_arrives_and_can_be_stopped(visit):
    async with visit("collaborator") as visited:
        await visited.connected()
        page = visited.page
        await visited.send("Count to 5000")
        answer = page.locator(".message.assistant .markdown")
        await expect(answer).to_contain_text("1 2 3")
        seen = len(await answer.inner_text())
        await expect(answer).not_to_have_text(await answer.inner_text())
        assert len(await answer.inner_text()) > seen

        await visited.send("And the next task")  # not yet: it is kept
        await expect(page.get_by_text("You can send this when the agent is done")).to_be_visible()
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("button", name="Send")).to_be_enabled()
        await expect(page.get_by_text("Stopped.")).to_be_visible()
        await expect(page.get_by_label("Your task")).to_have_value("And the next task")
        assert "4999" not in await answer.inner_text()


async def test_a_refusal_with_its_reason_reaches_the_agent(visit, stack):
    async with visit("owner") as visited:
        await visited.connected()
        page = visited.page
        await visited.send(INVOICES)
        card = page.get_by_role("region", name="Run a command?")
        await expect(card).to_contain_text("grep -H '^Total due:' invoices/*.txt")
        await card.get_by_role("button", name="Refuse…").click()
        reason = card.get_by_label("What should the agent know?")
        await expect(reason).to_be_focused()
        await reason.fill("Ask finance first")
        await reason.press("Enter")
        await expect(
            conversation(page).get_by_text("You said: “Ask finance first”")
        ).to_be_visible()
        await expect(page.locator(".tool", has_text="Run a command")).to_contain_text("Refused")


async def test_a_plan_is_a_checklist(visit):
    async with visit("collaborator") as visited:
        await visited.connected()
        page = visited.page
        suggestion = page.get_by_role("button", name="Plan the follow-up from the meeting notes")
        await suggestion.click()
        await expect(page.get_by_text("Plan: 1 of 6 done")).to_be_visible()
        steps = page.locator("#plan li")
        await expect(steps).to_have_count(6)
        await expect(steps.first).to_contain_text("in progress")
        await expect(conversation(page)).to_contain_text("Still open:")


async def test_a_provider_that_refuses_is_reported(visit):
    async with visit("collaborator") as visited:
        await visited.connected()
        await visited.send("Show me a provider error")
        problem = visited.page.get_by_text("The demo provider refused this request")
        await expect(problem).to_have_count(1)
        await expect(problem).to_be_visible()
        await expect(visited.page.get_by_role("button", name="Send")).to_be_visible()


async def test_only_the_owner_gets_the_buttons_of_a_permission(visit, stack):
    (stack.server.folder / "summary.md").unlink(missing_ok=True)
    async with visit("collaborator") as guest, visit("owner") as owner:
        await guest.connected()
        await owner.connected()
        await guest.send(EXPENSES)
        card = guest.page.get_by_role("region", name="Create a file?")
        await expect(card).to_contain_text("The owner of this host must answer")
        await expect(card.get_by_role("button")).to_have_count(0)

        waiting = owner.page.get_by_role("button", name="Needs you")
        await expect(waiting).to_have_count(1)
        await waiting.click()
        await refuse_what_waits(owner)
        await expect(card).to_be_hidden()
        told = conversation(guest.page).get_by_text("I was not allowed to do that")
        await expect(told).to_be_visible()


async def test_a_viewer_watches_and_cannot_send(visit):
    async with visit("viewer") as visited:
        await visited.connected()
        await expect(visited.page.get_by_label("Your task")).to_be_disabled()
        await expect(visited.page.get_by_role("button", name="Send")).to_be_disabled()
        await expect(visited.page.get_by_text("this link is for viewing only")).to_be_visible()
        await expect(visited.page.locator(".suggestions")).to_have_count(0)


@pytest.fixture
def provider(stack):
    """The model provider; the next test finds its pace as it was."""
    pace = stack.provider.words_per_second
    yield stack.provider
    stack.provider.words_per_second = pace


async def test_a_cut_stream_is_taken_up_again(visit, stack, provider):
    async with (
        running_relay(urlsplit(stack.server.base).port or 0) as relay,
        visit("collaborator", base=relay.base) as visited,
    ):
        await visited.connected()
        page = visited.page
        await visited.send("Count to 400")
        answer = page.locator(".message.assistant .markdown")
        await expect(answer).to_contain_text("1 2 3")
        visited.expected = "net::ERR_"
        relay.cut()
        await expect(page.get_by_text("The connection to the host is interrupted")).to_be_visible()
        async with asyncio.timeout(20):
            await relay.tried_while_down.wait()
        relay.mend()
        await visited.connected()
        provider.words_per_second = 0  # the rest at once
        await expect(page.get_by_text("The connection to the host is interrupted")).to_be_hidden()
        # What was missed is marked at first, and there when the answer is complete.
        await expect(answer).to_have_text(" ".join(str(number) for number in range(1, 401)))
        await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def test_a_revoked_link_ends_at_the_form(visit, stack):
    status, made = await stack.server.call(
        "POST", "/tokens", host=True, json={"scope": "collaborator"}
    )
    assert status == 201
    link = f"{stack.server.base}/#token={made['token']}"
    async with visit("", link=link) as visited:
        visited.expected = "Failed to load resource"  # the cut stream, and the 401
        await visited.connected()
        status, _ = await stack.server.call("DELETE", f"/tokens/{made['id']}", host=True)
        assert status == 200
        await expect(visited.page.get_by_role("alert").first).to_contain_text("not valid")
        await expect(visited.page.get_by_label("Paste your connect link")).to_be_visible()


async def test_a_phone_has_room_for_everything(visit):
    async with visit("collaborator", **PHONE) as visited:
        await visited.connected()
        page = visited.page
        await page.get_by_label("Your task").fill(INVOICES)
        await page.get_by_role("button", name="Send").tap()
        card = page.get_by_role("region", name="Run a command?")
        await expect(card).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        for locator in (card, page.get_by_role("button", name="Stop"), page.locator(".tool")):
            box = await locator.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390

        await page.get_by_role("button", name="Stop").tap()
        await expect(card).to_be_hidden()

        tasks = page.get_by_role("button", name="Tasks", exact=True)
        await tasks.tap()
        await expect(tasks).to_have_attribute("aria-expanded", "true")
        await expect(page.get_by_role("navigation", name="Tasks")).to_be_visible()
        await page.get_by_role("button", name="New task").first.tap()
        await expect(page.get_by_role("navigation", name="Tasks")).to_be_hidden()
        await expect(page.get_by_role("heading", name="What should be done?")).to_be_visible()


async def test_a_change_that_waits_is_shown_to_the_owner(visit, stack):
    server = stack.server
    async with visit("owner") as owner, visit("collaborator") as guest:
        await owner.connected()
        await guest.connected()
        change = asyncio.create_task(
            server.call(
                "PATCH",
                f"/workspace/{server.workspace}/config",
                token=await server.token("collaborator"),
                json={"openwork": {"reload": {"auto": True}}},
            )
        )
        card = owner.page.get_by_role("region", name="A change waits for you")
        await expect(card).to_contain_text("openwork.json")
        await card.get_by_role("button", name="Allow").click()
        status, body = await change
        assert status == 200, body
        await expect(card).to_be_hidden()
        await expect(guest.page.locator("#approvals")).to_be_hidden()
