"""Paths that lead somewhere else, or that another system would read as something else."""

from __future__ import annotations

# Below a workspace that holds the link ``out`` to a folder beside it with a file ``secret.md`` in
# it, and an ``opencode.jsonc``. Of a batch each refuses the whole call.
NO_PATHS = {
    "parent": "../x.md",
    "parent of a folder": "a/../../x.md",
    "parent of the root": "/../x.md",
    "backslash": "..\\x.md",
    "backslashes": "docs\\..\\..\\x.md",
    "NUL": "a\0.md",
    "line end": "a\n.md",
    "device": "CON",
    "device in lower case": "nul",
    "device with an ending": "aux.md",
    "numbered device": "com1.txt",
    "device with a space": "nul .md",
    "stream": "a.md:b.md",
    "drive": "C:\\x.md",
    "dot at the end": "a.md.",
    "half a character": "\ud800.md",
    "long name": "x" * 300 + ".md",
    "long path": "/".join(["d" * 200] * 25) + ".md",
    "empty": "",
    "dot": ".",
}
# These are paths, but what is there is not for everybody, or nowhere below the workspace.
NOT_SERVED = {
    "link": "out/secret.md",
    "link alone": "out",
    "new behind a link": "out/new.md",
    "case": "OpenCode.JSONC",
    "case of a folder": ".GIT/Config",
}
