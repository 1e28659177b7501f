"""What answers of several areas have in common."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

OPEN = ConfigDict(extra="allow")

TimeMs = Annotated[
    int, Field(description="Milliseconds since 1970, UTC.", examples=[1_760_000_000_000])
]
WorkspaceId = Annotated[
    str, Field(description="Of the folder's real path.", examples=["ws_0123456789ab"])
]
Revision = Annotated[
    str,
    Field(description="Of a file: when it changed, and its size.", examples=["1760000000000:42"]),
]
Mtime = Annotated[float, Field(description="Milliseconds since 1970, UTC, with fractions.")]
Path = Annotated[str, Field(description="Relative to the workspace.", examples=["docs/report.md"])]
FullPath = Annotated[str, Field(description="Absolute, on the server's machine.")]
ScopeName = Literal["owner", "collaborator", "viewer"]
JsonObject = dict[str, Any]


class ErrorBody(TypedDict):
    """Every failure."""

    code: Annotated[str, Field(description="Stable.", examples=["workspace_not_found"])]
    message: Annotated[str, Field(description="What happened, for people.")]
    hint: NotRequired[Annotated[str, Field(description="What to do next.")]]
    details: NotRequired[Annotated[Any, Field(description="More facts, by code.")]]


class Ok(TypedDict):
    """It is done."""

    ok: Literal[True]


class Actor(TypedDict):
    """Who did it: ``system`` is the server itself."""

    type: Literal["remote", "host", "system"]
    clientId: NotRequired[Annotated[str, Field(description="What the client calls itself.")]]
    tokenHash: Annotated[str, Field(description="SHA-256 of the token, hexadecimal.")]
    scope: ScopeName


class Removed(TypedDict):
    """What was deleted, and where it was."""

    ok: Literal[True]
    name: str
    path: FullPath


class FileProblem(TypedDict):
    """A file that was left out of a list, and why."""

    path: str
    code: str
    message: str
