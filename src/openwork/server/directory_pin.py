"""The engine sees one folder per request, and it is never the client's free choice."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode

from openwork.common.errors import OpenWorkError
from openwork.workspace.paths import resolve_directory

if TYPE_CHECKING:
    from openwork.server.engine_routes import Listing
    from openwork.workspace.paths import WorkspaceRoot

DIRECTORY_HEADER = "x-opencode-directory"
DIRECTORY_QUERIES = frozenset({"directory", "location[directory]"})
_REFUSED_QUERIES = ("workspace", "location")
_PINNED_WORDS = ("directory", *_REFUSED_QUERIES)
# A list of sessions is one of the engine's whole store unless it is narrowed; these widen it again.
_WIDENING_QUERIES = frozenset({*DIRECTORY_QUERIES, "scope", "path"})


def pin_directory(
    root: WorkspaceRoot,
    engine_root: str,
    header: str | None,
    query: bytes,
    *,
    listing: Listing | None = None,
) -> tuple[str, str]:
    """The directory header and the query string to send to the engine.

    The header and the queries ``directory`` and ``location[directory]`` are each the workspace's
    folder, or one that really lies under it (links followed); what is sent is the resolved path, so
    that nothing can be read two ways. Without any of them the header is the workspace's folder.
    A list of sessions is narrowed to that one folder by the engine itself, so its pages stay whole.

    Args:
        root: The workspace's folder.
        engine_root: The same folder as the engine sees it.
        header: The caller's directory header, percent-encoded or not, or None.
        query: The caller's query string, encoded.
        listing: The request lists sessions.

    Raises:
        OpenWorkError: ``workspace_unauthorized`` (403) for a folder that does not lie under the
            root, also when it does not exist; ``forbidden`` for an engine workspace;
            ``invalid_payload`` for a cursor that leads out of the folder.
    """
    chosen = _inside(root, engine_root, unquote(header)) if header else engine_root
    text = query.decode("latin-1")
    if listing is None and "%" not in text and not any(word in text for word in _PINNED_WORDS):
        return quote(chosen, safe="/"), text
    pairs = parse_qsl(text, keep_blank_values=True)
    pinned: list[tuple[str, str]] = []
    for name, value in pairs:
        if name in DIRECTORY_QUERIES:
            pinned.append((name, _inside(root, engine_root, value)))
        elif name.startswith(_REFUSED_QUERIES):
            raise OpenWorkError(
                "forbidden", f"The query '{name}' is not available through OpenWork.", status=403
            )
        else:
            pinned.append((name, value))
    if listing is not None:
        pinned = _narrowed(pinned, chosen, listing)
    return quote(chosen, safe="/"), urlencode(pinned)


def _inside(root: WorkspaceRoot, engine_root: str, wanted: str) -> str:
    if wanted in {engine_root, str(root.path)}:
        return engine_root
    return str(resolve_directory(root, wanted))


def _narrowed(
    pinned: list[tuple[str, str]], chosen: str, listing: Listing
) -> list[tuple[str, str]]:
    folder = next((value for name, value in pinned if name == "directory"), chosen)
    kept = [(name, value) for name, value in pinned if name not in _WIDENING_QUERIES]
    if listing == "pages":
        kept = [
            (name, _cursor_within(value, folder) if name == "cursor" else value)
            for name, value in kept
        ]
    return [*kept, ("directory", folder)]


def _cursor_within(cursor: str, folder: str) -> str:
    """The cursor, written anew: it holds the folder again, and the engine believes it."""
    fields: object = None
    if re.fullmatch(r"[A-Za-z0-9_-]+", cursor):
        with contextlib.suppress(ValueError, RecursionError):  # judged below
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            fields = json.loads(raw.decode())
    inner = cast("dict[str, object]", fields) if isinstance(fields, dict) else {}
    if inner.get("directory") != folder:
        raise OpenWorkError(
            "invalid_payload", "The cursor does not belong to this list.", status=400
        )
    packed = json.dumps(inner, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def lies_within(root: WorkspaceRoot, engine_root: str, directory: str) -> bool:
    """Whether a folder that the engine names really lies under the workspace's, links followed.

    Args:
        root: The workspace's folder.
        engine_root: The same folder as the engine sees it.
        directory: As the engine wrote it.
    """
    if directory == engine_root:
        return True
    seen = PurePath(directory)
    try:
        if seen.is_relative_to(engine_root):
            directory = str(root.path / seen.relative_to(engine_root))
        resolve_directory(root, directory)
    except OpenWorkError:
        return False
    return True
