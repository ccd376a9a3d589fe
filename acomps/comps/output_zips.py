"""Output files as zips that the server packs (protocol 6.17)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from acomps.comps.output_listing import output_path, output_query
from acomps.errors import UsageError
from acomps.events import Downloaded
from acomps.transfer import Promise, fetch
from acomps.transport import Replay
from acomps.wire.decode import decode_outputs, only
from acomps.wire.encode import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from acomps.comps.output_listing import Producer
    from acomps.entities import HpcJob, OutputFile
    from acomps.events import Sink
    from acomps.transport import Channel

__all__ = ["ZIP_BYTES", "zip_outputs"]

#: The contents of one zip may have this many bytes together (protocol 7).
ZIP_BYTES: Final = 1024 * 1024 * 1024


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
    groups = list(_groups(files, zip_bytes))
    if not groups:
        raise UsageError(f"{entity.described} has no files to zip")
    places = [to if number == 1 else to.with_stem(f"{to.stem}-{number}") for number in range(1, len(groups) + 1)]
    for group, place in zip(groups, places, strict=True):
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
    return tuple(places)


def _tell(on_progress: Sink, name: str, count: int) -> None:
    on_progress(Downloaded(path=name, bytes=count))


def _groups(files: Iterable[OutputFile], zip_bytes: int) -> Iterator[list[OutputFile]]:
    group: list[OutputFile] = []
    size = 0
    for file in files:
        if file.length > zip_bytes:
            raise UsageError(f"{file.path!r} has {file.length:,} bytes, and a zip holds {zip_bytes:,}: download it")
        if group and size + file.length > zip_bytes:
            yield group
            group, size = [], 0
        group.append(file)
        size += file.length
    if group:
        yield group
