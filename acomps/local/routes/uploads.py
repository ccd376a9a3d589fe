"""Large contents, sent in slices and in order (protocol 6.13)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from starlette.requests import ClientDisconnect
from starlette.routing import Route

from acomps.local.bodies import BLOCK_BYTES
from acomps.local.errors import Refused
from acomps.local.jsons import guid
from acomps.local.routes.answers import json_answer

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.core import Core

__all__ = ["routes"]

_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


def routes(core: Core) -> list[Route]:
    """The routes of this module."""
    folder = core.settings.data_dir / "uploads"
    # Two slices of one file at the same time would tear each other apart.
    locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def check(request: Request) -> Response:
        md5 = guid(str(request.path_params["md5"]), "the md5 in the path")
        stored, arrived = await core.job(lambda: (core.contents.lengths([md5]).get(md5), _length(folder / md5)))
        if stored is not None:
            return json_answer({"Size": stored})
        if arrived:
            return json_answer({"Size": arrived}, status=206)
        raise Refused(404, f"nothing of {md5} has arrived yet")

    async def receive(request: Request) -> Response:
        md5 = guid(str(request.path_params["md5"]), "the md5 in the path")
        found = _RANGE.fullmatch(request.headers.get("content-range", ""))
        if found is None:
            raise Refused(400, "an upload needs a header like Content-Range: bytes 0-1048575/20971520")
        first, last, total = (int(number) for number in found.groups())
        if not first <= last < total:
            raise Refused(400, f"Content-Range {found[0]!r} is no part of a file")
        async with locks.setdefault(md5, asyncio.Lock()):
            await _append(core, request, folder / md5, first, last)
            if last + 1 == total:
                await core.job(_complete, core, folder / md5, md5)
        return json_answer({})

    return [
        Route("/api/upload/check/{md5}", check, methods=["GET"]),
        Route("/api/upload/{md5}", receive, methods=["POST"]),
    ]


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


async def _append(core: Core, request: Request, path: Path, first: int, last: int) -> None:
    if await core.job(_length, path) < first:
        raise Refused(400, f"bytes before {first} are missing: ask /api/upload/check where to go on")
    handle = await core.job(os.open, path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        at = first
        waiting: list[bytes] = []
        gathered = 0
        async for piece in request.stream():
            waiting.append(piece)
            gathered += len(piece)
            if at + gathered > last + 1:
                raise Refused(400, "the body is longer than its Content-Range says")
            if gathered >= BLOCK_BYTES:
                await core.job(_write, handle, waiting, at)
                at += gathered
                waiting, gathered = [], 0
        await core.job(_write, handle, waiting, at)
        if at + gathered != last + 1:
            raise Refused(400, "the body is shorter than its Content-Range says")
    except ClientDisconnect as exc:
        raise Refused(400, "the client went away before the end of its slice") from exc
    finally:
        os.close(handle)


def _write(handle: int, pieces: list[bytes], at: int) -> None:
    view = memoryview(b"".join(pieces))
    while view:
        written = os.pwrite(handle, view, at)
        at += written
        view = view[written:]


def _complete(core: Core, path: Path, md5: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5.replace("-", ""):
        path.unlink()
        raise Refused(400, f"the md5 of the uploaded file is {found}, not {md5}: it was dropped, send it again")
    core.contents.adopt(md5, path)
