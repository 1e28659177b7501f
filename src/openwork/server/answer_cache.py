"""Large answers that were looked through before: shaping the engine's list of models takes 0.5 s.

An entry is found by what the engine answered, to the last byte, so it cannot be another engine's or
an older one. Only the shaped answer is kept: nothing that was taken out of it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_BYTES = 16 << 20
# Shaping less takes less than 20 ms.
LEAST_KEPT_BYTES = 256 * 1024


class ShapedAnswers:
    """Answers by what they were made from; the least lately used go first.

    Safe in several threads. Who asks for what another is just making waits for it: they would share
    the interpreter anyway, and the work is done once.
    """

    def __init__(self, shape: Callable[[bytes], bytes], *, kept_bytes: int = KEPT_BYTES) -> None:
        """None yet.

        Args:
            shape: Makes the answer, of nothing but what it is given.
            kept_bytes: Of all shaped answers together.
        """
        self._shape = shape
        self._kept_bytes = kept_bytes
        self._found: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def shaped(self, raw: bytes) -> bytes:
        """``shape(raw)``, and its errors."""
        if len(raw) < LEAST_KEPT_BYTES:
            return self._shape(raw)
        key = hashlib.sha256(raw).digest()
        with self._lock:
            known = self._found.get(key)
            if known is not None:
                self._found.move_to_end(key)
                return known
            made = self._shape(raw)
            if len(made) <= self._kept_bytes:
                self._found[key] = made
                self._size += len(made)
            while self._size > self._kept_bytes:
                _, dropped = self._found.popitem(last=False)
                self._size -= len(dropped)
            return made
