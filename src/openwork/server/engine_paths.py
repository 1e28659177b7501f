"""What a path that goes to the engine may mean: the one judgement for all that name files.

The engine takes ``..`` out of a path as text and follows links afterwards; the system goes up from
where a link leads. ``linked/../x`` is two files, so nothing with ``..`` is passed on, in whatever
spelling the engine could read as such, and both files are judged.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

# The system's own limit. Resolving looks at each folder on the way: one of 200,000 signs took 1 s.
LONGEST_PATH = 4096
# Of all the paths that one request names; measured: 4,096 are resolved in 30 ms.
MOST_SEGMENTS = 4096
# The engine decodes an address once. What is still encoded after this many times hides something.
MOST_DECODINGS = 4
_UNREAD = re.compile(r"[\x00-\x20]")
_SEPARATOR = re.compile(r"[/\\]")


def readings(path: str) -> list[str] | None:
    """``path`` and what decoding it makes of it; None when it cannot be judged.

    That is when it is too long, holds a NUL, goes up (``..``, also percent-encoded or between
    backslashes), or is encoded so often that nobody can mean it.
    """
    if len(path) > LONGEST_PATH:
        return None
    found = [path]
    while (decoded := unquote(found[-1])) != found[-1]:
        if len(found) > MOST_DECODINGS:
            return None
        found.append(decoded)
    return None if any("\0" in each or _goes_up(each) for each in found) else found


def places(base: str | os.PathLike[str], path: str) -> set[str]:
    """The real files that ``path``, relative to ``base`` or absolute, may be: the engine's reading
    (as text first) and the system's (links first).

    Raises:
        ValueError: It cannot be one, as with a NUL.
        OSError: The links cannot be followed.
    """
    joined = os.path.join(base, path)  # noqa: PTH118  # any text, as it stands
    return {os.path.realpath(os.path.normpath(joined)), os.path.realpath(joined)}


def segments_of(path: str) -> int:
    """How many names are looked at to resolve ``path`` in all its readings."""
    return sum(each.count("/") + 1 for each in readings(path) or ())


def _goes_up(path: str) -> bool:
    # Addresses are read without these signs, wherever they stand.
    return any(_UNREAD.sub("", each) == ".." for each in _SEPARATOR.split(path))
