"""Who a request's headers make its caller."""

from __future__ import annotations

import base64

import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.ids import token_hash
from openwork.server.auth import Actor, Authenticator, require
from openwork.server.guesses import Guesses
from openwork.server.scope import Scope
from openwork.server.tokens import TokenStore

CLIENT, HOST = "client-token", "host-token"
PEER = "192.0.2.1"


@pytest.fixture
def store(tmp_path):
    return TokenStore(tmp_path / "tokens.json")


@pytest.fixture
def auth(store):
    return Authenticator(CLIENT, HOST, store, Guesses(0))


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def basic(token, **more):
    return {"authorization": "Basic " + base64.b64encode(f"x:{token}".encode()).decode(), **more}


def code_of(call, *args, **options):
    with pytest.raises(OpenWorkError) as caught:
        call(*args, **options)
    return caught.value.code


def test_the_configured_token_is_a_collaborator(auth):
    expected = Actor("remote", token_hash(CLIENT), Scope.COLLABORATOR)
    assert auth.client(bearer(CLIENT), PEER) == expected


@pytest.mark.parametrize("scope", list(Scope))
def test_an_issued_token_has_its_scope_and_nothing_the_client_says_raises_it(auth, store, scope):
    _, secret = store.issue(scope)
    claims = {"x-openwork-scope": "owner", "x-scope": "owner", "scope": "owner"}
    assert auth.client({**bearer(secret), **claims}, PEER).scope is scope


def test_only_owners_and_the_host_token_pass_as_host(auth, store):
    assert auth.host({"x-openwork-host-token": HOST}, PEER).kind == "host"
    owner = store.issue(Scope.OWNER)[1]
    assert auth.host(bearer(owner), PEER).kind == "remote"
    for low in (CLIENT, store.issue(Scope.VIEWER)[1], store.issue(Scope.COLLABORATOR)[1]):
        assert code_of(auth.host, bearer(low), PEER) == "unauthorized"
    # A wrong host token is not made good by a bearer token beside it.
    assert (
        code_of(auth.host, {"x-openwork-host-token": "x", **bearer(owner)}, PEER) == "unauthorized"
    )
    assert code_of(auth.host, basic(owner), PEER) == "unauthorized"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {CLIENT}x"},
        {"authorization": f"Token {CLIENT}"},
        {"authorization": CLIENT},
        {"authorization": f"Bearer {HOST}"},
        {"authorization": "Basic é"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic /w=="},
        {"authorization": "Basic " + base64.b64encode(b"no-colon").decode()},
        {"authorization": "Basic " + base64.b64encode(b"user:").decode()},
        {"x-openwork-host-token": HOST},
        {"cookie": f"token={CLIENT}"},
    ],
)
def test_anything_else_is_nobody(auth, headers):
    assert code_of(auth.client, headers, PEER, allow_basic=True) == "unauthorized"


def test_basic_is_taken_where_allowed_with_the_token_as_password(auth):
    assert auth.client(basic(CLIENT), PEER, allow_basic=True).scope is Scope.COLLABORATOR
    assert code_of(auth.client, basic(CLIENT), PEER) == "unauthorized"


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "http://here:1"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "no-cors"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://here:2", "sec-fetch-site": "same-origin"}, False),
    ],
)
def test_basic_is_refused_from_pages_of_another_origin_but_bearer_is_not(auth, headers, taken):
    sent = {"host": "here:1", **headers}
    if taken:
        auth.client(basic(CLIENT, **sent), PEER, allow_basic=True)
    else:
        assert code_of(auth.client, basic(CLIENT, **sent), PEER, allow_basic=True) == "forbidden"
    auth.client({**bearer(CLIENT), **sent}, PEER, allow_basic=True)


def test_a_scope_too_low_says_what_is_needed():
    with pytest.raises(OpenWorkError) as caught:
        require(Actor("remote", "h", Scope.VIEWER), Scope.COLLABORATOR)
    assert caught.value.details == {"required": "collaborator", "scope": "viewer"}
    assert caught.value.status == 403
    require(Actor("remote", "h", Scope.OWNER), Scope.COLLABORATOR)


@pytest.mark.parametrize(("client", "host"), [("", HOST), (CLIENT, "")])
def test_an_empty_secret_never_starts_a_server(store, client, host):
    with pytest.raises(OpenWorkError, match="tokens"):
        Authenticator(client, host, store, Guesses(0))


def test_the_client_id_is_recorded_and_bounded(auth):
    actor = auth.client({**bearer(CLIENT), "x-openwork-client-id": " desk " + "x" * 500}, PEER)
    assert actor.client_id is not None
    assert len(actor.client_id) == 200
    assert actor.to_json()["clientId"].startswith("desk x")
    assert CLIENT not in str(actor.to_json())
