"""Zips of assets (protocol 6.15): the request names the files, the link in its answer gives the zip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from starlette.responses import StreamingResponse

from acomps.local.errors import Refused, UntrackedContents
from acomps.local.files.bodies import read_body
from acomps.local.files.contents import digest
from acomps.local.files.names import asset_folder, file_name
from acomps.local.files.zipping import zip_blocks, zip_length
from acomps.local.gate import links_for, require_link, viewer_of
from acomps.local.jsons import decode, guid, objects, own_object, renamed, text
from acomps.local.routes.answers import ZIP_TYPE, zip_offer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.core import Core
    from acomps.local.files.zipping import Member
    from acomps.local.jsons import JSON

__all__ = ["routes"]

_NAME: Final = "assets.zip"
_KEYS: Final = {"assets": "assets"}
_ASSET_KEYS: Final = {"filenameforasset": "name", "md5": "md5"}


def routes(core: Core) -> list[Route]:
    """The routes of this module."""

    def remember(body: bytes) -> tuple[str, int]:
        """Keep the list of what is asked for among the contents, where the link finds it by its md5."""
        members = _members(decode(body))
        kept = orjson.dumps({"Assets": [{"FileNameForAsset": name, "MD5": md5} for name, md5 in members]})
        length = zip_length(members, _lengths(core, members))
        core.contents.put({digest(kept): kept})
        return digest(kept), length

    def recall(md5: str) -> tuple[list[Member], int]:
        stored = core.contents.fetch([md5]).get(md5)
        if stored is None:
            raise Refused(404, f"there is no list of assets with the md5 {md5}")
        if isinstance(stored, str):
            with open(stored, "rb") as file:
                stored = file.read(core.settings.max_json_bytes)
        members = _members(decode(stored, "the list of assets"))
        return members, zip_length(members, _lengths(core, members))

    async def ask(request: Request) -> Response:
        viewer_of(request)
        md5, length = await core.job(remember, await read_body(request, core.settings.max_json_bytes))
        return zip_offer(_NAME, md5, length, links_for(request, core).zip(md5))

    async def content(request: Request) -> Response:
        md5 = guid(str(request.path_params["md5"]), "the md5 in the path")
        require_link(request, core, f"zip {md5}")
        members, length = await core.job(recall, md5)
        headers = {"Content-Length": str(length)}
        return StreamingResponse(_blocks(core, zip_blocks(core.contents, members)), 200, headers, ZIP_TYPE)

    return [
        Route("/api/zipassets", ask, methods=["POST"]),
        Route("/asset/contents/zips/{md5}/{name}", content, methods=["GET"]),
    ]


def _members(document: JSON) -> list[Member]:
    """The names, with `/`, and md5s that are asked for."""
    assets = renamed(own_object(document, "the request"), _KEYS).get("assets", [])
    members: list[Member] = []
    for asset in objects(assets, "Assets"):
        values = renamed(asset, _ASSET_KEYS)
        folder, _, name = text(values.get("name"), "FileNameForAsset").replace("\\", "/").rpartition("/")
        folder, name = asset_folder(folder), file_name(name, "FileNameForAsset")
        members.append((f"{folder}/{name}" if folder else name, guid(values.get("md5"), "MD5")))
    if not members:
        raise Refused(400, "Assets must name at least one file")
    if len({name for name, _ in members}) != len(members):
        raise Refused(400, "two files of a zip cannot have the same name")
    return members


def _lengths(core: Core, members: Sequence[Member]) -> list[int]:
    known = core.contents.lengths([*dict.fromkeys(md5 for _, md5 in members)])
    missing = [md5 for _, md5 in members if md5 not in known]
    if missing:
        raise UntrackedContents(missing)
    lengths = [known[md5] for _, md5 in members]
    if sum(lengths) > core.settings.max_zip_bytes:
        raise Refused(
            400, f"the files have {sum(lengths)} bytes, and a zip holds {core.settings.max_zip_bytes}: ask for fewer"
        )
    return lengths


async def _blocks(core: Core, packing: Iterator[bytes]) -> AsyncIterator[bytes]:
    while block := await core.bulk(next, packing, b""):
        yield block
