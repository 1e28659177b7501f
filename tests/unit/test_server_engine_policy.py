"""Which engine routes a scope may use, and how a path is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.server.engine_policy import canonical_path, needs_inspection, rule_for
from openwork.server.scope import Scope

V, C, O = Scope.VIEWER, Scope.COLLABORATOR, Scope.OWNER  # noqa: E741  # a table's columns


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/global/health", V),
        ("GET", "/event", V),
        ("HEAD", "/session", V),
        ("GET", "/unknown/route", O),
        ("GET", "/pty", O),
        ("GET", "/pty/p1", O),
        ("GET", "/pty/shells", V),
        ("GET", "/config", V),
        ("GET", "/agent", V),
        ("GET", "/api/session/s1/message", V),
        ("GET", "/experimental/worktree", O),
        ("GET", "/api/permission/saved", O),
        ("GET", "/pty/p1/connect", O),
        ("GET", "/PTY/p1/Connect", O),
        ("HEAD", "/pty/p1/connect", O),
        ("GET", "/api/pty/p1/connect", O),
        ("GET", "/tui/control/next", O),
        ("POST", "/session", C),
        ("POST", "/Session", C),
        ("PATCH", "/session/s1", C),
        ("DELETE", "/session/s1", C),
        ("POST", "/session/s1/message", C),
        ("POST", "/session/s1/prompt_async", C),
        ("POST", "/session/s1/command", C),
        ("POST", "/session/s1/abort", C),
        ("POST", "/session/s1/shell", O),
        ("POST", "/session/s1/SHELL", O),
        ("POST", "/permission/p1/reply", O),
        ("POST", "/session/s1/permissions/p1", O),
        ("POST", "/api/session/s1/permission/p1/reply", O),
        ("POST", "/question/q1/reply", C),
        ("POST", "/mcp/m/connect", O),
        ("POST", "/mcp/m/disconnect", O),
        ("POST", "/instance/dispose", O),
        ("POST", "/mcp", O),
        ("POST", "/mcp/m/auth", O),
        ("PATCH", "/config", O),
        ("PATCH", "/global/config", O),
        ("PUT", "/auth/openai", O),
        ("DELETE", "/auth/openai", O),
        ("POST", "/pty", O),
        ("POST", "/api/pty/p1/connect-token", O),
        ("POST", "/vcs/apply", O),
        ("POST", "/global/upgrade", O),
        ("POST", "/experimental/worktree", O),
        ("POST", "/tui/execute-command", O),
        ("POST", "/sync/replay", O),
        ("POST", "/api/session", O),
        ("POST", "/a/route/of/tomorrow", O),
        ("DELETE", "/a/route/of/tomorrow", O),
    ],
)
def test_who_may_call_what(method, path, least):
    assert rule_for(method, path).least is least


@pytest.mark.parametrize(
    "path", ["/permission/p/reply", "/session/s/permissions/p", "/API/session/s/permission/p/reply"]
)
def test_every_reply_to_a_permission_is_recorded(path):
    assert rule_for("POST", path).is_permission_reply


@pytest.mark.parametrize(
    "path", ["/config", "/Config/providers", "/global/config", "/provider", "/api/provider/x"]
)
def test_answers_with_keys_in_them_are_known(path):
    assert rule_for("GET", path).holds_secrets


def test_owners_may_lift_prompts_but_nobody_chooses_the_folder():
    prompt = rule_for("POST", "/session/s/message")
    assert needs_inspection(prompt, C)
    assert not needs_inspection(prompt, O)
    assert needs_inspection(rule_for("POST", "/api/session"), O)


@pytest.mark.parametrize(
    ("raw", "decoded", "sent"),
    [
        ("/", "/", "/"),
        ("", "/", "/"),
        ("/session/", "/session", "/session"),
        ("//session///a", "/session/a", "/session/a"),
        ("/%73ession", "/session", "/session"),
        ("/PTY", "/PTY", "/PTY"),
        ("/a%20b", "/a b", "/a%20b"),
        ("/a%3Fb%23c", "/a?b#c", "/a%3Fb%23c"),
        ("/%252e%252e/x", "/%2e%2e/x", "/%252e%252e/x"),
        ("/%C3%A9", "/é", "/%C3%A9"),
        ("/a;b=c", "/a;b=c", "/a;b=c"),
    ],
)
def test_what_is_judged_is_what_is_sent(raw, decoded, sent):
    assert canonical_path(raw) == (decoded, sent)


@pytest.mark.parametrize(
    "raw",
    [
        "/..", "/a/../b", "/%2e%2e/x", "/%2E./x", "/.", "/a/./b", "/a%2Fb", "/a%2fb", "/a%5Cb",
        "/a\\b", "/a%00b", "/a%0d%0ab", "/a%7f", "/%ff", "/%c0%ae%c0%ae/x",
    ],
)  # fmt: skip
def test_a_path_that_could_be_read_two_ways_is_refused(raw):
    with pytest.raises(OpenWorkError) as caught:
        canonical_path(raw)
    assert caught.value.status == 400


@given(st.text(alphabet="/.%2eEfF5cC0aé?#;: \\sx", max_size=30))
def test_a_path_is_refused_or_stays_as_it_is_read(raw):
    try:
        decoded, sent = canonical_path("/" + raw)
    except OpenWorkError:
        return
    assert canonical_path(sent) == (decoded, sent)
    assert sent.isascii()
    assert not {"", ".", ".."} & set(decoded.split("/")[1:]) or decoded == "/"
    assert not set(sent) & set("?# \\\r\n")
