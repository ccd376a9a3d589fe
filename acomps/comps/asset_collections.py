"""Asset collections: folder trees that simulations share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from acomps.comps.resource import Reference, Resource, id_of
from acomps.entities import AssetCollection, AssetCollectionFile
from acomps.errors import MalformedAnswer, MissingFiles, NotFound, UsageError
from acomps.query import Query
from acomps.transfer import Measured, Promise, fetch_to_file, measured
from acomps.transport import Replay
from acomps.wire import spelling
from acomps.wire.decode import confirmed, decode_ids
from acomps.wire.encode import create_document, encode
from acomps.wire.multipart import Multipart, Part, media_type

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator, Sequence

    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["AssetCollections"]

#: A request with assets must stay below this many bytes and this many files (protocol 7).
_REQUEST_BYTES: Final = 407_552 * 1024
_REQUEST_FILES: Final = 100


class AssetCollections(Resource[AssetCollection]):
    """`comps.asset_collections`."""

    def __init__(self, channel: Channel, settings: Settings) -> None:
        super().__init__(channel, settings, AssetCollection, spelling.ASSET_COLLECTION)

    async def save(self, collection: AssetCollection) -> AssetCollection:
        """Save a new collection; the saved value has its id. Only contents that the server lacks are sent.

        A saved collection cannot change, so saving it again is refused. MissingFiles when a file is given by an md5
        that the server does not have.
        """
        if collection.id is not None:
            raise UsageError(f"{collection.described} is saved and cannot change; make a new one without the id")
        contents, collection = await anyio.to_thread.run_sync(_measure, collection)
        operation = f"save asset collection of {len(collection.assets)} files"
        document = encode([create_document(collection, None)])
        try:
            ids = await self._post(operation, document, ())
        except MissingFiles as exc:
            unknown = [md5 for md5 in exc.md5s if md5 not in contents]
            if unknown:
                raise
            for parts in _requests([contents[md5] for md5 in exc.md5s]):
                await self._post(f"send {len(parts)} assets", b"[]", parts)
            ids = await self._post(operation, document, ())
        if len(ids) != 1:
            raise MalformedAnswer(f"{operation}: the server answered with {len(ids)} ids, not one")
        return confirmed(dataclasses.replace(collection, id=ids[0]))

    async def fetch(self, collection: Reference, path: str, to: Path | str) -> Path:
        """Download one file of a collection, given by its path inside it; returns where it lies."""
        found = await self.get(id_of(collection, self._what), Query().children("assets"))
        wanted = path.replace("\\", "/").lower()
        for asset in found.assets:
            if asset.path.lower() == wanted and asset.uri is not None:
                return await self._fetch(asset, asset.uri, Path(to))
        raise NotFound(f"{found.described} has no file {path!r}", status=404)

    async def _fetch(self, asset: AssetCollectionFile, uri: str, to: Path) -> Path:
        async with self._channel.stream("GET", uri, operation=f"fetch asset {asset.path!r}") as answer:
            await fetch_to_file(answer.chunks(), to, Promise(length=asset.length, md5=asset.md5_checksum))
        return to

    async def _post(self, operation: str, document: bytes, parts: Sequence[Part]) -> list[uuid.UUID]:
        head = Part("not_a_file", self._spelling.plural, "application/json", document)
        # Everything here is addressed by its content, and the same collection again is the same collection.
        answer = await self._channel.call(
            "POST", self._path, operation=operation, replay=Replay.SAFE, body=Multipart((head, *parts))
        )
        return decode_ids(answer.json())


def _measure(collection: AssetCollection) -> tuple[dict[uuid.UUID, tuple[str, Measured]], AssetCollection]:
    """The contents by md5, and the collection with all md5s known. Reads the files: for a thread."""
    contents: dict[uuid.UUID, tuple[str, Measured]] = {}
    assets: list[AssetCollectionFile] = []
    for asset in collection.assets:
        if asset.content is None:
            assets.append(asset)
            continue
        content = measured(asset.content)
        if asset.md5_checksum not in {None, content.md5}:
            raise UsageError(f"asset {asset.path!r} does not have the md5 that was given with it")
        contents[content.md5] = (asset.file_name, content)
        assets.append(dataclasses.replace(asset, md5_checksum=content.md5, length=content.length, content=None))
    return contents, dataclasses.replace(collection, assets=tuple(assets))


def _requests(contents: Iterable[tuple[str, Measured]]) -> Iterator[list[Part]]:
    """The contents as parts, in as few requests as the limits allow."""
    parts: list[Part] = []
    size = 0
    for file_name, content in contents:
        part = Part(str(content.md5), file_name, media_type(file_name), content.content)
        if parts and (len(parts) == _REQUEST_FILES or size + part.cost >= _REQUEST_BYTES):
            yield parts
            parts, size = [], 0
        parts.append(part)
        size += part.cost
    if parts:
        yield parts
