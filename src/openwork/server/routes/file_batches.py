"""Batches of a file session: read, write, and make, delete, move."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Annotated, Any

from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints
from starlette.responses import Response, StreamingResponse

from openwork.common.errors import OpenWorkError
from openwork.server.access import CLIENT, Access, Caller, Context, access, guarded_router
from openwork.server.file_session import InSession  # noqa: TC001  # FastAPI reads it
from openwork.server.scope import Scope
from openwork.server.shown import shown
from openwork.server.shown_files import ShownFile, shown_files
from openwork.server.wire import WireModel
from openwork.workspace.batches import MAX_ITEMS, Failure, place_of
from openwork.workspace.file_ops import Operation, Step, plan_operation, run_step
from openwork.workspace.file_reads import read_file
from openwork.workspace.file_writes import FileWrite, FileWritten, plan_writes, write_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from openwork.server.files import WorkspaceFiles
    from openwork.workspace.file_writes import PlannedWrite
    from openwork.workspace.paths import SafePath, WorkspaceRoot

router = guarded_router("files")

# Three files of the largest size (5 MB) as base64: what a server may hold for one request.
WRITE = Access("client", Scope.COLLABORATOR, writes=True, body_limit_bytes=24_000_000)
OPERATE = Access("client", Scope.COLLABORATOR, writes=True)
BLOCK_BYTES = 1 << 20
NAMED_AT_MOST = 3

PlainText = Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=100)]


class ReadBatch(WireModel):
    """``POST …/read-batch``."""

    paths: list[str] = Field(min_length=1, max_length=MAX_ITEMS)


class FileWriteItem(WireModel):
    """One file of a write batch."""

    path: str
    content_base64: str = Field(json_schema_extra={"contentEncoding": "base64"})
    if_match_revision: PlainText | None = None
    force: bool = False


class WriteBatch(WireModel):
    """``POST …/write-batch``; at most 24 MB as it is sent."""

    writes: list[FileWriteItem] = Field(min_length=1, max_length=MAX_ITEMS)


class OperationItem(WireModel):
    """One operation: ``mkdir`` and ``delete`` have a ``path``, ``rename`` ``from`` and ``to``."""

    type: PlainText
    path: str | None = None
    source: str | None = Field(default=None, alias="from")
    target: str | None = Field(default=None, alias="to")
    recursive: bool = False


class OperationBatch(WireModel):
    """``POST …/ops``."""

    operations: list[OperationItem] = Field(min_length=1, max_length=MAX_ITEMS)


@router.post(
    "/files/sessions/{session_id}/read-batch",
    response_class=JSONResponse,
    summary="Read several files at once",
)
@access(CLIENT, answers="FilesRead")
async def read_batch(actor: Caller, target: InSession, body: ReadBatch) -> Response:
    """``{items}``, one for each path: its content as base64, or ``{ok: false, code}``."""
    root = target.workspace.root
    places = [place_of(root, path) for path in body.paths]
    pieces = _read_pieces(places, private=actor.scope >= Scope.OWNER)
    first = await asyncio.to_thread(_block, pieces)
    if len(first) < BLOCK_BYTES:
        return Response(first, media_type="application/json")
    return StreamingResponse(_blocks(first, pieces), media_type="application/json")


def _read_pieces(places: Sequence[SafePath], *, private: bool) -> Iterator[bytes]:
    yield b'{"items":['
    for position, place in enumerate(places):
        item = json.dumps(read_file(place, private=private).to_json()).encode()
        yield b"," + item if position else item
    yield b"]}"


def _block(pieces: Iterator[bytes]) -> bytes:
    """Enough pieces to be worth sending; shorter than that only at the end."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= BLOCK_BYTES:
            break
    return bytes(block)


async def _blocks(first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    block = first
    while block:
        yield block
        block = await asyncio.to_thread(_block, pieces)


@router.post("/files/sessions/{session_id}/write-batch", summary="Write several files at once")
@access(WRITE, answers="FilesWritten")
async def write_batch(
    context: Context, actor: Caller, target: InSession, body: WriteBatch
) -> dict[str, Any]:
    """``{items, cursor}``: what could not be planned comes first, then the rest in its order.

    Each file is replaced atomically, the batch as a whole is not: one item may fail, another not.
    """
    target.session.require_can_write()
    root, files = target.workspace.root, context.files.of(target.workspace)
    writes = await asyncio.to_thread(_decoded, body)
    private = actor.scope >= Scope.OWNER
    ready, failed = await asyncio.to_thread(plan_writes, root, writes, private=private)
    results: list[FileWritten | Failure] = [*failed]
    if ready:
        names = [each.place.relative for each in ready]
        files_shown = [ShownFile("write", each.place.relative, each.write.data) for each in ready]
        async with context.gate.change(
            actor,
            target.workspace,
            action="workspace.files.session.write",
            summary=f"Write {_listed(names)}",
            detail=await asyncio.to_thread(shown_files, files_shown),
            paths=[each.place.absolute for each in ready],
        ) as change:
            # While approval was waited for, the session may have ended: its token was revoked.
            context.files.sessions.get(target.session.id, actor.token_hash)
            done = await asyncio.to_thread(_write, files, ready)
            change.summary += _not_done(done)
        results += done
    return {"items": [each.to_json() for each in results], "cursor": files.events.cursor}


def _decoded(body: WriteBatch) -> list[FileWrite]:
    writes: list[FileWrite] = []
    for position, item in enumerate(body.writes):
        try:
            data = base64.b64decode(item.content_base64, validate=True)
        except ValueError as error:
            raise OpenWorkError(
                "invalid_payload", f"writes.{position}.contentBase64 is not base64.", status=400
            ) from error
        writes.append(FileWrite(item.path, data, item.if_match_revision, item.force))
    return writes


def _write(files: WorkspaceFiles, ready: Sequence[PlannedWrite]) -> list[FileWritten | Failure]:
    done: list[FileWritten | Failure] = []
    for planned in ready:
        result = write_file(planned)
        if isinstance(result, FileWritten):
            files.events.record("write", result.path, revision=result.stat.revision)
        done.append(result)
    files.changed([each.path for each in done if isinstance(each, FileWritten)])
    return done


@router.post("/files/sessions/{session_id}/ops", summary="Make, delete or move files and folders")
@access(OPERATE, answers="FilesChanged")
async def operate(
    context: Context, actor: Caller, target: InSession, body: OperationBatch
) -> dict[str, Any]:
    """``{items, cursor}``: make folders, delete, move, in the order given; one may fail alone."""
    target.session.require_can_write()
    root, files = target.workspace.root, context.files.of(target.workspace)
    private = actor.scope >= Scope.OWNER
    wanted = [_operation(item) for item in body.operations]
    plan = await asyncio.to_thread(_planned, root, wanted, private=private)
    results: list[Step | Failure] = plan
    steps = [each for each in plan if isinstance(each, Step)]
    if steps:
        async with context.gate.change(
            actor,
            target.workspace,
            action="workspace.files.session.ops",
            summary=f"Change {_listed([_described(step) for step in steps])}",
            detail=shown("\n".join(_described(step, whole=True) for step in steps)),
            paths=[place.absolute for step in steps for place in step.places],
        ) as change:
            context.files.sessions.get(target.session.id, actor.token_hash)
            results = await asyncio.to_thread(_run, files, plan, private=private)
            change.summary += _not_done(results)
    return {"items": [each.to_json() for each in results], "cursor": files.events.cursor}


def _operation(item: OperationItem) -> Operation:
    return Operation(item.type, item.path, item.source, item.target, item.recursive)


def _planned(
    root: WorkspaceRoot, wanted: Sequence[Operation], *, private: bool
) -> list[Step | Failure]:
    return [plan_operation(root, each, private=private) for each in wanted]


def _run(
    files: WorkspaceFiles, plan: Sequence[Step | Failure], *, private: bool
) -> list[Step | Failure]:
    results: list[Step | Failure] = []
    changed: list[str] = []
    for each in plan:
        failed = run_step(each, private=private) if isinstance(each, Step) else each
        if failed is None and isinstance(each, Step):
            to_path = None if each.target is None else each.target.relative
            files.events.record(each.type, each.place.relative, to_path=to_path)
            changed += [place.relative for place in each.places]
        results.append(each if failed is None else failed)
    files.changed(changed)
    return results


def _described(step: Step, *, whole: bool = False) -> str:
    more = " with all that is in it" if whole and step.recursive else ""
    return f"{step.type} {' to '.join(place.relative for place in step.places)}{more}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED_AT_MOST])
    more = len(names) - NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown


def _not_done(results: Sequence[object]) -> str:
    failed = sum(isinstance(each, Failure) for each in results)
    return f" ({failed} of {len(results)} failed)" if failed else ""
