"""Asset collections: folder trees that simulations share."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, overload

import anyio.to_thread

from acomps.comps.asset_files import AssetFiles
from acomps.comps.directories import USUAL_EXCLUDES, read_directory
from acomps.comps.resource import Reference, Resource, id_of
from acomps.entities import AssetCollection, AssetCollectionFile
from acomps.errors import ChecksumMismatch, MalformedAnswer, MissingFiles, UsageError
from acomps.events import Sink, ignore
from acomps.query import Query
from acomps.streams import spread
from acomps.transfer import Measured, measured
from acomps.transport import Replay
from acomps.wire import spelling
from acomps.wire.decode import confirmed, decode_ids
from acomps.wire.encode import create_document, encode
from acomps.wire.multipart import Multipart, documents_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from acomps.comps.report import Missing
    from acomps.comps.uploads import Uploads
    from acomps.entities.tags import TagValue
    from acomps.settings import Settings
    from acomps.transfer import HashCache
    from acomps.transport import Channel

__all__ = ["AssetCollections"]

_HASHERS: Final = 4
#: Small files are hashed several at a time, so that a thread hop does not cost more than the hashing.
_GROUP_FILES: Final = 32


class AssetCollections(Resource[AssetCollection]):
    """`comps.asset_collections`."""

    def __init__(self, channel: Channel, settings: Settings, uploads: Uploads) -> None:
        super().__init__(channel, settings, AssetCollection, spelling.ASSET_COLLECTION)
        self._uploads = uploads

    @overload
    async def save(
        self,
        collection: AssetCollection,
        *,
        missing: Literal["upload", "error"] = "upload",
        on_progress: Sink = ignore,
    ) -> AssetCollection: ...

    @overload
    async def save(
        self, collection: AssetCollection, *, missing: Missing, on_progress: Sink = ignore
    ) -> AssetCollection | tuple[uuid.UUID, ...]: ...

    async def save(
        self, collection: AssetCollection, *, missing: Missing = "upload", on_progress: Sink = ignore
    ) -> AssetCollection | tuple[uuid.UUID, ...]:
        """Save a new collection; the saved value has its id. Only contents that the server lacks are sent.

        A saved collection cannot change, so saving it again is refused. What the server lacks is sent ("upload"), or
        raises MissingFiles ("error"), or its md5s are returned and nothing is saved ("return"). MissingFiles also when
        a file is given by an md5 alone and the server does not have it; nothing is sent then.
        """
        if collection.id is not None:
            raise UsageError(f"{collection.described} is saved and cannot change; make a new one without the id")
        prepared = await self._prepare(collection)
        try:
            return await self._save(prepared, missing, on_progress)
        except ChecksumMismatch:
            if not any(content.recalled for content in prepared.contents.values()):
                raise
        # The cache of hashes was wrong, and has forgotten it: now the files are really read.
        return await self._save(await self._prepare(collection), missing, on_progress)

    async def from_directory(
        self,
        path: Path | str,
        *,
        name: str | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = USUAL_EXCLUDES,
        tags: Mapping[str, TagValue] | None = None,
        on_progress: Sink = ignore,
    ) -> AssetCollection:
        """Save all files below a folder as a collection, with its name as the tag Name; only what is new is sent.

        Patterns are as of fnmatch, for names or for paths below the folder with `/`; nothing in `include` means all.
        Files that end in `.exe` or may be executed have the tag Executable. ContentError for a link that leaves the
        folder.
        """
        read = partial(read_directory, Path(path), name=name, include=include, exclude=exclude, tags=tags)
        return await self.save(await anyio.to_thread.run_sync(read), on_progress=on_progress)

    async def fetch(self, collection: Reference, path: str, to: Path | str, *, on_progress: Sink = ignore) -> Path:
        """Download one file of a collection, given by its path inside it; returns where it lies."""
        return await (await self._files(collection, on_progress)).fetch(path, Path(to))

    async def download_all(
        self, collection: Reference, to: Path | str, *, on_progress: Sink = ignore
    ) -> tuple[Path, ...]:
        """Download all files into the folder `to`, several at once; returns where they lie, in the assets' order.

        What lies there already with the right md5 stays. Nothing is ever written outside of `to`: a name that would
        lead out of it is MalformedAnswer, before anything is fetched.
        """
        return await (await self._files(collection, on_progress)).fetch_all(Path(to))

    async def zip(self, collection: Reference, to: Path | str, *, on_progress: Sink = ignore) -> tuple[Path, ...]:
        """Download all files as a zip; returns where it lies.

        The server packs up to 1 GiB into one; what is more goes on in `<name>-2.zip` and so on.
        """
        return await (await self._files(collection, on_progress)).zip(Path(to))

    async def _files(self, collection: Reference, on_progress: Sink) -> AssetFiles:
        found = await self.get(id_of(collection, self._what), Query().children("assets"))
        return AssetFiles(self._channel, found, on_progress)

    async def _save(
        self, prepared: _Prepared, missing: Missing, on_progress: Sink
    ) -> AssetCollection | tuple[uuid.UUID, ...]:
        try:
            saved = await self._post(prepared)
        except MissingFiles as exc:
            if missing == "return":
                return exc.md5s
            unknown = [md5 for md5 in exc.md5s if md5 not in prepared.contents]
            if unknown or missing == "error":
                raise
            lacking = [prepared.contents[md5] for md5 in exc.md5s]
            await self._uploads.store(lacking, ask=False, on_progress=on_progress)
            saved = await self._post(prepared)
        return saved

    async def _post(self, prepared: _Prepared) -> AssetCollection:
        operation = f"save asset collection of {len(prepared.collection.assets)} files"
        head = documents_part(self._spelling.plural, prepared.document)
        # Everything here is addressed by its content, and the same collection again is the same collection.
        answer = await self._channel.call(
            "POST", self._path, operation=operation, replay=Replay.SAFE, body=Multipart((head,))
        )
        ids = decode_ids(answer.json())
        if len(ids) != 1:
            raise MalformedAnswer(f"{operation}: the server answered with {len(ids)} ids, not one")
        return confirmed(dataclasses.replace(prepared.collection, id=ids[0]))

    async def _prepare(self, collection: AssetCollection) -> _Prepared:
        """Hash all contents, in several threads."""
        assets = list(collection.assets)
        contents: dict[uuid.UUID, Measured] = {}

        async def measure(places: range) -> None:
            group = [assets[place] for place in places]
            done = await anyio.to_thread.run_sync(_measure, group, self._uploads.hashes, abandon_on_cancel=True)
            for place, (asset, content) in zip(places, done, strict=True):
                assets[place] = asset
                if content is not None:
                    contents[content.md5] = content

        await spread(_groups(len(assets)), measure, _HASHERS)
        collection = dataclasses.replace(collection, assets=tuple(assets))
        document = await anyio.to_thread.run_sync(lambda: encode([create_document(collection, None)]))
        return _Prepared(collection, document, contents)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A collection with all md5s known, its document, and the contents by md5."""

    collection: AssetCollection
    document: bytes
    contents: Mapping[uuid.UUID, Measured]


def _groups(count: int) -> Iterator[range]:
    """Places of files for one job in a thread each: smaller ones at the end, so that no thread is left alone."""
    at = 0
    while at < count:
        step = max(1, min(_GROUP_FILES, (count - at) // (2 * _HASHERS)))
        yield range(at, min(at + step, count))
        at += step


def _measure(
    assets: Sequence[AssetCollectionFile], hashes: HashCache
) -> list[tuple[AssetCollectionFile, Measured | None]]:
    """The files with their md5s, and their contents, where there are some. Reads them: for a thread."""
    done: list[tuple[AssetCollectionFile, Measured | None]] = []
    for asset in assets:
        content = None if asset.content is None else measured(asset.content, hashes)
        if content is not None:
            if asset.md5_checksum not in {None, content.md5}:
                raise UsageError(f"asset {asset.path!r} does not have the md5 that was given with it")
            asset = dataclasses.replace(asset, md5_checksum=content.md5, length=content.length, content=None)
        done.append((asset, content))
    return done
