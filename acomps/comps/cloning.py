"""Copies of simulations: one by one, or of all that failed, to be run again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.comps.keys import KEY_TAG
from acomps.comps.resource import Reference, id_of
from acomps.entities import Experiment, Simulation, SimulationState, Tags
from acomps.events import Sink, ignore
from acomps.query import Query
from acomps.streams import spread

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    from acomps.comps.groups import Experiments
    from acomps.comps.simulations import Simulations

__all__ = ["Cloning", "Rerun"]

#: The tags that say where a copy comes from, and that an original was copied: those of the service's own client.
_OF_SIMULATION: Final = "ClonedFromSimulation"
_OF_EXPERIMENT: Final = "ClonedFromExperiment"
_RERUN: Final = "ClonedToRerun"
_NEW_EXPERIMENT: Final = "Dummy Experiment"

_WHOLE: Final = Query().children("files", "tags", "configuration", "hpc_jobs")
_MERGED: Final = Query().children("configuration").extra(coalesceConfig="true")
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """What a rerun has made: `clones`, in `experiment`, of the failed simulations `originals`."""

    experiment: Experiment
    originals: tuple[Simulation, ...]
    clones: tuple[Simulation, ...]


class Cloning:
    """Makes the copies of one session; `user` tells who is logged in."""

    def __init__(self, simulations: Simulations, experiments: Experiments, user: Callable[[], Awaitable[str]]) -> None:
        self._simulations, self._experiments, self._user = simulations, experiments, user

    async def clone(self, simulation: Reference, experiment: Reference | None) -> Simulation:
        """See `Session.clone`."""
        original = await self._simulations.get(id_of(simulation, "simulation"), _WHOLE)
        if experiment is not None:
            target: uuid.UUID | None = id_of(experiment, "experiment")
        elif original.experiment_id is None or original.owner == await self._user():
            target = original.experiment_id
        else:
            target = (await self._new_experiment(original.experiment_id)).id
        return await self._simulations.save(_copy(original, target))

    async def rerun_failed(
        self, experiment: Reference, *, commission: bool, delete_old: bool, on_progress: Sink = ignore
    ) -> Rerun:
        """See `Session.rerun_failed`."""
        old = await self._experiments.get(id_of(experiment, "experiment"))
        failed = _WHOLE.where(state=SimulationState.FAILED)
        originals = [original async for original in self._simulations.of(old, failed)]
        if not originals:
            return Rerun(experiment=old, originals=(), clones=())
        own = old.owner == await self._user()
        new = old if own else await self._new_experiment(old.saved_id)
        copies = (_copy(original, new.id) for original in originals)
        report = await self._simulations.save_all(copies, on_progress=on_progress)
        report.raise_for_failures()
        if commission:
            await self._experiments.commission(new)
        # The old ones are touched last, so that whatever fails before leaves them as they were.
        if delete_old:
            await spread(originals, self._simulations.delete, _AT_ONCE)
        elif own:
            await spread(originals, self._mark, _AT_ONCE)
        return Rerun(experiment=new, originals=tuple(originals), clones=report.saved)

    async def _mark(self, original: Simulation) -> None:
        await self._simulations.merge_tags(original, {_RERUN: None})

    async def _new_experiment(self, old: uuid.UUID) -> Experiment:
        """An experiment of one's own with the configuration of another's."""
        merged = (await self._experiments.get(old, _MERGED)).configuration
        return await self._experiments.save(
            Experiment(name=_NEW_EXPERIMENT, configuration=merged, tags={_OF_EXPERIMENT: str(old)})
        )


def _copy(original: Simulation, experiment_id: uuid.UUID | None) -> Simulation:
    """A new simulation that is like another, without its state, and with its files by their md5."""
    configuration = original.configuration
    if configuration is None and experiment_id != original.experiment_id and original.hpc_jobs:
        # In another experiment there is something else to inherit.
        configuration = original.hpc_jobs[-1].configuration
    # A key belongs to one simulation alone.
    kept = {name: value for name, value in original.tags.items() if name != KEY_TAG}
    return Simulation(
        name=original.name,
        description=original.description,
        experiment_id=experiment_id,
        configuration=configuration,
        tags=Tags({**kept, _OF_SIMULATION: str(original.saved_id)}),
        files=tuple(dataclasses.replace(file, length=None, uri=None) for file in original.files),
    )
