"""How a reply becomes a stream, and which requests count as retries."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from openwork.demo.config import MODEL, engine_config
from openwork.demo.requests import Retries
from openwork.demo.steps import Call, Fail, Reply, Say
from openwork.demo.stream import deltas, finish_reason, whole_message, words
from openwork.demo.wire import ChatRequest, Message


@given(st.text())
def test_words_joined_are_the_text(text: str):
    assert "".join(words(text)) == text


@given(st.text(max_size=900))
def test_streamed_arguments_joined_are_the_calls_arguments(content: str):
    call = Call("write", {"filePath": "a.md", "content": content})
    head, *pieces = deltas(Reply("x", (call,)))
    assert head["tool_calls"][0]["function"] == {"name": "write", "arguments": ""}
    joined = "".join(piece["tool_calls"][0]["function"]["arguments"] for piece in pieces)
    assert json.loads(joined) == call.arguments


def test_a_whole_message_says_and_calls_the_same_as_the_stream():
    reply = Reply(
        "x", (Fail(503, "busy", "Busy.", times=1), Say("One two."), Call("read", {"a": 1}))
    )
    message = whole_message(reply)
    assert message["content"] == "One two."
    assert message["tool_calls"][0]["function"] == {"name": "read", "arguments": '{"a": 1}'}
    assert finish_reason(reply) == "tool_calls"
    assert finish_reason(Reply("x", (Say("One"),))) == "stop"


def ask(text: str) -> ChatRequest:
    return ChatRequest(model="m", messages=[Message(role="user", content=text)])


def test_a_retry_is_the_same_conversation_of_the_same_session():
    retries = Retries()
    assert retries.fails_again(ask("a"), "s1", 1)
    assert retries.fails_again(ask("b"), "s1", 1)
    assert retries.fails_again(ask("a"), "s2", 1)
    assert not retries.fails_again(ask("a"), "s1", 1)
    assert retries.fails_again(ask("a"), "s1", 1), "once it worked, it is a new request"
    assert all(retries.fails_again(ask("c"), "s1", None) for _ in range(5))


def test_the_engines_configuration_names_a_model_it_defines():
    config = engine_config("http://127.0.0.1:1/v1", "key-of-the-demo")
    provider, model = MODEL.split("/")
    assert config["model"] == config["small_model"] == MODEL
    assert model in config["provider"][provider]["models"]
    options = {"baseURL": "http://127.0.0.1:1/v1", "apiKey": "key-of-the-demo"}
    assert config["provider"][provider]["options"] == options
    assert config["permission"] == {"edit": "ask", "bash": "ask"}
