"""The engine sees one folder per request, and it is never the client's free choice."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode

from openwork.common.errors import OpenWorkError
from openwork.workspace.paths import resolve_directory

if TYPE_CHECKING:
    from openwork.workspace.paths import WorkspaceRoot

DIRECTORY_HEADER = "x-opencode-directory"
_DIRECTORY_QUERIES = frozenset({"directory", "location[directory]"})
_REFUSED_QUERIES = ("workspace", "location")
_PINNED_WORDS = ("directory", *_REFUSED_QUERIES)


def pin_directory(
    root: WorkspaceRoot, engine_root: str, header: str | None, query: bytes
) -> tuple[str, str]:
    """The directory header and the query string to send to the engine.

    The header and the queries ``directory`` and ``location[directory]`` are each the workspace's
    folder, or one that really lies under it (links followed); what is sent is the resolved path, so
    that nothing can be read two ways. Without any of them the header is the workspace's folder.

    Args:
        root: The workspace's folder.
        engine_root: The same folder as the engine sees it.
        header: The caller's directory header, percent-encoded or not, or None.
        query: The caller's query string, encoded.

    Raises:
        OpenWorkError: ``workspace_unauthorized`` (403) for a folder that does not lie under the
            root, also when it does not exist; ``forbidden`` for an engine workspace.
    """
    chosen = _inside(root, engine_root, unquote(header)) if header else engine_root
    text = query.decode("latin-1")
    if "%" not in text and not any(word in text for word in _PINNED_WORDS):
        return quote(chosen, safe="/"), text
    pairs = parse_qsl(text, keep_blank_values=True)
    pinned: list[tuple[str, str]] = []
    for name, value in pairs:
        if name in _DIRECTORY_QUERIES:
            pinned.append((name, _inside(root, engine_root, value)))
        elif name.startswith(_REFUSED_QUERIES):
            raise OpenWorkError(
                "forbidden", f"The query '{name}' is not available through OpenWork.", status=403
            )
        else:
            pinned.append((name, value))
    return quote(chosen, safe="/"), urlencode(pinned)


def _inside(root: WorkspaceRoot, engine_root: str, wanted: str) -> str:
    if wanted in {engine_root, str(root.path)}:
        return engine_root
    return str(resolve_directory(root, wanted))
