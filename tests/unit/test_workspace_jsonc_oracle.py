"""Our JSONC editor against the npm package ``jsonc-parser``, case by case."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace.jsonc import parse, remove, set_value

if TYPE_CHECKING:
    from pathlib import Path


VERSION = "3.3.1"
SEED_TEXTS = (
    '// c\n{\n  "a": 1, // one\n  /* two */ "b": [1, 2.5e3, -0.25, true, null],\n}\n',
    '{"a": {"b": {"c": "x\\u00e9\\n\\"/*"}}, "d": [], "e": {}}',
    '[[], [1,], {"k": "//"}, "\\ud83d\\ude00"]',
    '{\r\n\t"x": [\r\n\t\t{"y": false} // z\r\n\t]\r\n}',
    '{"dup": 1, "dup": {"p": 2}}',
    "123",
    '"text"',
)
ORACLE = """
const jsonc = require('jsonc-parser');
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const read = (text) => {
  const errors = [];
  const value = jsonc.parse(text, errors, { allowTrailingComma: true });
  return errors.length ? { error: jsonc.printParseErrorCode(errors[0].error) } : { value };
};
const formattingOptions = { insertSpaces: true, tabSize: 2, eol: '\\n' };
process.stdout.write(JSON.stringify(cases.map(({ text, path, value }) => {
  if (path === undefined) return read(text);
  return read(jsonc.applyEdits(text, jsonc.modify(text, path, value, { formattingOptions })));
})));
"""


@pytest.fixture(scope="module")
def package(request: pytest.FixtureRequest) -> Path:
    """The folder that holds the package, installed once into pytest's cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    assert request.config.cache is not None
    folder = request.config.cache.mkdir(f"jsonc-parser-{VERSION}")
    if not (folder / "node_modules/jsonc-parser/package.json").exists():
        command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund"]
        done = subprocess.run(
            [*command, "--ignore-scripts", f"jsonc-parser@{VERSION}"],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"npm cannot install jsonc-parser: {done.stderr.strip()[-200:]}")
    return folder


def ask(package: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", "-e", ORACLE],
        cwd=package,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


def plain(value: Any) -> str:
    """One form for both languages: JavaScript has no integers, and sorts keys like numbers."""
    whole = json.loads(json.dumps(value), parse_int=float)
    return json.dumps(whole, sort_keys=True)


def mutated(chance: random.Random, text: str) -> str:
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(text) + 1)
        cut = chance.choice((0, 0, 1, 2))
        text = text[:at] + chance.choice(["", *'{}[],:"/*\\ \n\r\t10-.eu']) + text[at + cut :]
    return text


def test_the_same_texts_are_read_to_the_same_values(package: Path):
    chance = random.Random(20)  # noqa: S311  # repeatable cases, no secret
    texts = list(SEED_TEXTS)
    texts += [mutated(chance, chance.choice(SEED_TEXTS)) for _ in range(3000)]
    answers = ask(package, [{"text": text} for text in texts])
    accepted = 0
    for text, answer in zip(texts, answers, strict=True):
        try:
            ours: dict[str, Any] = {"value": parse(text)}
        except OpenWorkError as error:
            ours = {"error": error.details[0]["code"]}
        assert ("error" in ours) == ("error" in answer), (text, ours, answer)
        if "value" in ours:
            accepted += 1
            assert plain(ours["value"]) == plain(answer["value"]), text
    assert 300 < accepted < 2900  # both outcomes were exercised


EDITS: list[tuple[str, list[str | int], Any]] = [
    ("{}", ["a"], 1),
    ("{}", ["a", "b", "c"], {"x": [1, "2"]}),
    ("[]", [0], {"a": None}),
    ('{"a": 1}', ["a"], [1, {"b": 2}]),
    ('{"a": 1,}', ["b"], True),
    ("{ // c\n}", ["a"], 1),
    (SEED_TEXTS[0], ["a"], "x"),
    (SEED_TEXTS[0], ["b"], {"new": 1}),
    (SEED_TEXTS[0], ["b", 0], "first"),
    (SEED_TEXTS[0], ["c", "d"], [[]]),
    (SEED_TEXTS[1], ["a", "b", "c"], None),
    (SEED_TEXTS[1], ["a", "b", "d"], 2.5),
    (SEED_TEXTS[1], ["d", 0], "item"),
    (SEED_TEXTS[1], ["e", "f", "g"], "é"),
    (SEED_TEXTS[2], [1, 0], {"z": 1}),
    (SEED_TEXTS[2], [4], "end"),
    (SEED_TEXTS[3], ["x", 0, "y"], "\u2028"),
    (SEED_TEXTS[3], ["n"], {"m": {}}),
    ("123", [], {"a": 1}),
]
REMOVALS: list[tuple[str, list[str | int]]] = [
    (SEED_TEXTS[0], ["a"]),
    (SEED_TEXTS[0], ["b"]),
    (SEED_TEXTS[0], ["b", 2]),
    (SEED_TEXTS[1], ["a", "b", "c"]),
    (SEED_TEXTS[1], ["e"]),
    (SEED_TEXTS[2], [0]),
    (SEED_TEXTS[2], [1]),  # not the last: the package breaks the text there
    (SEED_TEXTS[3], ["x", 0, "y"]),
    ('{"a": 1}', ["a"]),
]


def test_the_same_edits_give_the_same_values(package: Path):
    cases = [{"text": t, "path": p, "value": v} for t, p, v in EDITS]
    cases += [{"text": t, "path": p} for t, p in REMOVALS]
    ours = [set_value(t, p, v) for t, p, v in EDITS] + [remove(t, p) for t, p in REMOVALS]
    edited = ask(package, cases)
    reread = ask(package, [{"text": text} for text in ours])
    for case, text, theirs, again in zip(cases, ours, edited, reread, strict=True):
        assert plain(parse(text)) == plain(theirs["value"]), case
        assert plain(again["value"]) == plain(theirs["value"]), case
