"""The files of asset collections on their way back: one, all into a folder, or all as zips."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from acomps.comps.zips import ZIP_BYTES, zips_of
from acomps.errors import ContentError, MalformedAnswer, NotFound, UsageError
from acomps.events import Downloaded
from acomps.streams import spread
from acomps.transfer import Promise, fetch, measured, place_below
from acomps.transport import Replay
from acomps.wire.decode import decode_outputs, only
from acomps.wire.encode import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from acomps.entities import AssetCollection, AssetCollectionFile
    from acomps.events import Sink
    from acomps.transport import Channel

__all__ = ["AssetFiles"]

_DOWNLOADS_AT_ONCE: Final = 16


class AssetFiles:
    """The files of one collection that was read with its assets."""

    def __init__(
        self, channel: Channel, collection: AssetCollection, on_progress: Sink, *, zip_bytes: int = ZIP_BYTES
    ) -> None:
        self._channel, self._collection, self._on_progress = channel, collection, on_progress
        self._zip_bytes = zip_bytes

    async def fetch(self, path: str, to: Path) -> Path:
        """Download the file at `path` inside the collection to the path `to`."""
        wanted = path.replace("\\", "/").lower()
        for asset in self._collection.assets:
            if asset.path.lower() == wanted:
                await self._fetch(asset, to)
                return to
        raise NotFound(f"{self._collection.described} has no file {path!r}", status=404)

    async def fetch_all(self, to: Path) -> tuple[Path, ...]:
        """Download all files as a folder tree; the paths are in the order of the assets.

        A file that lies there already, with the right length and md5, is not fetched again.
        """
        assets = self._collection.assets
        places = tuple(place_below(to, asset.path) for asset in assets)
        _require_distinct(self._collection, windows=os.name == "nt")
        root = await anyio.to_thread.run_sync(_made, to)

        async def one(pair: tuple[AssetCollectionFile, Path]) -> None:
            asset, place = pair
            if not await anyio.to_thread.run_sync(_is_there, asset, place, root):
                await self._fetch(asset, place)

        await spread(zip(assets, places, strict=True), one, _DOWNLOADS_AT_ONCE)
        return places

    async def zip(self, to: Path) -> tuple[Path, ...]:
        """Download all files as a zip at `to`; what is too much for one goes on in `name-2.zip` and so on."""
        name = self._collection.described
        zips = zips_of(self._sized(), to, name, zip_bytes=self._zip_bytes, otherwise="use download_all")
        for place, assets in zips:
            await self._zip(assets, place)
        return tuple(place for place, _ in zips)

    def _sized(self) -> Iterator[tuple[AssetCollectionFile, int]]:
        for asset in self._collection.assets:
            if asset.length is None or asset.md5_checksum is None:
                raise MalformedAnswer(f"the server does not tell the length and md5 of asset {asset.path!r}")
            yield asset, asset.length

    async def _zip(self, assets: Sequence[AssetCollectionFile], to: Path) -> None:
        operation = f"zip {len(assets)} files of {self._collection.described}"
        document = {
            "ContainerType": "CompressedZip",
            "Assets": [
                {"FileNameForAsset": asset.path.replace("/", "\\"), "MD5": str(asset.md5_checksum)} for asset in assets
            ],
        }
        answer = await self._channel.call(
            "POST", "/ZipAssets", operation=operation, replay=Replay.SAFE, json=encode(document)
        )
        resource = only(decode_outputs(answer.json()), operation)
        # The service may not know the length of what it packs on the way.
        await self._download(resource.url, to, Promise(), operation, to.name)

    async def _fetch(self, asset: AssetCollectionFile, to: Path) -> None:
        if asset.uri is None:
            raise MalformedAnswer(f"the server gives no link to asset {asset.path!r}")
        promise = Promise(length=asset.length, md5=asset.md5_checksum)
        await self._download(asset.uri, to, promise, f"fetch asset {asset.path!r}", asset.path)

    async def _download(self, url: str, to: Path, promise: Promise, operation: str, name: str) -> None:
        await fetch(
            self._channel,
            url,
            to,
            promise,
            operation=operation,
            digest=False,
            on_bytes=lambda count: self._on_progress(Downloaded(path=name, bytes=count)),
        )


def _made(to: Path) -> Path:
    to.mkdir(parents=True, exist_ok=True)
    return to.resolve()


def _is_there(asset: AssetCollectionFile, place: Path, root: Path) -> bool:
    """Whether the file needs no download; UsageError when a link would lead it out of the folder."""
    if not place.parent.resolve().is_relative_to(root):
        raise UsageError(f"{place.parent} leads out of {root} by a link: choose an empty folder")
    try:
        if place.is_symlink() or asset.md5_checksum is None or place.stat().st_size != asset.length:
            return False
        return measured(place).md5 == asset.md5_checksum
    except (OSError, ContentError):
        return False


def _require_distinct(collection: AssetCollection, *, windows: bool) -> None:
    """Two names for one place on the disk would tear each other apart."""
    names = [asset.path.lower() if windows else asset.path for asset in collection.assets]
    if len(set(names)) != len(names):
        raise MalformedAnswer(f"{collection.described} has two files of the same name")
