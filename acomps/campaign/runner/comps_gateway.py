"""Campaigns on COMPS, and on the local service: a group is an experiment, a job is a simulation."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from acomps.campaign.runner.gateway import Created, Ended
from acomps.comps.keys import KEY_TAG, SaveKey
from acomps.comps.report import SavedEntity, SaveFailed
from acomps.entities import (
    AssetCollection,
    Configuration,
    Experiment,
    Simulation,
    SimulationFile,
    SimulationState,
    Tags,
)
from acomps.errors import (
    AcompsError,
    AuthenticationFailed,
    ContentError,
    MissingFiles,
    RateLimited,
    Refused,
    ServerFailed,
    UsageError,
    ValidationFailed,
)
from acomps.query import Query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence

    from acomps.campaign.runner.gateway import Group, Job, Order
    from acomps.comps.session import Session

__all__ = ["CompsGateway"]

_STATE: Final = Query().select("id", "state", "error_message")


class CompsGateway:
    """A session as a campaign sees it; `experiment` says how simulations run, `assets` what they share."""

    def __init__(
        self, session: Session, experiment: Experiment, assets: AssetCollection | Path | uuid.UUID | None = None
    ) -> None:
        self._session, self._experiment = session, experiment
        self._assets = assets
        self._collection: uuid.UUID | None = None
        self._uploading = anyio.Lock()

    @property
    def place(self) -> str:
        """The server."""
        return self._session.server

    async def prepare(self, group: Group, known: str | None) -> str:
        """The experiment with the key of the group."""
        query = Query().where_tag(**{KEY_TAG: group.key}).select("id").order_by("id").limit(1)
        found = await self._session.experiments.list(query)
        if found:
            return str(found[0].saved_id)
        if known is not None:
            raise UsageError(
                f"{self.place} does not have the experiment {known} of this campaign ({group.name}): "
                "connect to the server where it was begun"
            )
        made = await self._session.experiments.save(
            dataclasses.replace(
                self._experiment,
                name=group.name,
                tags=Tags({**self._experiment.tags, **group.tags, KEY_TAG: group.key}),
                configuration=await self._configuration(),
            )
        )
        return str(made.saved_id)

    async def create(self, order: Order, note: Callable[[Created], Awaitable[None]]) -> None:
        """The simulations of an order, in requests of up to a hundred, several at once."""
        key = SaveKey(run=order.key, places=order.places, again=order.again)
        lost: AcompsError | None = None
        try:
            async with self._session.simulations.save_each(_simulations(order), key=key) as outcomes:
                async for outcome in outcomes:
                    if isinstance(outcome, SavedEntity):
                        await note(Created(place=outcome.index, id=str(outcome.entity.saved_id)))
                    elif _for_good(outcome.error):
                        await note(Created(place=outcome.index, id=None, error=str(outcome.error)))
                    else:
                        lost = lost or outcome.error
        except SaveFailed as exc:
            raise (exc.__cause__ if isinstance(exc.__cause__, AcompsError) else exc) from None
        if lost is not None:
            raise lost

    async def commission(self, group: str, jobs: Collection[str]) -> None:
        """Have run what is created in the experiment."""
        try:
            await self._session.experiments.commission(group)
        except ValidationFailed:
            created = Query().where(experiment_id=uuid.UUID(group), state=SimulationState.CREATED)
            if await self._session.simulations.count(created):
                raise

    async def states(self, group: str, jobs: Collection[str], note: Callable[[Ended], Awaitable[None]]) -> None:
        """The simulations of the experiment as they end; a server that is away is waited for."""
        if not await self._session.simulations.count(Query().where(experiment_id=uuid.UUID(group))):
            # Somebody has deleted them all, and there is nothing to follow.
            return
        async for simulation in self._session.finished(uuid.UUID(group), _STATE):
            succeeded = simulation.state == SimulationState.SUCCEEDED
            error = "" if succeeded else simulation.error_message or str(simulation.state)
            await note(Ended(id=str(simulation.saved_id), succeeded=succeeded, error=error))

    async def outputs(self, job: str, paths: Sequence[str]) -> Mapping[str, bytes]:
        """The files in the working directory of a simulation."""
        ended = Simulation(id=uuid.UUID(job), name="", state=SimulationState.SUCCEEDED)
        outputs = self._session.outputs
        return {path: await outputs.read(ended, path) for path in paths}

    async def cancel(self, group: str, jobs: Collection[str]) -> None:
        """Stop what is active in the experiment."""
        try:
            await self._session.experiments.cancel(group)
        except ValidationFailed:
            # There is nothing left to stop.
            return

    async def _configuration(self) -> Configuration:
        given = self._experiment.configuration or Configuration()
        if self._assets is None:
            return given
        async with self._uploading:
            if self._collection is None:
                self._collection = await self._uploaded(self._assets)
        return dataclasses.replace(given, asset_collection_id=self._collection)

    async def _uploaded(self, assets: AssetCollection | Path | uuid.UUID) -> uuid.UUID:
        """The collection on the server; what it has already is not sent again."""
        if isinstance(assets, uuid.UUID):
            return assets
        collections = self._session.asset_collections
        if isinstance(assets, Path):
            return (await collections.from_directory(assets)).saved_id
        return (assets if assets.id is not None else await collections.save(assets)).saved_id


def _simulations(order: Order) -> Iterator[Simulation]:
    group = uuid.UUID(order.group)
    return (_simulation(job, group) for job in order.jobs)


def _simulation(job: Job, group: uuid.UUID) -> Simulation:
    files = tuple(SimulationFile(file_name=file.name, content=file.content) for file in job.files)
    return Simulation(name=job.name, experiment_id=group, tags=Tags(job.tags), files=files)


def _for_good(error: AcompsError) -> bool:
    """Whether the entity itself is refused, and would be again."""
    if isinstance(error, AuthenticationFailed | RateLimited | ServerFailed | MissingFiles):
        return False
    return isinstance(error, Refused | UsageError | ContentError)
