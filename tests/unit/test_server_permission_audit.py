"""What the audit log says of a permission: nothing hides behind a cut."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest

from openwork.engine.describe import LONGEST_SHOWN, describe_permission, permission_text
from openwork.server.permission_audit import LONGEST_RECORDED_BYTES, bounded, reply_in

COMMAND = "echo " + "a" * 400 + "; rm -rf ~"


def test_a_cut_is_marked_where_it_is_shown_and_the_whole_is_recorded():
    text = describe_permission("bash", [COMMAND], "/x")
    assert len(text) == LONGEST_SHOWN
    assert text.endswith("…")
    assert permission_text("bash", [COMMAND], "/x") == "bash " + COMMAND
    assert bounded(permission_text("bash", [COMMAND], "/x")).endswith("; rm -rf ~")


def test_a_very_long_text_is_recorded_by_its_beginning_and_its_hash():
    text = "é" * 5000 + "; rm -rf ~"
    recorded = bounded(text)
    assert hashlib.sha256(text.encode()).hexdigest() in recorded
    assert recorded.startswith("é" * (LONGEST_RECORDED_BYTES // 2) + "…")
    assert len(recorded) < 4000
    assert bounded("a\x1b]0;x\x07\nb") == "a ]0;x  b"


@pytest.mark.parametrize(
    ("path", "body", "reply"),
    [
        ("/permission/p/reply", b'{"reply": "reject", "response": "always"}', "reject"),
        ("/session/s/permissions/p", b'{"reply": "reject", "response": "always"}', "always"),
        ("/API/session/s/permission/p/reply", b'{"reply": "once"}', "once"),
        ("/permission/p/reply", b'{"response": "reject"}', "unreadable"),
        ("/permission/p/reply", b"[" * 100_000, "unreadable"),
        ("/permission/p/reply", b"\xff", "unreadable"),
    ],
)
def test_a_reply_is_read_as_the_engine_reads_it(path, body, reply):
    call: Any = SimpleNamespace(path=path)  # all of a call that is looked at
    assert reply_in(call, body) == reply
