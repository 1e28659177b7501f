"""Reading the audit log a page at a time."""

from __future__ import annotations

import json

import pytest

from openwork.common.errors import OpenWorkError
from openwork.server import audit_pages
from openwork.server.audit_chain import LONGEST_LINE_BYTES
from openwork.server.audit_pages import EVERYTHING, AuditFilter, read_page

SCOPES = ("owner", "collaborator")


def entry(n):
    actor = {"type": "remote", "tokenHash": f"{n % 2}abcdef0", "scope": SCOPES[n % 2]}
    if n % 5 == 0:
        actor["clientId"] = "desk"
    action = ("config.patch", "skills.upsert", "skills.delete")[n % 3]
    return {"id": f"id-{n}", "actor": actor, "action": action, "timestamp": 1000 + 10 * n}


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(entry(n)) + "\n" for n in range(100)))
    return path


def numbers(page):
    return [int(each["id"][3:]) for each in page.items]


def all_pages(path, limit, wanted):
    before, found = "", []
    while True:
        page = read_page(path, limit, wanted, before)
        found += numbers(page)
        if page.next_before is None:
            return found
        before = page.next_before


def test_pages_follow_one_another_without_a_gap(log):
    assert numbers(read_page(log, 3, EVERYTHING)) == [99, 98, 97]
    for limit in (1, 7, 99, 100, 101):
        assert all_pages(log, limit, EVERYTHING) == list(range(99, -1, -1))


@pytest.mark.parametrize(
    ("wanted", "which"),
    [
        (AuditFilter(action="config.patch"), lambda n: n % 3 == 0),
        (AuditFilter(action="skills.*"), lambda n: n % 3 > 0),
        (AuditFilter(action="skills"), lambda n: n < 0),
        (AuditFilter(actor="owner"), lambda n: n % 2 == 0),
        (AuditFilter(actor="desk"), lambda n: n % 5 == 0),
        (AuditFilter(actor="1ABCDE"), lambda n: n % 2 == 1),
        (AuditFilter(actor="1abc"), lambda n: n < 0),
        (AuditFilter(action="skills.*", actor="desk"), lambda n: n % 3 > 0 and n % 5 == 0),
    ],
)
def test_filters_hold_on_every_page(log, wanted, which):
    assert all_pages(log, 4, wanted) == [n for n in range(99, -1, -1) if which(n)]


def test_a_page_begins_before_an_entry_or_a_time(log):
    assert numbers(read_page(log, 2, EVERYTHING, "id-50")) == [49, 48]
    for before, first in (("1500", 49), ("1501", 50), ("1505", 50), ("999999", 99), ("1010", 0)):
        assert numbers(read_page(log, 1, EVERYTHING, before)) == [first], before
    for before in ("1000", "0", "id-0"):
        assert read_page(log, 1, EVERYTHING, before).items == ()


@pytest.mark.parametrize(
    "before",
    ["id-x", "@3", "@", "@999999", "@-1", "@1_0", "²", "1" * 40, "\ud800", '"', "@" + "9" * 40],
)
def test_a_place_that_is_not_in_the_log_is_refused(log, before):
    with pytest.raises(OpenWorkError) as caught:
        read_page(log, 1, EVERYTHING, before)
    assert (caught.value.code, caught.value.status) == ("invalid_payload", 400)


def test_a_page_looks_at_a_stated_number_of_entries_and_says_where_to_go_on(log, monkeypatch):
    monkeypatch.setattr(audit_pages, "MOST_EXAMINED", 10)
    page = read_page(log, 5, AuditFilter(action="nothing"))
    assert page.items == ()
    assert page.next_before is not None
    assert numbers(read_page(log, 1, EVERYTHING, page.next_before)) == [89]
    assert all_pages(log, 5, AuditFilter(actor="desk")) == list(range(95, -1, -5))
    monkeypatch.setattr(audit_pages, "MOST_SEARCHED", 10)
    with pytest.raises(OpenWorkError):
        read_page(log, 1, EVERYTHING, "id-50")


def test_damage_in_the_log_hides_no_other_entry(log, monkeypatch):
    lines = log.read_bytes().splitlines(keepends=True)
    overlong = b"x" * (LONGEST_LINE_BYTES * 2) + b"\n"
    damaged = [b"torn\n", b"\n", *lines[:50], overlong, b"[]\n", *lines[50:], b'{"id": "en']
    log.write_bytes(b"".join(damaged))
    for block in (16, 64 * 1024):
        monkeypatch.setattr(audit_pages, "BLOCK_BYTES", max(block, 4096))
        assert all_pages(log, 30, EVERYTHING) == list(range(99, -1, -1))
        assert numbers(read_page(log, 1, EVERYTHING, "1500")) == [49]
    found = [each["id"] for _, each in audit_pages.read_forwards(log, log.stat().st_size)]
    assert found == [f"id-{n}" for n in range(100)]


def test_no_log_is_an_empty_page(tmp_path):
    page = read_page(tmp_path / "none", 5, EVERYTHING)
    assert page.to_json() == {"items": []}
    assert list(audit_pages.read_forwards(tmp_path / "none", 5)) == []
