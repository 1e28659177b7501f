"""Secrets in the engine's answers."""

from __future__ import annotations

import json

import pytest

from openwork.server.redaction import redact, redact_json


@pytest.mark.parametrize(
    "name",
    ["apiKey", "api_key", "API-KEY", "key", "token", "accessToken", "refresh_token", "clientSecret",
     "password", "secretAccessKey", "Authorization", "proxy-authorization", "credentials",
     "cookie"],
)  # fmt: skip
def test_secret_looking_keys_are_blotted_out_at_any_depth(name):
    assert redact({"a": [{name: "canary"}]}) == {"a": [{name: "***"}]}
    assert redact({name: {"x": ["canary"], "n": 1}}) == {name: {"x": ["***"], "n": 1}}


def test_headers_and_environments_are_secret_whatever_their_names():
    body = {"mcp": {"m": {"headers": {"X-Any": "canary"}, "environment": {"HOME": "canary"}}}}
    assert "canary" not in json.dumps(redact(body))


def test_credentials_inside_an_address_are_blotted_out():
    assert redact("https://me:canary@host/x") == "https://***@host/x"


def test_the_rest_is_as_it_was():
    body = {
        "keybinds": {"leader": "ctrl+x"}, "env": ["OPENAI_API_KEY"], "limit": {"tokens": 3},
        "baseURL": "http://127.0.0.1:1/v1", "name": "Schlüssel", "maxTokens": 5, "apiKey": None,
        "empty": {"password": ""}, "cost": 1.25, "tool_call": True,
    }  # fmt: skip
    assert json.loads(redact_json(json.dumps(body).encode())) == body


def test_what_is_not_json_is_an_error_not_an_answer():
    with pytest.raises(ValueError, match="Expecting"):
        redact_json(b"<html>")
