"""The list of the files that a simulation or work item has left, or has got from its asset collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from acomps.comps.output_paths import by_path, normal, selected
from acomps.comps.resource import Resource
from acomps.entities import AssetCollection, Experiment, OutputFile, Simulation, WorkItem
from acomps.errors import UsageError
from acomps.query import Query
from acomps.transport import Replay
from acomps.wire import spelling
from acomps.wire.decode import decode_outputs

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from acomps.entities import Configuration, HpcJob
    from acomps.transport import Channel

__all__ = ["OutputListing", "Producer", "output_path", "output_query"]

#: What leaves output files behind.
Producer: TypeAlias = Simulation | WorkItem

_ASSETS: Final = "assets/"
#: Of smaller files it does not matter whether they could be resumed.
_WORTH_A_QUESTION_BYTES: Final = 1024 * 1024
_MERGED: Final = Query().children("configuration").extra(coalesceConfig="true")


def output_path(entity: Producer) -> str:
    """Where the server keeps the output of the entity."""
    plural = (spelling.SIMULATION if isinstance(entity, Simulation) else spelling.WORK_ITEM).plural
    return f"asset/{plural}/{entity.saved_id}/Output"


def output_query(entity: Producer, job: HpcJob | None, **parameters: str) -> list[tuple[str, str]]:
    """The parameters of a question about the output of one attempt, the newest unless `job` is another."""
    if isinstance(entity, WorkItem) and job is not None:
        raise UsageError("a work item has no jobs: leave `job` out")
    if job is not None and job.id is not None:
        parameters["hpcjobid"] = str(job.id)
    return [*parameters.items()]


class OutputListing:
    """Finds files by their paths."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._simulations = Resource(channel, channel.settings, Simulation, spelling.SIMULATION)
        self._experiments = Resource(channel, channel.settings, Experiment, spelling.EXPERIMENT)
        self._work_items = Resource(channel, channel.settings, WorkItem, spelling.WORK_ITEM)
        self._collections = Resource(channel, channel.settings, AssetCollection, spelling.ASSET_COLLECTION)

    async def all(self, entity: Producer, job: HpcJob | None) -> list[OutputFile]:
        """All files in the working directory, without the assets."""
        answer = await self._channel.call(
            "GET",
            output_path(entity),
            operation=f"list the output of {entity.described}",
            replay=Replay.SAFE,
            query=output_query(entity, job, flatten="1"),
        )
        return decode_outputs(answer.json())

    async def select(self, entity: Producer, paths: Sequence[str], job: HpcJob | None) -> list[OutputFile]:
        """The files that the paths name, in that order; those below `Assets/` come from the asset collection."""
        of_assets = [path for path in paths if normal(path).startswith(_ASSETS)]
        # Who wants assets only may have an entity that was never run.
        listed = [] if len(of_assets) == len(paths) else await self.all(entity, job)
        files = by_path(listed)
        if any(normal(path) not in files for path in of_assets):
            for name, file in by_path(await self._assets(entity, job)).items():
                files.setdefault(name, file)
        return selected(files, paths, entity.described)

    async def one(self, entity: Producer, path: str, job: HpcJob | None) -> OutputFile:
        """The single file at `path`; UsageError when a pattern names several."""
        found = await self.select(entity, [path], job)
        if len(found) != 1:
            raise UsageError(f"{path!r} names {len(found)} files of {entity.described}; name one")
        return found[0]

    async def outputs(self, entity: Producer, paths: Sequence[str] | None, job: HpcJob | None) -> list[OutputFile]:
        """As `select`, or all without paths, of the working directory alone."""
        files = await self.all(entity, job)
        return files if paths is None else selected(by_path(files), paths, entity.described)

    async def may_grow(self, entity: Producer, file: OutputFile) -> bool:
        """Whether somebody may still be writing to a listed file."""
        if file.md5_checksum is not None or (entity.state is not None and entity.state.final):
            return False
        if file.length <= _WORTH_A_QUESTION_BYTES:
            return True
        return not await self.ended(entity)

    async def ended(self, entity: Producer) -> bool:
        """Whether the entity is final now."""
        resource = self._work_items if isinstance(entity, WorkItem) else self._simulations
        state = (await resource.get(entity.saved_id, Query().select("state"))).state
        return state is not None and state.final

    async def attempts(self, entity: Simulation) -> tuple[bool, tuple[HpcJob, ...]]:
        """Whether the simulation is final now, and its attempts so far."""
        current = await self._simulations.get(entity.saved_id, Query().select("state").children("hpc_jobs"))
        return current.state is not None and current.state.final, current.hpc_jobs

    async def _assets(self, entity: Producer, job: HpcJob | None) -> list[OutputFile]:
        collection_id = await self._collection_id(entity, job)
        if collection_id is None:
            return []
        collection = await self._collections.get(collection_id, Query().children("assets"))
        return [
            OutputFile(
                id=asset.md5_checksum or collection_id,
                file_name=asset.file_name,
                path_from_root=f"Assets/{asset.relative_path}".rstrip("/"),
                length=asset.length,
                url=asset.uri,
                md5_checksum=asset.md5_checksum,
            )
            for asset in collection.assets
            if asset.uri is not None and asset.length is not None
        ]

    async def _collection_id(self, entity: Producer, job: HpcJob | None) -> uuid.UUID | None:
        """The collection of the attempt, else of the simulation, else of what is above it."""
        if isinstance(entity, WorkItem):
            return entity.asset_collection_id or (await self._work_items.get(entity.saved_id)).asset_collection_id
        found = _collection_of(None if job is None else job.configuration)
        if found is not None:
            return found
        current = await self._simulations.get(entity.saved_id, _MERGED)
        found = _collection_of(current.configuration)
        if found is None and current.experiment_id is not None:
            experiment = await self._experiments.get(current.experiment_id, _MERGED)
            found = _collection_of(experiment.configuration)
        return found


def _collection_of(configuration: Configuration | None) -> uuid.UUID | None:
    return None if configuration is None else configuration.asset_collection_id
