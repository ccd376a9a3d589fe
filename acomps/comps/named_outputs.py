"""Output files by their plain names, in whatever folder they are: what the service's own client calls "get files"."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from acomps.errors import Refused
from acomps.transfer import place_below

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acomps.comps.output_listing import Producer
    from acomps.comps.outputs import Outputs
    from acomps.entities import OutputFile

__all__ = ["NamedOutputs", "fetch_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOutputs:
    """What became of one entity: files that were fetched, files that were there before, and whether all were found.

    `reason` says why there is no list of its files, if there is none.
    """

    fetched: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    complete: bool = True
    reason: str = ""


async def fetch_named(
    outputs: Outputs,
    entity: Producer,
    names: Sequence[str],
    folder: Path,
    *,
    overwrite: bool = False,
    case_sensitive: bool = False,
) -> NamedOutputs:
    """Fetch the files with these names to `folder`, under the names that the server has for them.

    A file that is there already stays, unless `overwrite`; so does the first of several that have the same name. An
    entity that was never run has no files, which is no error here.
    """
    wanted = {name if case_sensitive else name.lower() for name in names}
    try:
        listed = await outputs.list(entity)
    except Refused as error:
        if error.status not in {400, 404}:
            raise
        return NamedOutputs(complete=False, reason=str(error))
    found = [file for file in listed if (file.file_name if case_sensitive else file.file_name.lower()) in wanted]
    fetched: list[Path] = []
    kept: list[Path] = []
    for file in found:
        target = place_below(folder, file.file_name)
        if not overwrite and await to_thread.run_sync(target.exists):
            kept.append(target)
            continue
        await outputs.fetch_file(file, target, digest=False, growing=_growing(entity, file))
        fetched.append(target)
    return NamedOutputs(fetched=tuple(fetched), kept=tuple(kept), complete=len(found) >= len(wanted))


def _growing(entity: Producer, file: OutputFile) -> bool:
    return file.md5_checksum is None and not (entity.state is not None and entity.state.final)
