"""Token guessing slowed down: an address that keeps failing has to wait.

A caller whose token was right before is never kept waiting, so that somebody behind the same
address (a proxy, a shared machine) cannot lock others out. While an address waits, its unknown
tokens are not even compared.

Web pages of other origins are counted apart: any page may let its visitor's browser send tokens to
a local server, and must not lock the command line and the server's own page out with it.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict, deque
from functools import lru_cache
from typing import TYPE_CHECKING

from openwork.common.errors import OpenWorkError

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_S = 60.0
MOST_ADDRESSES = 10_000
MOST_KNOWN = 4_096
_IPV6_NETWORK_BITS = 64  # one household or machine has all of these addresses


class Guesses:
    """Failed tokens by address.

    Attributes:
        failed: How many tokens were wrong since the start.
        refused: How many attempts were refused unlooked-at.

    Args:
        most: Failures an address may have within ``WINDOW_S``; 0 sets no limit.
        clock: Monotonic seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.failed = 0
        self.refused = 0
        self._most = most
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def check(self, address: str, token_hash: str, *, foreign_page: bool = False) -> None:
        """Let an attempt pass.

        Args:
            address: Where it comes from.
            token_hash: Of the token.
            foreign_page: A page of another origin sends it.

        Raises:
            OpenWorkError: ``too_many_attempts`` 429 with ``details {retryAfterSeconds}``.
        """
        if not self._failures or (address, token_hash) in self._known:
            return
        failures = self._failures.get(_counted(address, foreign_page=foreign_page))
        if failures is None or len(failures) < self._most:
            return
        wait_s = math.ceil(failures[0] + WINDOW_S - self._clock())
        if wait_s <= 0:
            return
        self.refused += 1
        raise OpenWorkError(
            "too_many_attempts",
            f"Too many wrong tokens came from this address; try again in {wait_s} s.",
            hint="Check the token. Callers whose token was accepted before are not affected.",
            status=429,
            details={"retryAfterSeconds": wait_s},
        )

    def wrong(self, address: str, *, foreign_page: bool = False) -> None:
        """A token was wrong; arguments as ``check``."""
        self.failed += 1
        if self._most == 0:
            return
        key = _counted(address, foreign_page=foreign_page)
        failures = self._failures.setdefault(key, deque(maxlen=self._most))
        failures.append(self._clock())
        self._failures.move_to_end(key)
        if len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)

    def right(self, address: str, token_hash: str) -> None:
        """A token was right: this caller does not wait for others' failures."""
        key = (address, token_hash)
        if key not in self._known:
            self._known[key] = None
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)

    def forget(self, token_hash: str) -> None:
        """A token was revoked: it counts as any other from now on."""
        for key in [each for each in self._known if each[1] == token_hash]:
            del self._known[key]


def _counted(address: str, *, foreign_page: bool) -> str:
    """What failures are counted by; no address has a space in it."""
    return f"{network(address)} page" if foreign_page else network(address)


@lru_cache(maxsize=1024)
def network(address: str) -> str:
    """What is counted as one: an IPv4 address, or an IPv6 network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_NETWORK_BITS), strict=False))
