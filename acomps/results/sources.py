"""Where results come from: harvested files, outcomes, or simulations with the place of a file of theirs."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from acomps.entities import Simulation
from acomps.errors import UsageError
from acomps.results.insetchart import InsetChart
from acomps.results.outcome import Outcome
from acomps.streams import each

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from acomps.results.errors import UnreadableOutput

__all__ = ["Content", "File", "Item", "Source", "Unreadable", "contents", "unreadable_is"]

logger = logging.getLogger(__name__)


class File(Protocol):
    """A file of a simulation, as `comps.harvest` gives them: on this disk, or as bytes, or an error."""

    @property
    def simulation(self) -> Simulation:
        """Whose file it is."""
        ...

    @property
    def path(self) -> str:
        """Its path in the working directory."""
        ...

    @property
    def local(self) -> Path | None:
        """Where it is on this disk."""
        ...

    @property
    def content(self) -> bytes | None:
        """What it holds, if it is not on this disk."""
        ...

    @property
    def error(self) -> Exception | None:
        """Why there is no file."""
        ...


Item: TypeAlias = File | Outcome | tuple[Simulation, Path | bytes]
Source: TypeAlias = Iterable[Item] | AsyncIterable[Item]
#: What happens when a file cannot be read: the error is raised, or logged as a warning and the file left out.
Unreadable: TypeAlias = Literal["raise", "skip"]


@dataclass(frozen=True, slots=True)
class Content:
    """A simulation and what one file of it holds; `name` stands in errors."""

    simulation: Simulation
    data: Path | bytes | InsetChart
    name: str

    def read(self) -> bytes:
        """The bytes of the file. Blocks."""
        if isinstance(self.data, InsetChart):
            raise UsageError(f"{self.name} is read already: this reader needs its bytes")
        return self.data if isinstance(self.data, bytes) else self.data.read_bytes()


async def contents(source: Source, pattern: str | None) -> AsyncIterator[Content]:
    """What there is to read, one after another; simulations that left nothing are passed over.

    Of harvested files only those whose path fits `pattern` count, if there is one.
    """
    async for item in each(source):
        if isinstance(item, Outcome):
            if item.chart is not None:
                yield Content(item.simulation, item.chart, f"the chart of {item.simulation.described}")
        elif isinstance(item, tuple):
            simulation, data = item
            yield Content(
                simulation, data, f"the file of {simulation.described}" if isinstance(data, bytes) else f"{data}"
            )
        elif item.error is None and (pattern is None or fnmatch.fnmatchcase(item.path.lower(), pattern.lower())):
            held = item.local if item.local is not None else item.content
            if held is not None:
                yield Content(item.simulation, held, f"{item.path} of {item.simulation.described}")


def unreadable_is(what: Unreadable, error: UnreadableOutput) -> None:
    """Raise the error, or leave a word about it in the log."""
    if what == "raise":
        raise error
    logger.warning("left out: %s", error)
