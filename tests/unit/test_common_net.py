"""Ports and addresses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from openwork.common.errors import OpenWorkError
from openwork.common.net import free_port, is_loopback, lan_address, listen

if TYPE_CHECKING:
    import socket


def test_a_taken_port_names_its_holder():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OpenWorkError) as caught:
            listen("127.0.0.1", port)
    assert caught.value.code == "port_taken"
    assert str(port) in caught.value.message
    assert f"(pid {os.getpid()})" in caught.value.message


def test_of_many_that_want_one_port_exactly_one_gets_it():
    port = free_port()
    got: list[socket.socket] = []
    refused = 0
    try:
        for _ in range(10):
            try:
                got.append(listen("127.0.0.1", port))
            except OpenWorkError as error:
                refused += error.code == "port_taken"
        assert (len(got), refused) == (1, 9)
    finally:
        for each in got:
            each.close()


def test_an_address_of_another_machine_says_so():
    with pytest.raises(OpenWorkError) as caught:
        listen("192.0.2.1", 0)
    assert caught.value.code == "address_unavailable"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False),  # noqa: S104  # nothing is bound
     ("::", False), ("192.168.0.1", False), ("localhost.evil.example", False),
     ("127.0.0.1.evil.example", False), ("", False)],
)  # fmt: skip
def test_what_is_this_machine_only(host, expected):
    assert is_loopback(host) is expected


def test_the_address_on_the_network_is_none_or_not_loopback():
    address = lan_address()
    assert address is None or not is_loopback(address)
