"""Harvests: the outputs of many simulations, to a folder or as bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from acomps.comps.harvesting.harvest import Harvest, Order
from acomps.comps.harvesting.harvested import Harvested, HarvestFailed
from acomps.comps.harvesting.layout import DEFAULT_LAYOUT, Layout, Places
from acomps.comps.harvesting.sources import Harvestable, Source, Sources
from acomps.comps.harvesting.wanted import Wanted
from acomps.errors import UsageError
from acomps.streams import produced

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from acomps.comps.groups import Experiments
    from acomps.comps.outputs import Outputs
    from acomps.comps.simulations import Simulations
    from acomps.events import Sink
    from acomps.transport import Channel

__all__ = ["DEFAULT_LAYOUT", "HarvestFailed", "Harvestable", "Harvested", "Harvester", "Layout", "Source"]

#: Results that wait for a slow caller: of files only their names, of contents the bytes.
_AHEAD_FILES = 64
_AHEAD_CONTENTS = 4


class Harvester:
    """Makes the harvests of one session."""

    def __init__(self, channel: Channel, outputs: Outputs, simulations: Simulations, experiments: Experiments) -> None:
        self._channel, self._outputs = channel, outputs
        self._simulations, self._experiments = simulations, experiments

    def harvest(
        self,
        source: Source,
        patterns: str | Iterable[str],
        *,
        into: Path | str | None,
        layout: Layout,
        strict: bool,
        at_once: int | None,
        on_progress: Sink,
    ) -> AsyncGenerator[Harvested]:
        """See `Session.harvest`. What is wrong in the call is raised here, before anything is sent."""
        if at_once is not None and at_once < 1:
            raise UsageError(f"at_once must be at least 1, not {at_once}")
        if into is None and layout is not DEFAULT_LAYOUT:
            raise UsageError("a layout names files in a folder: give `into`, or leave the layout out")
        folder = None if into is None else Path(into)
        if folder is not None:
            Places(folder, layout)
        # While some write to the disk, the others keep the connections busy.
        reads = self._channel.settings.reads_at_once
        order = Order(
            wanted=Wanted(patterns),
            into=folder,
            layout=layout,
            strict=strict,
            at_once=at_once or reads + reads // 4,
            on_progress=on_progress,
        )
        sources = Sources(self._simulations, self._experiments, source, with_jobs=folder is not None)
        run = Harvest(self._channel, self._outputs, sources, order).run
        return produced(run, _AHEAD_CONTENTS if folder is None else _AHEAD_FILES)
