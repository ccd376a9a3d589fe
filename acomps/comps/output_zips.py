"""Output files as zips that the server packs (protocol 6.17)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from acomps.comps.output_listing import output_path, output_query
from acomps.comps.zips import ZIP_BYTES, zips_of
from acomps.events import Downloaded
from acomps.transfer import Promise, fetch
from acomps.transport import Replay
from acomps.wire.decode import decode_outputs, only
from acomps.wire.encode import encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from acomps.comps.output_listing import Producer
    from acomps.entities import HpcJob, OutputFile
    from acomps.events import Sink
    from acomps.transport import Channel

__all__ = ["zip_outputs"]


async def zip_outputs(
    channel: Channel,
    entity: Producer,
    files: Sequence[OutputFile],
    to: Path,
    job: HpcJob | None,
    on_progress: Sink,
    *,
    zip_bytes: int = ZIP_BYTES,
) -> tuple[Path, ...]:
    """Download the files as a zip at `to`; what is too much for one goes on in `name-2.zip` and so on."""
    sized = ((file, file.length) for file in files)
    zips = zips_of(sized, to, entity.described, zip_bytes=zip_bytes, otherwise="download it")
    for place, group in zips:
        operation = f"zip {len(group)} output files of {entity.described}"
        answer = await channel.call(
            "POST",
            output_path(entity),
            operation=operation,
            replay=Replay.SAFE,
            query=output_query(entity, job, zip="1"),
            json=encode({"ContainerType": "CompressedZip", "Ids": [str(file.id) for file in group]}),
        )
        resource = only(decode_outputs(answer.json()), operation)
        # A service that packs on the way may not know the length; what the answer itself announces is checked.
        await fetch(
            channel,
            resource.url,
            place,
            Promise(),
            operation=operation,
            digest=False,
            on_bytes=partial(_tell, on_progress, place.name),
        )
    return tuple(place for place, _ in zips)


def _tell(on_progress: Sink, name: str, count: int) -> None:
    on_progress(Downloaded(path=name, bytes=count))
