"""`acomps harvest`: outputs of many simulations, as files or as one table."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

import acomps
from acomps.cli.exits import Exit
from acomps.cli.ids import find
from acomps.cli.kinds import resource_of
from acomps.cli.meter import metering
from acomps.cli.options import USUAL, Common, Reference
from acomps.cli.output import out
from acomps.cli.server import session
from acomps.cli.values import size
from acomps.comps.harvesting import DEFAULT_LAYOUT
from acomps.entities import EntityKind

__all__ = ["harvest", "harvest_source"]

_KINDS: Final = (EntityKind.EXPERIMENT, EntityKind.SUITE, EntityKind.SIMULATION)
_SHOWN_ERRORS: Final = 10


async def harvest(
    reference: Reference,
    patterns: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="Paths or patterns, as output/*.json or **/*.csv."),
    ] = ("output/InsetChart.json",),
    /,
    *,
    into: Annotated[
        Path | None, Parameter(help="The folder for the files (default: results, or none with --table).")
    ] = None,
    layout: Annotated[str, Parameter(help="Where files go, as {tags[Run_Number]:03}/{name}.")] = DEFAULT_LAYOUT,
    table: Annotated[Path | None, Parameter(help="Write what is in the files to this .parquet or .csv file.")] = None,
    reader: Annotated[Literal["insetchart", "csv"], Parameter(help="What the files are, for --table.")] = "insetchart",
    channel: Annotated[
        tuple[str, ...], Parameter(negative="", show_default=False, help="A channel or column to have in the table.")
    ] = (),
    common: Common = USUAL,
) -> Exit:
    """Fetch outputs of many simulations, as files or as one table with their tags as columns.

    The same command again fetches only what is new. The exit code is 1 if anything is missing.

    Example: acomps harvest latest output/InsetChart.json --into results --table results.parquet
    """
    if table is not None and table.suffix.lower() not in {".parquet", ".csv"}:
        raise acomps.UsageError(f"{table.name!r} must end in .parquet or .csv")
    folder = into or (None if table is not None else Path("results"))
    tally = _Tally()
    async with session(common) as comps:
        source = await harvest_source(comps, reference)
        out.resume = f"acomps harvest {source.id} {' '.join(patterns)}" + (f" --into {folder}" if folder else "")
        with metering(out, "harvesting", "files") as meter:
            files = comps.harvest(
                [source] if isinstance(source, acomps.Simulation) else source,
                patterns,
                into=folder,
                layout=layout,
                on_progress=meter.sink,
            )
            async with aclosing(files), aclosing(tally.watched(files)) as watched:
                if table is None:
                    async for _ in watched:
                        pass
                else:
                    await _write(watched, table, reader, channel)
    return tally.conclude(folder, table)


async def harvest_source(comps: acomps.Session, reference: str) -> acomps.Experiment | acomps.Suite | acomps.Simulation:
    """What to harvest."""
    found = await find(comps, reference, _KINDS)
    entity = await resource_of(comps, found.kind).get(found.id)
    if not isinstance(entity, acomps.Experiment | acomps.Suite | acomps.Simulation):
        raise acomps.UsageError(f"{entity.described} cannot be harvested")
    return entity


class _Tally:
    """Counts the files that pass, and tells the first that are missing."""

    def __init__(self) -> None:
        self.fetched = self.kept = self.failed = self.bytes = 0

    async def watched(self, files: AsyncIterator[acomps.Harvested]) -> AsyncGenerator[acomps.Harvested]:
        """The same files, counted; the local ones are data."""
        async for file in files:
            if file.error is not None:
                self.failed += 1
                if self.failed <= _SHOWN_ERRORS:
                    out.note(f"missing: {file.error}")
            else:
                self.bytes += file.length
                self.fetched += file.fetched
                self.kept += not file.fetched
                if file.local is not None and out.format == "ids":
                    out.data(str(file.local))
            yield file

    def conclude(self, folder: Path | None, table: Path | None) -> Exit:
        """The last words, and the exit code."""
        if out.format != "ids":
            places = {"folder": folder, "table": table}
            counts = {"fetched": self.fetched, "there_already": self.kept, "missing": self.failed}
            out.fields({**{k: v for k, v in places.items() if v}, **counts, "size": size(self.bytes)})
        if self.failed:
            out.fail(f"{self.failed} files are missing or failed", "the same command again fetches what is new")
        return Exit.FAILED if self.failed else Exit.DONE


async def _write(
    files: AsyncIterator[acomps.Harvested],
    table: Path,
    reader: Literal["insetchart", "csv"],
    channels: tuple[str, ...],
) -> None:
    from acomps.results import to_csv, to_parquet

    write = to_parquet if table.suffix.lower() == ".parquet" else to_csv
    await write(files, table, reader=reader, channels=channels or None)
