"""Zips of output files (protocol 6.17): the request names the files, the link in its answer gives the zip."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson
from starlette.responses import StreamingResponse

from acomps.entities.states import EntityKind
from acomps.local.errors import Refused
from acomps.local.files.bodies import read_body
from acomps.local.files.contents import digest
from acomps.local.files.outputs import open_inside, resource_id, walk
from acomps.local.files.zipping import blocks_of, pack, zip_length
from acomps.local.gate import links_for, require_link, viewer_of
from acomps.local.jsons import decode, guid, own_object, renamed
from acomps.local.records.queries import keys
from acomps.local.routes.answers import ZIP_TYPE, zip_offer
from acomps.local.routes.outputs import directory_of, kind_of
from acomps.local.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core
    from acomps.local.jsons import JSON

__all__ = ["blocks_inside", "packed_in_threads", "routes"]

_NAME: Final = "output.zip"


def routes(core: Core) -> list[Route]:
    """The routes of this module."""

    def remember(viewer: Viewer, kind: EntityKind, entity_id: str, job_id: str | None, body: bytes) -> tuple[str, int]:
        """Keep what is asked for, with the lengths of now, among the contents, where the link finds it by its md5."""
        place = directory_of(core, viewer, kind, entity_id, job_id)
        if place is None:
            raise Refused(404, "no job has been submitted yet")
        files = _chosen(_ids(decode(body)), *place)
        lengths = [length for _, length in files]
        if sum(lengths) > core.settings.max_zip_bytes:
            raise Refused(
                400,
                f"the files have {sum(lengths)} bytes, and a zip holds {core.settings.max_zip_bytes}: ask for fewer",
            )
        kept = orjson.dumps({"Kind": kind.text, "Entity": entity_id, "Job": place[0], "Files": files})
        core.contents.put({digest(kept): kept})
        return digest(kept), _length(files)

    def recall(md5: str, viewer: Viewer | None) -> tuple[Path, list[tuple[str, int]]]:
        stored = core.contents.fetch([md5]).get(md5)
        if stored is None:
            raise Refused(404, f"there is no list of files with the md5 {md5}")
        try:
            document = orjson.loads(stored if isinstance(stored, bytes) else Path(stored).read_bytes())
            files = [(str(path), int(length)) for path, length in document["Files"]]
            kind, entity_id, job_id = EntityKind(document["Kind"]), document["Entity"], document["Job"]
        except (ValueError, TypeError, KeyError):
            raise Refused(404, f"the content {md5} is no list of files") from None
        # Anybody can store a content: what it says is worth no more than the same request would be.
        entity_id, job_id = guid(entity_id, "the id in the list"), guid(job_id, "the job in the list")
        place = directory_of(core, viewer, kind, entity_id, job_id)
        if place is None:
            raise Refused(404, f"there is no job {job_id}")
        return place[1], files

    async def ask(request: Request) -> Response:
        viewer = viewer_of(request)
        kind = kind_of(str(request.path_params["collection"]))
        entity_id = guid(str(request.path_params["id"]), "the id in the path")
        query = keys(request.query_params.multi_items())
        if query.get("zip", "").lower() not in {"1", "true"}:
            raise Refused(400, "a POST to Output asks for a zip: add zip=1")
        job = query.get("hpcjobid")
        job_id = guid(job, "hpcjobid") if job else None
        body = await read_body(request, core.settings.max_json_bytes)
        md5, length = await core.job(remember, viewer, kind, entity_id, job_id, body)
        return zip_offer(_NAME, md5, length, links_for(request, core).output_zip(md5))

    async def content(request: Request) -> Response:
        md5 = guid(str(request.path_params["md5"]), "the md5 in the path")
        viewer = require_link(request, core, f"output zip {md5}")
        folder, files = await core.job(recall, md5, viewer)
        packing = pack((path, blocks_inside(folder, path, length)) for path, length in files)
        headers = {"Content-Length": str(_length(files))}
        return StreamingResponse(packed_in_threads(core, packing), 200, headers, ZIP_TYPE)

    return [
        Route("/asset/{collection}/{id}/output", ask, methods=["POST"]),
        Route("/asset/contents/outputzips/{md5}/{name}", content, methods=["GET"]),
    ]


def _ids(document: JSON) -> list[str]:
    ids = renamed(own_object(document, "the request"), {"ids": "ids"}).get("ids")
    if not isinstance(ids, list) or not ids:
        raise Refused(400, "Ids must name at least one file")
    return [guid(value, "an id in Ids") for value in ids]


def _chosen(ids: Sequence[str], job_id: str, folder: Path) -> list[tuple[str, int]]:
    """The paths and lengths of the files with these ids, each once."""
    owner = uuid.UUID(job_id)
    by_id = {resource_id(owner, entry.path): (entry.path, entry.length) for entry in walk(folder)}
    for wanted in ids:
        if wanted not in by_id:
            raise Refused(404, f"there is no file with the id {wanted} in the working directory")
    return [by_id[wanted] for wanted in dict.fromkeys(ids)]


def _length(files: Sequence[tuple[str, int]]) -> int:
    return zip_length([(path, "") for path, _ in files], [length for _, length in files])


def blocks_inside(folder: Path, path: str, length: int) -> Iterator[bytes]:
    """As many bytes of the file as were announced; it may have grown since."""
    handle = open_inside(folder, path)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refused(404, f"{path} is not a file")
    left = length
    for block in blocks_of(handle):
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return
    if left:
        raise EOFError(f"{path} became shorter while it was packed")


async def packed_in_threads(core: Core, packing: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The blocks of a zip, each packed in a thread."""
    while block := await core.bulk(next, packing, b""):
        yield block
