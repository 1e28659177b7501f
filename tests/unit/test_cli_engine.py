"""What ``openwork engine`` hands to the engine's own commands."""

from __future__ import annotations

from openwork.cli.engine import _environment


def test_the_engine_reads_its_own_variables_and_none_of_ours():
    env = _environment(
        {"PATH": "/bin", "OPENWORK_TOKEN": "canary", "OPENCODE_SERVER_PASSWORD": "theirs"}
    )
    assert "canary" not in env.values()
    assert env["PATH"] == "/bin"
    assert env["OPENCODE_SERVER_PASSWORD"] == "theirs"


def test_the_pinned_engine_does_not_update_itself_unless_the_user_says_so():
    assert _environment({})["OPENCODE_DISABLE_AUTOUPDATE"] == "1"
    chosen = {"OPENCODE_DISABLE_AUTOUPDATE": "0"}
    assert _environment(chosen)["OPENCODE_DISABLE_AUTOUPDATE"] == "0"
