"""The OpenAPI document: valid, exact, in words, and the same operations as yesterday."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest
import schemathesis
from typing_extensions import is_typeddict

from openwork.server.answers import MODULES
from tests import documented

KNOWN = Path(__file__).parent / "api_operations.txt"
# What another program's answer decides.
PASSED_ON = "/opencode-router"
# Shapes that hold what others write: the user's files, the messaging router, the host.
OPEN_SHAPES = {
    "AutomationInfo",
    "EveryDay",
    "EveryInterval",
    "EveryWeek",
    "LegacyAuditEntry",
    "RouterAnswer",
    "RouterBinding",
    "RouterHealth",
    "RouterIdentity",
    "RuntimeAnswer",
    "SchedulerJob",
}
FEWEST_WORDS = 3


OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in documented.document()["paths"].items()
    for method, operation in item.items()
}
every_operation = pytest.mark.parametrize(
    ("path", "operation"),
    [(label.partition(" ")[2], operation) for label, operation in OPERATIONS.items()],
    ids=OPERATIONS,
)


def test_the_document_is_valid():
    schemathesis.openapi.from_dict(documented.document()).validate()


def test_every_reference_leads_somewhere():
    text = json.dumps(documented.document())
    for kind, name in set(re.findall(r'"#/components/(\w+)/([^"]+)"', text)):
        assert name in documented.document()["components"][kind]


def test_operations_keep_their_ids():
    """A client is generated from them: an operation renamed is an operation taken away."""
    found = {f"{label} {each['operationId']}" for label, each in OPERATIONS.items()}
    assert found == set(KNOWN.read_text("utf-8").splitlines())
    ids = [line.rpartition(" ")[2] for line in found]
    assert len(set(ids)) == len(ids)


@every_operation
def test_its_statuses_are_exact(path, operation):
    statuses = set(operation["responses"]) - ({"default"} if path.startswith(PASSED_ON) else set())
    assert all(re.fullmatch("[245][0-9][0-9]", each) for each in statuses), statuses
    assert "500" in statuses
    assert ({"401", "429"} <= statuses) is ("security" in operation)


@every_operation
def test_its_success_has_a_type(path, operation):
    answers = [each for status, each in operation["responses"].items() if status.startswith("2")]
    assert answers
    for answer in answers:
        assert answer["content"]
        assert all(each.get("schema") for each in answer["content"].values()), answer
        assert not answer["description"].startswith("Successful")


@every_operation
def test_it_says_what_it_does(path, operation):
    assert len(operation["summary"].split()) >= FEWEST_WORDS
    assert operation["description"]
    described = {tag["name"] for tag in documented.document()["tags"] if tag["description"]}
    assert set(operation["tags"]) <= described


def test_no_two_operations_are_summed_up_alike():
    summaries = [operation["summary"] for operation in OPERATIONS.values()]
    assert len(set(summaries)) == len(summaries)


@every_operation
def test_its_parameters_are_described_and_named_once(path, operation):
    parameters = operation.get("parameters", [])
    assert all(each.get("description") for each in parameters), parameters
    places = [(each["in"], each["name"]) for each in parameters]
    assert len(set(places)) == len(places)
    assert {name for kind, name in places if kind == "path"} == set(re.findall(r"{(\w+)}", path))


@every_operation
def test_its_security_is_known_and_the_hosts_is_not_a_viewers(path, operation):
    schemes = {name for each in operation.get("security", []) for name in each}
    assert schemes <= set(documented.document()["components"]["securitySchemes"])
    assert (operation.get("x-scope") is not None) is bool(schemes)
    if "hostToken" in schemes:
        assert operation["x-scope"] == "owner"


def test_only_what_others_write_may_hold_unknown_fields():
    shapes = {
        name for module in MODULES for name, value in vars(module).items() if is_typeddict(value)
    }
    schemas = documented.document()["components"]["schemas"]
    told = {name: schemas[name]["additionalProperties"] for name in shapes & schemas.keys()}
    assert {name for name, unknown in told.items() if unknown} == OPEN_SHAPES


def examples(value):
    if isinstance(value, dict):
        if "examples" in value or "example" in value:
            yield value
        for each in value.values():
            yield from examples(each)
    elif isinstance(value, list):
        for each in value:
            yield from examples(each)


def test_examples_fit_what_they_are_examples_of():
    found = list(examples(documented.document()))
    assert found
    for each in found:
        given = each.get("examples", []) + ([each["example"]] if "example" in each else [])
        for example in given:
            assert jsonschema_rs.is_valid(each.get("schema", each), example), each


def test_a_server_that_nobody_asks_for_the_document_loads_none_of_it():
    names = ["openwork.server.answers", "openwork.server.api_document", "openwork.server.api_words"]
    code = f"import sys, openwork.server.app; print([n for n in {names!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_undeclared_status_or_shape_is_noticed():
    documented.check("GET", "/approvals", 200, {"items": []})
    documented.check("GET", "/opencode/session", 418, {})
    with pytest.raises(AssertionError, match="418 is not declared"):
        documented.check("GET", "/approvals", 418, {"code": "teapot", "message": "no"})
    with pytest.raises(AssertionError, match="another shape"):
        documented.check("GET", "/approvals", 200, {"wrong": 5})
    with pytest.raises(AssertionError, match="another shape"):
        documented.check("GET", "/w/ws_1/approvals?x=1", 401, {"error": "who?"})
