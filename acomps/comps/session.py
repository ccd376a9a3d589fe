"""A session: everything that can be asked of one server, as one namespace per kind of thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.comps.accounts import Environments, Users
from acomps.comps.asset_collections import AssetCollections
from acomps.comps.cloning import Cloning
from acomps.comps.groups import Experiments, Suites
from acomps.comps.harvesting import DEFAULT_LAYOUT, Harvester
from acomps.comps.outputs import Outputs
from acomps.comps.simulations import Simulations
from acomps.comps.uploads import Uploads
from acomps.comps.watch import Watch
from acomps.comps.work_items import WorkItems
from acomps.events import ignore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable
    from datetime import datetime
    from pathlib import Path

    from acomps.comps.cloning import Rerun
    from acomps.comps.harvesting import Harvested, Layout, Source
    from acomps.comps.progress import Progress
    from acomps.comps.resource import Reference
    from acomps.comps.watched import Watchable
    from acomps.entities import Simulation
    from acomps.events import Sink
    from acomps.query import Query
    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["Session"]


class Session:
    """One login to one server; `acomps.connect` makes it. Any number of tasks may use it at the same time."""

    def __init__(self, channel: Channel, settings: Settings) -> None:
        self._channel = channel
        self.settings = settings
        self.uploads = Uploads(channel, settings)
        self.suites = Suites(channel, settings)
        self.experiments = Experiments(channel, settings)
        self.asset_collections = AssetCollections(channel, settings, self.uploads)
        self.simulations = Simulations(channel, settings, self.uploads.store)
        self.work_items = WorkItems(channel, settings, self.uploads.store)
        self.outputs = Outputs(channel)
        self.environments = Environments(channel)
        self.users = Users(channel)
        self._harvester = Harvester(channel, self.outputs, self.simulations, self.experiments)
        self._watch = Watch(channel, settings, self.simulations, self.work_items)
        self._cloning = Cloning(self.simulations, self.experiments, self.user)

    def watch(self, source: Watchable, *, errors: bool = False, on_progress: Sink = ignore) -> AsyncIterator[Progress]:
        """How far things are, until all are at their end; at most ten small requests per look, however many they are.

        `source` is an experiment (or its id), a suite, a query of simulations, simulations or their ids in an
        iterable, or a work item, or several. A progress comes whenever something has moved, and at least every
        `WatchSettings.heartbeat_s`; the last one is final. With `errors` it holds the first failures, each with its
        error message. What is only created is waited for too, for it may be commissioned yet; but where there is
        nothing at all, UsageError is raised.

        A server that is away, as while it is started again, is waited for (see `WatchSettings.outage_s`);
        `on_progress` hears of every such wait.

            async for progress in comps.watch(experiment):
                print(progress)
        """
        return self._watch.progress(source, errors=errors, on_progress=on_progress)

    async def wait(self, source: Watchable, *, errors: bool = True, on_progress: Sink = ignore) -> Progress:
        """The final progress of `source`, with its first failures; see `watch`."""
        return await self._watch.last(source, errors=errors, on_progress=on_progress)

    def finished(
        self, source: Watchable, query: Query | None = None, *, on_progress: Sink = ignore
    ) -> AsyncIterator[Simulation]:
        """The simulations of an experiment, a suite or a query as they come to their end, each once, until all have.

        `query` selects their fields and children; by default all fields, and the tags. A query as `source` does that
        by itself. To be harvested while others run:

            async for file in comps.harvest(comps.finished(experiment), ["output/InsetChart.json"], into="results"):
                ...
        """
        return self._watch.finished(source, query, on_progress=on_progress)

    def harvest(
        self,
        source: Source,
        patterns: str | Iterable[str],
        *,
        into: Path | str | None = None,
        layout: Layout = DEFAULT_LAYOUT,
        strict: bool = False,
        at_once: int | None = None,
        on_progress: Sink = ignore,
    ) -> AsyncGenerator[Harvested]:
        """The outputs of many simulations, each file as it is done, in any order; several are under way at a time.

        `source` is an experiment (or its id), a suite, a query of simulations, or simulations or their ids in any
        iterable, async ones too: files of the first come while others still run. `patterns` are paths or patterns such
        as "output/*.json", without regard to case; `**` stands for any folders.

        Files go to the folder `into`, or come as bytes. `layout` says where: `{experiment.id}`, `{experiment.name}`,
        `{simulation.id}`, `{simulation.name}`, `{simulation.state}`, `{tags[Run_Number]:02}`, `{experiment.tags[...]}`,
        `{path}`, `{name}`, `{stem}`, `{suffix}`; or a function of a simulation and a path. No name leaves the folder,
        is one that Windows refuses, or is given twice in one harvest; what an earlier harvest left there is replaced.

        A file that is missing or fails, or a simulation that has not run, is a `Harvested` with an `error`, and the
        rest goes on; with `strict`, HarvestFailed is raised once everything else is there. A server, login or disk that
        is lost ends the harvest with its own error. What is there is noted in `harvest.jsonl` before it is handed out,
        so the same call again, after whatever ended this one, fetches only what is new: of a simulation that has ended
        and is complete not even a list, unless it has run again; of one that runs, what changed.

        Nothing happens before the first file is asked for; leaving the loop ends the harvest (`contextlib.aclosing`
        waits for its end). `at_once` is by default a quarter more than `Settings.reads_at_once`: while some write to
        the disk, the others keep the connections busy.

            async for file in comps.harvest(experiment, ["output/InsetChart.json"], into="results"):
                print(file.local or file.error)
        """
        return self._harvester.harvest(
            source, patterns, into=into, layout=layout, strict=strict, at_once=at_once, on_progress=on_progress
        )

    async def clone(self, simulation: Reference, *, experiment: Reference | None = None) -> Simulation:
        """Save a copy of a simulation: name, description, tags, configuration and files, not its state.

        It goes to `experiment`, by default that of the original; or to a new one with the same configuration when the
        original belongs to somebody else. Its tag ClonedFromSimulation names the original.
        """
        return await self._cloning.clone(simulation, experiment)

    async def rerun_failed(
        self, experiment: Reference, *, commission: bool = True, delete_old: bool = False, on_progress: Sink = ignore
    ) -> Rerun:
        """Copy all failed simulations of an experiment as `clone` does, and commission what is created in it.

        The old ones get the tag ClonedToRerun, or are deleted with `delete_old`, once the copies are there.
        """
        return await self._cloning.rerun_failed(
            experiment, commission=commission, delete_old=delete_old, on_progress=on_progress
        )

    @property
    def server(self) -> str:
        """The root URL of the server."""
        return self._channel.address.root

    async def user(self) -> str:
        """The name of the user who is logged in."""
        return (await self._channel.token()).user

    async def login_ends(self) -> datetime:
        """When the login must have been renewed, which the session does by itself."""
        return (await self._channel.token()).expiry

    async def logout(self) -> None:
        """Forget the login, also for other programs that share its cache."""
        await self._channel.logout()
