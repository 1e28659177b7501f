"""What counts as a secret, what does not, and how it is hidden."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwork.workspace.secrets import (
    HIDDEN,
    SHAPES,
    Finding,
    find_secrets,
    looks_like_secret,
    redact,
    redact_text,
    shapes_in,
)

# Put together here, so that no scanner takes this file for a leak.
HEX = "0a1b2c3d4e5f6789" * 8
MIXED = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7" * 5
UPPER = "A1B2C3D4E5F6G7H8" * 4

EXAMPLES = {
    "private-key": [f"-----BEGIN {word}PRIVATE KEY-----\n{MIXED}\n-----END {word}PRIVATE KEY-----"
                    for word in ("", "RSA ", "OPENSSH ", "EC ")],
    "age-key": ["AGE-SECRET-KEY-1" + UPPER[:58]],
    "jwt": [f"eyJ{MIXED[:20]}.eyJ{MIXED[:40]}.{MIXED[:30]}"],
    "authorization": [f"Bearer {HEX[:32]}", "Basic dXNlcjpwYXNzd29yZDE=", f"token {HEX[:40]}"],
    "github-token": ["ghp_" + MIXED[:36], "gho_" + MIXED[:36], "github_pat_" + MIXED[:60]],
    "gitlab-token": ["glpat-" + MIXED[:20], "glrt-" + MIXED[:20]],
    "anthropic-key": ["sk-ant-api03-" + MIXED[:90]],
    "openrouter-key": ["sk-or-v1-" + HEX[:64]],
    "openai-key": ["sk-" + MIXED[:48], "sk-proj-" + MIXED[:60]],
    "model-key": ["gsk_" + MIXED[:52], "xai-" + MIXED[:60], "pplx-" + MIXED[:40]],
    "huggingface-token": ["hf_" + MIXED[:34]],
    "google-key": ["AIza" + MIXED[:35]],
    "google-oauth": ["GOCSPX-" + MIXED[:28], "ya29." + MIXED[:60]],
    "aws-key": ["AKIA" + UPPER[:16], "ASIA" + UPPER[:16]],
    "azure-key": [f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={MIXED[:86]}=="],
    "digitalocean-token": ["dop_v1_" + HEX[:64]],
    "slack-token": ["xoxb-" + "1234567890-" + MIXED[:24], "xapp-1-" + UPPER[:30]],
    "webhook-address": ["https://hooks.slack.com/services/" + "T0A1B2C3D/B4E5F6G7H/" + MIXED[:24],
                        "https://discord.com/api/webhooks/" + "123456789012345678/" + MIXED[:60]],
    "discord-token": ["M" + MIXED[:23] + "." + MIXED[:6] + "." + MIXED[:38]],
    "telegram-token": ["123456789:" + MIXED[:35]],
    "stripe-key": ["sk_live_" + MIXED[:24], "rk_test_" + MIXED[:24], "whsec_" + MIXED[:32]],
    "square-token": ["sq0atp-" + MIXED[:22]],
    "shopify-token": ["shpat_" + HEX[:32]],
    "twilio-key": ["SK" + HEX[:32]],
    "sendgrid-key": ["SG." + MIXED[:22] + "." + MIXED[:43]],
    "mailgun-key": ["key-" + HEX[:32]],
    "npm-token": ["npm_" + MIXED[:36]],
    "pypi-token": ["pypi-AgE" + "IcHlwaS5vcmc" + MIXED[:60]],
    "docker-token": ["dckr_pat_" + MIXED[:27]],
    "notion-token": ["ntn_" + MIXED[:46], "secret_" + MIXED[:43]],
    "linear-key": ["lin_api_" + MIXED[:40]],
    "atlassian-token": ["ATATT3" + MIXED[:80]],
    "airtable-token": ["pat" + MIXED[:14] + "." + HEX[:64]],
    "figma-token": ["figd_" + MIXED[:40]],
    "supabase-key": ["sbp_" + HEX[:40]],
    "databricks-token": ["dapi" + HEX[:32]],
    "vault-token": ["hvs." + MIXED[:90]],
    "monitoring-token": ["glsa_" + MIXED[:32] + "_a1b2c3d4", "NRAK-" + UPPER[:27]],
    "postman-key": ["PMAK-" + HEX[:24] + "-" + HEX[:34]],
    "openwork-token": ["owt_" + HEX[:32]],
    "address-login": ["postgres://app:hunter2@db.example/app", "https://:pw@host"],
    "address-parameter": [f"https://mcp.example.com/sse?api_key={HEX[:20]}&x=1",
                          f"https://x.example/?a=1&key={MIXED[:20]}"],
    "assignment": [f"export STRIPE_SECRET={MIXED[:24]}", f'const apiKey = "{MIXED[:24]}"',
                   f"X-Api-Key: {HEX[:24]}"],
    "flag": [f"npx server --api-key {MIXED[:24]}"],
}  # fmt: skip

NAMED = [
    "apiKey", "api_key", "API-KEY", "OPENAI_API_KEY", "token", "accessToken", "refresh_token",
    "bot-token", "clientSecret", "client_secret", "password", "DB_PASSWORD", "passphrase",
    "DB_PASS", "secretAccessKey", "privateKey", "Authorization", "proxy-authorization",
    "credentials", "cookie",
]  # fmt: skip

NAMES = st.sampled_from([*NAMED, "session", "key", "--token", "headers"])

HARMLESS = [
    {"$schema": "https://opencode.ai/config.json", "model": "anthropic/claude-sonnet-4-20250514"},
    {"keybinds": {"leader": "ctrl+x", "session_new": "<leader>n"}, "key": "ctrl+k"},
    {"plugin": ["opencode-wakatime@1.2.3", "@scope/name@2.0.0", "file:///opt/plugin-24/a.ts"]},
    {"mcp": {"m": {"type": "remote", "url": "https://mcp.example.com/v1/mcp?session=weekly"}}},
    {"mcp": {"m": {"headers": {"Authorization": "Bearer {env:MCP_TOKEN}", "Accept": "text/a"}}}},
    {"mcp": {"m": {"environment": {"API_KEY": "${API_KEY}", "TOKEN": "$TOKEN", "HOME": "/a"}}}},
    {"env": {"GITHUB_TOKEN": "<your token>", "API_KEY": "your-api-key-here", "SECRET": "changeme"}},
    {"token": "", "password": "***", "apiKey": "xxxxxxxx", "secret": "{file:~/.key}"},
    {"example": "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {"limit": {"max_tokens": "4096", "tokens": 12}, "tokenizer": "cl100k_base", "turnkey": "x1"},
    {"fetch": {"credentials": "same-origin"}, "primary_key": "customer_id", "author": "a1b2c3d4"},
    {"repository": "ssh://git@github.com/example/example.git", "id": "ws_0123456789ab"},
    {"commit": HEX[:40], "digest": f"sha256:{HEX[:64]}"},
    {"uuid": "123e4567-e89b-12d3-a456-426614174000"},
    {"text": "Basic responsibilities of bearer bonds, and the token economy of 2024."},
    {"text": "Ask for the password: it is on the card. The secret ingredient is salt."},
    {"text": "Set OPENAI_API_KEY=... or pass --token TOKEN; see https://example.com/?page=2#token"},
    {"text": "Never write a password here. A risk-based, task-oriented, person-to-person"},
    {"permission": {"bash": {"git push *": "ask", "rm -rf /tmp/build-2024-01": "allow"}}},
    {"args": ["--token-file", "/run/secrets/token1", "--name", "weekly-report-2024-01"]},
]  # fmt: skip


def test_every_shape_has_an_example():
    assert {shape.kind for shape in SHAPES} == set(EXAMPLES)


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in EXAMPLES.items() for text in texts]
)
def test_a_shape_is_found_and_hidden_wherever_it_stands(kind, text):
    assert looks_like_secret("", text) is not None
    found = find_secrets({"notes": [f"see {text} there"]})
    assert found == [Finding(("notes", 0), kind)]
    hidden = redact_text(f"see {text} there")
    assert HIDDEN in hidden
    assert find_secrets(hidden) == []
    assert hidden.startswith("see ")
    assert hidden.endswith(" there")


@pytest.mark.parametrize("name", NAMED)
def test_what_stands_under_a_secrets_name_is_found_and_hidden(name):
    assert find_secrets({"a": {name: "hunter2"}})[0].path == ("a", name)
    assert redact({"a": [{name: "hunter2"}]}) == {"a": [{name: HIDDEN}]}


@pytest.mark.parametrize("value", HARMLESS)
def test_ordinary_configuration_and_prose_hold_no_secret(value):
    assert find_secrets(value) == []


def test_a_doubtful_name_needs_a_random_text():
    assert find_secrets({"key": "ctrl+x", "session": "weekly"}) == []
    assert find_secrets({"key": MIXED[:24]}) == [Finding(("key",), "random-text")]


def test_the_text_after_a_flag_is_named_by_it():
    command = ["npx", "server", "--password", "hunter2", "-v"]
    assert find_secrets({"command": command}) == [Finding(("command", 3), "password")]
    assert redact(command) == ["npx", "server", "--password", HIDDEN, "-v"]


def test_secrets_inside_keys_are_found_and_hidden():
    rules = {"curl -H 'Authorization: Bearer " + HEX[:32] + "' *": "allow"}
    assert [each.kind for each in find_secrets(rules)] == ["authorization"]
    assert HEX[:32] not in json.dumps(redact(rules))


def test_headers_and_environments_are_hidden_whatever_their_names():
    body = {"mcp": {"m": {"headers": {"X-Any": "canary"}, "environment": {"HOME": "canary"}}}}
    assert "canary" not in json.dumps(redact(body))
    assert redact({"env": ["OPENAI_API_KEY"]}) == {"env": ["OPENAI_API_KEY"]}


def test_references_stay_visible_but_not_what_may_be_a_password_like_one():
    headers = {"headers": {"A": "Bearer {env:TOKEN}", "B": "{file:~/.key}", "C": "${KEY}", "D": ""}}
    assert redact(headers) == headers
    for text in ("$ecret", "<word>", "changeme", "123456", "%x%"):
        assert redact({"password": text}) == {"password": HIDDEN}


def test_a_login_in_an_address_is_hidden():
    assert redact("https://me:canary@host/x") == "https://***@host/x"
    assert redact("https://me@host/x") == "https://***@host/x"


@pytest.mark.parametrize("value", HARMLESS[:3] + HARMLESS[9:])
def test_hiding_leaves_ordinary_configuration(value):
    texts = {key: each for key, each in value.items() if key not in {"key", "fetch", "repository"}}
    assert redact(texts) == texts


def test_hiding_in_json_leaves_the_rest_as_it_was():
    body = {
        "keybinds": {"leader": "ctrl+x"}, "env": ["OPENAI_API_KEY"], "limit": {"tokens": 3},
        "baseURL": "http://127.0.0.1:1/v1", "name": "Schlüssel", "maxTokens": 5, "apiKey": None,
        "empty": {"password": ""}, "cost": 1.25, "tool_call": True,
    }  # fmt: skip
    assert redact(body) == body
    assert redact({"key": {"x": ["canary"], "n": 1}}) == {"key": {"x": [HIDDEN], "n": 1}}


def test_a_shape_is_told_with_its_line():
    text = f"# Notes\n\ntoken={MIXED[:24]}\n{EXAMPLES['github-token'][0]}\n"
    assert sorted(shapes_in(text)) == [("assignment", 3), ("github-token", 4)]


json_values = st.recursive(
    st.text(max_size=20) | st.sampled_from([MIXED[:24], "hunter2"]) | st.integers() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8) | NAMES, inner),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(json_values)
def test_nothing_is_found_in_what_was_hidden(value):
    planted = {"x": value, "password": "hunter2", "t": EXAMPLES["github-token"][0]}
    assert find_secrets(planted)
    assert find_secrets(redact(planted)) == []


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "unit",
    ["a", "a-", "eyJ", "eyJ-", "-----BEGIN PRIVATE KEY-----", "sk-", "://a:", "token=", "?key=",
     "Bearer ", "M.", "x_token ", "--x-", "--token ", "SG.", "basic eyJ-sk-token=AccountKey=://"],
)  # fmt: skip
def test_long_text_is_searched_without_backtracking_for_ever(unit):
    assert isinstance(redact_text(unit * (200_000 // len(unit))), str)
