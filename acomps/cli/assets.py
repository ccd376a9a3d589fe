"""`acomps createac` and `acomps upload`: contents to the server."""

from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

import acomps
from acomps.cli.meter import metering
from acomps.cli.options import USUAL, Common
from acomps.cli.output import out
from acomps.cli.server import session
from acomps.cli.values import size
from acomps.comps.directories import read_directory

__all__ = ["create_asset_collection", "upload"]


async def create_asset_collection(
    asset_collection_dir: Annotated[Path, Parameter(help="The directory to make a collection of.")],
    /,
    *,
    name: Annotated[
        str, Parameter(name=("--name", "-n"), help="The collection's name (default: the directory's).")
    ] = "",
    common: Common = USUAL,
) -> None:
    """Create an asset collection from a local directory; only files that the server lacks are sent.

    Example: acomps createac model --name 'model 2.3'
    """
    collection = await anyio.to_thread.run_sync(lambda: read_directory(asset_collection_dir, name=name or None))
    for asset in collection.assets:
        out.note(f"Adding {asset.path}")
    async with session(common) as comps:
        with metering(out, "uploading", "bytes") as meter:
            saved = await comps.asset_collections.save(collection, on_progress=meter.sink)
        out.note("Done - created AC:")
        out.records([saved], {"id": lambda each: each.id})


async def upload(
    *files: Annotated[Path, Parameter(help="Files on this machine.")],
    common: Common = USUAL,
) -> None:
    """Bring files to the server, to be referred to by their md5; what was cut short goes on where it was.

    Example: acomps upload config.json
    """
    if not files:
        raise acomps.UsageError("name at least one file")
    total = await anyio.to_thread.run_sync(lambda: sum(path.stat().st_size for path in files))
    async with session(common) as comps:
        with metering(out, "uploading", "bytes", total) as meter:
            outcomes = await comps.uploads.upload_many(files, on_progress=meter.sink)
    failed = next((each.error for each in outcomes if each.error is not None), None)
    stored = [each for each in outcomes if each.error is None]
    if common.format == "table":
        out.table(
            stored,
            {
                "file": lambda each: each.source,
                "md5": lambda each: each.md5,
                "size": lambda each: size(each.length or 0),
                "sent": lambda each: size(each.bytes_sent),
            },
        )
    elif common.format == "json":
        out.json([{"file": each.source, "md5": each.md5, "bytes": each.length} for each in stored])
    else:
        for each in stored:
            out.data(str(each.md5))
    if failed is not None:
        raise failed
