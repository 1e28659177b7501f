"""The store of issued tokens."""

from __future__ import annotations

import json
import stat

import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.ids import token_hash
from openwork.server.scope import Scope
from openwork.server.tokens import TokenStore


def test_only_the_hash_is_stored_in_a_private_file(tmp_path):
    path = tmp_path / "new" / "tokens.json"
    token, secret = TokenStore(path).issue(Scope.VIEWER, "desk")
    text = path.read_text()
    assert secret not in text
    assert token.hash == token_hash(secret)
    assert token.hash in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "hash" not in token.to_json()


def test_tokens_survive_a_restart_and_revoking_is_at_once(tmp_path):
    path = tmp_path / "tokens.json"
    store = TokenStore(path)
    first, secret = store.issue(Scope.OWNER)
    second, _ = store.issue(Scope.VIEWER, "b")
    again = TokenStore(path)
    assert [each.id for each in again.list()] == [second.id, first.id]
    assert again.scope_of(token_hash(secret)) is Scope.OWNER
    told: list[str] = []
    again.on_revoke(told.append)
    again.revoke(first.id)
    assert told == [first.hash]
    assert again.scope_of(first.hash) is None
    assert TokenStore(path).scope_of(first.hash) is None
    with pytest.raises(OpenWorkError, match=first.id):
        again.revoke(first.id)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"tokens": {}}',
        '{"tokens": "abc"}',
        '{"tokens": [1]}',
        '{"tokens": {"a": 1}}',
        '{"tokens": [{"id": "a", "hash": "b", "scope": "root", "createdAt": 1}]}',
        '{"tokens": [{"id": "a", "hash": "b", "scope": ["owner"], "createdAt": 1}]}',
        '{"tokens": [{"id": "a", "hash": "b", "scope": "owner", "createdAt": null}]}',
    ],
)
def test_a_damaged_store_is_refused_by_name_and_left_alone(tmp_path, content):
    path = tmp_path / "tokens.json"
    path.write_text(content)
    with pytest.raises(OpenWorkError) as caught:
        TokenStore(path)
    assert caught.value.code == "file_damaged"
    assert str(path) in caught.value.message
    assert path.read_text() == content


def test_what_cannot_be_written_was_not_issued_or_revoked(tmp_path):
    folder = tmp_path / "store"
    path = folder / "tokens.json"
    store = TokenStore(path)
    token, secret = store.issue(Scope.OWNER)
    folder.rename(tmp_path / "away")
    folder.write_text("not a folder")
    with pytest.raises(OSError, match="store"):
        store.issue(Scope.VIEWER)
    with pytest.raises(OSError, match="store"):
        store.revoke(token.id)
    assert store.scope_of(token_hash(secret)) is Scope.OWNER
    assert len(store.list()) == 1
    assert len(json.loads((tmp_path / "away" / "tokens.json").read_text())["tokens"]) == 1
