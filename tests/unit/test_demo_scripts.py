"""The demo's scripts: what the model does next is decided by the conversation alone."""

from __future__ import annotations

import json

import pytest

from openwork.demo.housekeeping import TITLE_LIMIT_CHARACTERS, title
from openwork.demo.scripts import SCENARIOS, reply_to
from openwork.demo.steps import Call, Fail, Reply, Say
from openwork.demo.suggestions import SUGGESTIONS
from openwork.demo.wire import Function, Message, Tool

NAMES = ("bash", "read", "todowrite", "write")
TOOLS = [Tool(function=Function(name=name)) for name in NAMES]
REFUSED = "The user rejected permission to use this specific tool call."


def opened(path: str, text: str, *, complete: bool = True) -> str:
    lines = text.splitlines()
    numbered = "\n".join(f"{n}: {line}" for n, line in enumerate(lines, 1))
    end = f"(End of file - total {len(lines)} lines)" if complete else "(Output truncated)"
    return f"<path>{path}</path>\n<type>file</type>\n<content>\n{numbered}\n\n{end}\n</content>"


def conversation(prompt: str, *results: str, tools: list[Tool] = TOOLS) -> Reply:
    """The reply after each tool call of the script was answered with the next of ``results``."""
    messages = [
        Message(role="system", content="You are an assistant."),
        Message(role="user", content=prompt),
    ]
    for number, result in enumerate(results):
        call = called(reply_to(messages, tools))
        function = {"name": call.tool, "arguments": json.dumps(call.arguments)}
        asked = {"role": "assistant", "tool_calls": [{"id": f"c{number}", "function": function}]}
        messages.append(Message.model_validate(asked))
        messages.append(Message(role="tool", tool_call_id=f"c{number}", content=result))
    return reply_to(messages, tools)


def called(reply: Reply) -> Call:
    call = reply.steps[-1]
    assert isinstance(call, Call), reply
    return call


def said(reply: Reply) -> str:
    assert all(isinstance(step, Say) for step in reply.steps), reply
    return "".join(step.text for step in reply.steps if isinstance(step, Say))


TABLE = """date,department,amount
2025-07-01,Sales,10.50
2025-07-02,Support,1200.25
2025-07-03,Sales,9.50
"""


def test_every_suggestion_starts_the_script_it_promises():
    assert {each.scenario for each in SUGGESTIONS} == {each.name for each in SCENARIOS}
    for each in SUGGESTIONS:
        assert conversation(each.prompt).scenario == each.scenario


def test_an_unknown_request_is_told_that_answers_are_scripted_and_what_to_try():
    reply = conversation("Compose a symphony")
    assert reply.scenario == "help"
    assert "scripted" in said(reply)
    assert "openwork engine auth login" in said(reply)
    assert "opencode.jsonc" in said(reply)
    assert "Settings" not in said(reply)
    assert all(each.prompt in said(reply) for each in SUGGESTIONS)


def test_expenses_are_read_then_written_with_the_totals_of_what_was_read():
    prompt = "Summarise the expenses"
    assert called(conversation(prompt)) == Call("read", {"filePath": "expenses-2025-q3.csv"})
    table = opened("/office/expenses-2025-q3.csv", TABLE)
    write = called(conversation(prompt, table))
    assert write.tool == "write"
    assert write.arguments["filePath"] == "/office/summary.md"
    assert "| Support | 1,200.25 | 98.4 % |" in write.arguments["content"]
    assert "| Sales | 20.00 | 1.6 % |" in write.arguments["content"]
    assert "| **Total** | **1,220.25** | |" in write.arguments["content"]
    answer = said(conversation(prompt, table, "Wrote file successfully."))
    assert "add up to 1,220.25 in 3 rows" in answer
    assert "Support with 1,200.25" in answer


def test_a_table_named_in_the_prompt_is_the_one_read():
    reply = conversation("Summarise the expenses in old/2024.csv")
    assert called(reply).arguments == {"filePath": "old/2024.csv"}


@pytest.mark.parametrize(
    ("prompt", "path", "target"),
    [
        ("the expenses in summary2.md", "/o/expenses-2025-q3.csv", "/o/summary2.md"),
        ("old/2024.csv into notes/totals.txt", "/o/old/2024.csv", "/o/notes/totals.txt"),
        ("old/2024.csv in ./sums.md", "/o/old/2024.csv", "/o/sums.md"),
        ("/a/b.csv in /c/d.md", "/a/b.csv", "/c/d.md"),
        ("/a/b.csv in d.md", "/a/b.csv", "/a/d.md"),
    ],
)
def test_a_page_named_in_the_prompt_is_the_one_written(prompt: str, path: str, target: str):
    write = called(conversation(prompt, opened(path, TABLE)))
    assert write.arguments["filePath"] == target
    name = target.removeprefix("/o/") if path.startswith("/o/") else target
    written = said(conversation(prompt, opened(path, TABLE), "Wrote file successfully."))
    assert f"{name.removeprefix('/a/')} is written." in written.replace("./", "")


def test_a_page_that_is_not_named_lies_beside_the_table():
    write = called(conversation("expenses in again/e.csv", opened("/o/again/e.csv", TABLE)))
    assert write.arguments["filePath"] == "/o/again/summary.md"


def test_a_file_read_in_part_is_never_summarised_as_if_it_were_whole():
    part = opened("/office/e.csv", TABLE, complete=False)
    assert "not complete" in called(conversation("expenses", part)).arguments["content"]
    assert "not complete" in said(conversation("expenses", part, "Wrote file successfully."))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("File not found: /office/expenses-2025-q3.csv", "File not found: /office/expenses"),
        (opened("/office/e.csv", "a,b\n1,2"), "no column of amounts"),
        (REFUSED, "not allowed"),
    ],
)
def test_expenses_that_cannot_be_added_up_are_said_to_be_so(result: str, expected: str):
    assert expected in said(conversation("expenses", result))


def test_a_refused_write_ends_the_turn_with_the_users_own_reason():
    table = opened("/office/e.csv", TABLE)
    answer = said(conversation("expenses", table, REFUSED))
    assert answer == "I was not allowed to do that, so I stopped. Nothing was changed."
    reason = REFUSED[:-1] + " with the following feedback: not today"
    assert "You said: “not today”." in said(conversation("expenses", table, reason))


def test_a_write_that_failed_is_not_reported_as_done():
    answer = said(conversation("expenses", opened("/o/e.csv", TABLE), "No space left on device"))
    assert "I could not write summary.md: No space left on device" in answer


NOTES = "# Meeting\n- [ ] Finance: pay by 15 October\n- [x] Operations: drill\n- [ ] Support: test"


def test_a_plan_holds_the_actions_of_the_notes():
    prompt = "Plan the follow-up"
    notes = opened("/office/meeting-notes.md", NOTES)
    assert called(conversation(prompt, notes)) == Call(
        "todowrite",
        {
            "todos": [
                {
                    "content": "Finance: pay by 15 October",
                    "status": "in_progress",
                    "priority": "high",
                },
                {"content": "Operations: drill", "status": "completed", "priority": "medium"},
                {"content": "Support: test", "status": "pending", "priority": "medium"},
            ]
        },
    )
    answer = said(conversation(prompt, notes, "[]"))
    assert "3 steps; 1 of them is done already. Still open:" in answer
    assert "2. Support: test" in answer


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ("- [ ] a", "1 step; none of them is done yet. Still open:\n\n1. a"),
        ("- [x] a\n- [x] b\n- [ ] c", "3 steps; 2 of them are done already."),
        ("- [x] a", "1 step; 1 of them is done already."),
    ],
)
def test_a_plan_counts_what_is_done_in_words(notes: str, expected: str):
    answer = said(conversation("Make a plan", opened("/o/n.md", notes), "[]"))
    assert expected in answer
    assert ("Still open" in answer) == ("[ ]" in notes)


def test_notes_without_actions_give_no_plan():
    assert "nothing to plan" in said(conversation("Make a plan", opened("/o/n.md", "# Notes")))


def test_invoices_are_added_up_from_the_commands_output():
    output = (
        "invoices/invoice-1.txt:Total due: 1,000.50 EUR\ninvoices/invoice-2.txt:Total due: 2 EUR\n"
    )
    answer = said(conversation("List the invoices", output))
    assert "2 invoices are open, 1,002.50 EUR in all" in answer
    assert "| invoices/invoice-2.txt | 2.00 |" in answer


@pytest.mark.parametrize(
    ("result", "expected"),
    [(REFUSED, "not allowed"), ("grep: invoices/*.txt: No such file", "I found no invoices: grep")],
)
def test_a_command_that_gave_nothing_is_said_to_have_given_nothing(result: str, expected: str):
    assert expected in said(conversation("List the invoices", result))


def test_a_command_is_described_only_where_the_tool_takes_a_description():
    assert set(called(conversation("invoices")).arguments) == {"command"}
    takes = Function(name="bash", parameters={"properties": {"command": {}, "description": {}}})
    described = called(conversation("invoices", tools=[Tool(function=takes)]))
    assert set(described.arguments) == {"command", "description"}


def test_a_tool_that_is_not_offered_is_never_called():
    answer = said(conversation("Summarise the expenses", tools=[]))
    assert "does not offer" in answer


def test_provider_errors_come_first_and_only_the_busy_one_passes():
    refused = conversation("Show me a provider error").steps
    assert [(step.status, step.times) for step in refused if isinstance(step, Fail)] == [
        (400, None)
    ]
    busy = conversation("Show me a busy provider").steps
    assert isinstance(busy[0], Fail)
    assert (busy[0].status, busy[0].times) == (503, 1)
    assert isinstance(busy[1], Say)


def test_long_answers_have_the_length_that_was_asked_for():
    assert said(conversation("count to 1,200")).split()[-1] == "1200"
    assert len(said(conversation("Give me 300 words")).split()) == 300
    assert len(said(conversation("Count to 99999999")).split()) == 20_000


def test_only_the_last_user_message_counts():
    messages = [
        Message(role="user", content="Summarise the expenses"),
        Message(role="assistant", content="Done."),
        Message(role="user", content="Explain payment terms"),
    ]
    assert reply_to(messages, TOOLS).scenario == "answer"


def test_reminders_and_attached_files_are_not_taken_for_the_request():
    parts = [
        {"type": "text", "text": "<system-reminder>The plan mode is active.</system-reminder>"},
        {"type": "text", "text": "Explain payment terms"},
        {"type": "text", "text": "expenses.csv: an attached file about invoices"},
        {"type": "image_url", "image_url": {"url": "data:"}},
    ]
    message = Message.model_validate({"role": "user", "content": parts})
    assert reply_to([message], TOOLS).scenario == "answer"


def test_a_conversation_without_a_user_gets_help():
    assert reply_to([], TOOLS).scenario == "help"


def test_the_title_agent_gets_a_title_and_nothing_else():
    messages = [
        Message(role="system", content="You are a title generator. You output ONLY a title."),
        Message(role="user", content="Generate a title for this conversation:\n"),
        Message(role="user", content="Please show me a provider error"),
    ]
    reply = reply_to(messages, [])
    assert (reply.scenario, said(reply)) == ("title", "A provider error")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Could you please list the open invoices?", "List the open invoices"),
        ("hello", "Hello"),
        ("", "New conversation"),
        ("word " * 30, "Word word word word word word word word word word"),
        ("x" * 80, "X" + "x" * 49),
    ],
)
def test_titles_are_the_users_words_cut_short(prompt: str, expected: str):
    assert title(prompt) == expected
    assert len(expected) <= TITLE_LIMIT_CHARACTERS


def test_a_conversation_is_summarised_from_what_the_user_said():
    messages = [
        Message(role="system", content="You are a context summarization agent."),
        Message(role="user", content="<conversation>\n[User]: Count to 5\n\n[Assistant]: 1 2 3"),
    ]
    assert "- The user asked: Count to 5" in said(reply_to(messages, []))
