"""The scripts: a conversation goes in, the next steps of the model come out.

Every script is a pure function of the turn, so that the provider keeps no state: any number of
sessions, a restart in between, and a repeated request all get the answer the conversation calls
for. What a script says about a file comes from the tool results of that conversation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from openwork.demo import housekeeping
from openwork.demo.ledger import amounts_due, money, summarise, summary_markdown
from openwork.demo.results import opened_file, refusal
from openwork.demo.steps import Call, Fail, Reply, Say, Step
from openwork.demo.suggestions import SUGGESTIONS
from openwork.demo.turn import Turn, last_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openwork.demo.wire import Message, Tool

EXPENSES_FILE = "expenses-2025-q3.csv"
NOTES_FILE = "meeting-notes.md"
SUMMARY_FILE = "summary.md"
INVOICES_COMMAND = "grep -H '^Total due:' invoices/*.txt"
MOST_WORDS = 20_000
_SAMPLES_HINT = "Is this the folder with the sample files? Its README.md lists what to ask."
_ACTION = re.compile(r"^\s*[-*] \[(?P<done>[ xX])\] (?P<text>.+)$")
_FILLER = (
    "This answer is long on purpose so that you can watch it arrive, scroll back while it grows "
    "and stop it whenever you have seen enough."
)


@dataclass(frozen=True)
class Scenario:
    """One script.

    Attributes:
        name: Its name, in logs and in ``SUGGESTIONS``.
        asked_by: What a prompt must hold.
        play: The next steps for a turn.
    """

    name: str
    asked_by: re.Pattern[str]
    play: Callable[[Turn], list[Step]]


def reply_to(messages: Sequence[Message], tools: Sequence[Tool]) -> Reply:
    """What the model does next in a conversation.

    Args:
        messages: The conversation as the engine sends it.
        tools: The tools it offers.
    """
    chore = housekeeping.reply_to(messages)
    if chore is not None:
        return chore
    turn = last_turn(messages, tools)
    for scenario in SCENARIOS:
        if scenario.asked_by.search(turn.prompt):
            return Reply(scenario.name, tuple(scenario.play(turn)))
    return Reply("help", (Say(_help()),))


def _answer(_: Turn) -> list[Step]:
    return [
        Say(
            "Net 30 means that the full amount of an invoice is due 30 days after the invoice "
            "date. An invoice of 8 September is then due on 8 October.\n\n"
            "- The days are calendar days, weekends included, unless the invoice says otherwise.\n"
            "- “2/10 net 30” adds an offer: pay within 10 days and take 2 % off.\n"
            "- Net 14 works the same way with 14 days."
        )
    ]


def _plan(turn: Turn) -> list[Step]:
    match turn.exchanges:
        case ():
            return _call(turn, "I'll read the notes first.", "read", filePath=NOTES_FILE)
        case (read,):
            notes = opened_file(read.result)
            if notes is None:
                return _stopped(read.result, f"I could not read {NOTES_FILE}", _SAMPLES_HINT)
            todos = _todos(notes.lines)
            if not todos:
                return [Say(f"{notes.path} holds no actions, so there is nothing to plan.")]
            return _call(turn, "I'll turn the actions into a plan.", "todowrite", todos=todos)
        case (_, written, *_):
            todos = written.arguments.get("todos", [])
            refused = refusal(written.result)
            if refused is not None:
                return _stopped(written.result, "I could not write down the plan")
            still_open = [todo["content"] for todo in todos if todo["status"] != "completed"]
            lines = "\n".join(f"{n}. {text}" for n, text in enumerate(still_open, 1))
            steps = "1 step" if len(todos) == 1 else f"{len(todos)} steps"
            done = _how_many_done(len(todos) - len(still_open))
            open_steps = f" Still open:\n\n{lines}" if still_open else ""
            return [Say(f"The plan has {steps}; {done}.{open_steps}")]
        case _:
            return _lost()


def _how_many_done(done: int) -> str:
    if done == 0:
        return "none of them is done yet"
    return f"{done} of them {'is' if done == 1 else 'are'} done already"


def _todos(lines: Sequence[str]) -> list[dict[str, str]]:
    todos: list[dict[str, str]] = []
    started = False
    for found in filter(None, map(_ACTION.match, lines)):
        if found["done"] != " ":
            status = "completed"
        else:
            status = "pending" if started else "in_progress"
            started = True
        priority = "high" if re.search(r"\b(before|by)\b", found["text"]) else "medium"
        todos.append({"content": found["text"].strip(), "status": status, "priority": priority})
    return todos


def _expenses(turn: Turn) -> list[Step]:
    named = re.search(r"[\w./-]+\.csv\b", turn.prompt)
    source = named.group() if named else EXPENSES_FILE
    page_named = re.search(r"[\w./-]+\.(?:md|markdown|txt)\b", turn.prompt)
    page_file = page_named.group() if page_named else SUMMARY_FILE
    match turn.exchanges:
        case ():
            return _call(turn, "I'll read the expenses first.", "read", filePath=source)
        case (read, *written):
            table = opened_file(read.result)
            if table is None:
                return _stopped(read.result, f"I could not read {source}", _SAMPLES_HINT)
            summary = summarise(table.lines)
            if summary is None:
                return [Say(f"{table.path} has no column of amounts that I could add up.")]
            if not written:
                page = summary_markdown(summary, source, complete=table.complete)
                said = f"{summary.rows} rows read. I'll write the totals to {page_file}."
                target = table.beside(SUMMARY_FILE)
                if page_named:
                    target = table.from_start_of(source, page_file)
                return _call(turn, said, "write", filePath=target, content=page)
            if not written[0].result.startswith("Wrote file successfully"):
                return _stopped(written[0].result, f"I could not write {page_file}")
            top, most = summary.totals[0] if summary.totals else ("nobody", summary.total)
            text = (
                f"{page_file} is written. The expenses add up to {money(summary.total)} in "
                f"{summary.rows} rows; the largest share is {top} with {money(most)}."
            )
            if not table.complete:
                text += " The file is longer than what I read, so the totals are not complete."
            return [Say(text)]
        case _:
            return _lost()


def _invoices(turn: Turn) -> list[Step]:
    match turn.exchanges:
        case ():
            arguments = {"command": INVOICES_COMMAND}
            if "description" in turn.tools.get("bash", ()):  # some engine versions ask for one
                arguments["description"] = "List what each invoice is due"
            return _call(turn, "I'll look the amounts up with a command.", "bash", **arguments)
        case (run, *_):
            due = amounts_due(run.result)
            if not due:
                return _stopped(run.result, "I found no invoices", _SAMPLES_HINT)
            total = sum((amount for _, amount in due), Decimal(0))
            rows = "\n".join(f"| {name} | {money(amount)} |" for name, amount in due)
            count = "1 invoice is" if len(due) == 1 else f"{len(due)} invoices are"
            return [
                Say(
                    f"{count} open, {money(total)} EUR in all.\n\n"
                    f"| Invoice | Due (EUR) |\n|---|---:|\n{rows}"
                )
            ]
        case _:
            return _lost()


def _long(turn: Turn) -> list[Step]:
    counted = re.search(r"\bcount(?: up)? to (\d[\d,]*)", turn.prompt, re.IGNORECASE)
    worded = re.search(r"\b(\d[\d,]*) words\b", turn.prompt, re.IGNORECASE)
    found = counted or worded
    wanted = int(found[1].replace(",", "")) if found else 0
    words = min(max(wanted, 1), MOST_WORDS)
    if counted:
        return [Say(" ".join(str(number) for number in range(1, words + 1)))]
    filler = _FILLER.split()
    return [Say(" ".join(filler[n % len(filler)] for n in range(words)))]


def _provider_error(_: Turn) -> list[Step]:
    message = "The demo provider refused this request, as you asked it to. Nothing was changed."
    return [Fail(400, "demo_refused", message)]


def _provider_busy(_: Turn) -> list[Step]:
    message = "The demo provider is busy, as you asked it to be. The engine tries again by itself."
    return [
        Fail(503, "demo_busy", message, times=1),
        Say("The provider was busy at first. The engine tried again, and here is the answer."),
    ]


def _call(turn: Turn, said: str, tool: str, **arguments: object) -> list[Step]:
    if tool not in turn.tools:
        return [
            Say(f"I would use the tool “{tool}” now, but this session does not offer it. I stop.")
        ]
    return [Say(said), Call(tool, arguments)]


def _stopped(result: str, what_failed: str, hint: str = "") -> list[Step]:
    refused = refusal(result)
    if refused is None:
        said = result.strip().splitlines()
        reason = f": {said[0]}" if said else ""
        return [Say(f"{what_failed}{reason}. {hint}".rstrip())]
    end = "" if refused.feedback.endswith((".", "!", "?")) else "."
    feedback = f" You said: “{refused.feedback}”{end}" if refused.feedback else ""
    return [Say(f"I was not allowed to do that, so I stopped. Nothing was changed.{feedback}")]


def _lost() -> list[Step]:
    return [Say("I lost the thread of this conversation. Please ask again.")]


def _help() -> str:
    tasks = "\n".join(f"- **{each.title}**: {each.prompt}" for each in SUGGESTIONS)
    return (
        "No model is connected: the answers in this demo are scripted, and I have none for that. "
        f"These tasks are played for real, on the files of this folder:\n\n{tasks}\n\n"
        "To ask anything you like, connect a model provider: sign in with "
        "`openwork engine auth login`, or put a provider into your folder's opencode.jsonc "
        "(https://opencode.ai/docs/providers/). Then run `openwork start` there, without --demo."
    )


def _asks(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


SCENARIOS = (
    Scenario(
        "provider-error", _asks(r"\bprovider\b.*\berror\b|\berror\b.*\bprovider\b"), _provider_error
    ),
    Scenario(
        "provider-busy", _asks(r"\bbusy\b.*\bprovider\b|\bprovider\b.*\bbusy\b"), _provider_busy
    ),
    Scenario("long", _asks(r"\bcount( up)? to \d|\b\d[\d,]* words\b"), _long),
    Scenario("plan", _asks(r"\bplan\b|\bto-?do"), _plan),
    Scenario("expenses", _asks(r"\bexpenses?\b|\.csv\b"), _expenses),
    Scenario("invoices", _asks(r"\binvoices?\b"), _invoices),
    Scenario("answer", _asks(r"\bnet[ -]?\d+\b|\bpayment terms\b"), _answer),
)
