"""The host's tokens are made once and kept."""

from __future__ import annotations

import json
import stat

import pytest

from openwork.common import log
from openwork.common.errors import OpenWorkError
from openwork.orchestrator.credentials import (
    Credentials,
    credentials_path,
    load_credentials,
    save_owner_token,
)


def test_tokens_are_kept_between_two_starts(tmp_path):
    first = load_credentials(tmp_path)
    assert load_credentials(tmp_path) == first
    assert first.collaborator != first.host
    assert first.owner == ""
    path = credentials_path(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_owner_token_joins_the_kept_ones(tmp_path):
    first = load_credentials(tmp_path)
    save_owner_token(tmp_path, "owt_owner")
    assert load_credentials(tmp_path) == Credentials(first.collaborator, first.host, "owt_owner")


def test_given_tokens_win_and_are_not_kept(tmp_path):
    kept = load_credentials(tmp_path)
    given = load_credentials(tmp_path, collaborator="given-one", host="given-two")
    assert (given.collaborator, given.host) == ("given-one", "given-two")
    save_owner_token(tmp_path, "owt_owner")
    assert load_credentials(tmp_path) == Credentials(kept.collaborator, kept.host, "owt_owner")


def test_a_missing_token_is_made_once(tmp_path):
    credentials_path(tmp_path).write_text(json.dumps({"collaboratorToken": "kept-token"}))
    first = load_credentials(tmp_path)
    assert first.collaborator == "kept-token"
    assert first.host != ""
    assert load_credentials(tmp_path) == first


def test_no_token_reaches_the_log(tmp_path):
    kept = load_credentials(tmp_path, collaborator="a given token")
    assert log.scrub(f"<{kept.collaborator}> <{kept.host}>") == "<***> <***>"


def test_a_damaged_file_is_named_and_left_alone(tmp_path):
    path = credentials_path(tmp_path)
    path.write_text("{")
    with pytest.raises(OpenWorkError) as caught:
        load_credentials(tmp_path)
    assert caught.value.code == "file_damaged"
    assert str(path) in caught.value.message
    assert path.read_text() == "{"
