"""What the page's files must hold, seen without a browser."""

from __future__ import annotations

import json
import re
from importlib import resources

import pytest

from openwork.demo.suggestions import SUGGESTIONS
from openwork.server import page

FOLDER = resources.files("openwork.server.page")
NAMES = sorted(entry.name for entry in FOLDER.iterdir() if entry.is_file())
SCRIPTS = [name for name in NAMES if name.endswith(".js")]


def text(name):
    return FOLDER.joinpath(name).read_text()


def test_every_file_is_served():
    assert sorted(set(page._FILES.values())) == [each for each in NAMES if not each.endswith(".py")]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_module_imports_only_what_is_served(name):
    for imported in re.findall(r"""(?:from|import\()\s*["']([^"']+)""", text(name)):
        assert imported.startswith("./")
        assert imported[1:] in page._FILES


@pytest.mark.parametrize("name", [*SCRIPTS, "index.html"])
def test_nothing_needs_what_the_policy_forbids(name):
    source = text(name)
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"):
        assert forbidden not in source
    assert not re.search(r"<[^>]+\s(style|on\w+)=", source)
    assert not re.search(r"<script(?![^>]*\bsrc=)", source)


def test_the_suggestions_are_the_demos():
    literal = re.search(r"SUGGESTIONS = (\[.*?\]);", text("suggestions.js"), re.DOTALL)
    assert literal is not None
    demo = [{"title": each.title, "prompt": each.prompt} for each in SUGGESTIONS]
    assert all(each in demo for each in json.loads(literal[1]))
