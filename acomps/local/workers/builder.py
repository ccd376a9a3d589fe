"""The worker `Builder`: makes the simulations of a sweep, and commissions them (protocol 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread
from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert

from acomps.entities.states import EntityKind, RelationType, WorkItemState
from acomps.local.errors import Refused
from acomps.local.files.contents import digest
from acomps.local.records import schema, transitions
from acomps.local.records.drafts import DraftReader
from acomps.local.records.saving import save
from acomps.local.workers import Outcome, WorkerKey
from acomps.local.workers.orders import read_order
from acomps.local.workers.sweeps import read_sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core
    from acomps.local.jsons import JSON
    from acomps.local.workers import Item
    from acomps.local.workers.sweeps import Sweep

__all__ = ["Builder"]

#: So many simulations are made in one transaction.
BATCH: Final = 100


class Builder:
    """A `Worker`. What it has made is known by its relations, which are recorded in the same transaction.

    So a Builder that a crash has interrupted goes on with the first simulation that does not exist yet.
    """

    def __init__(self, core: Core, wake: Callable[[], None]) -> None:
        self._core = core
        self._wake = wake

    @property
    def key(self) -> WorkerKey:
        """See `Worker`."""
        return WorkerKey("Builder")

    def check(self, item: Item) -> None:
        """See `Worker`."""
        sweep, viewer = self._sweep(item), self._viewer(item)
        self._reader(EntityKind.EXPERIMENT, viewer).read(dict(sweep.experiment))
        if len(sweep):
            document, _ = self._simulation(sweep, "", 0)
            del document["ExperimentId"]
            self._reader(EntityKind.SIMULATION, viewer).read(document)

    async def work(self, item: Item) -> Outcome:
        """See `Worker`."""
        sweep, viewer = await anyio.to_thread.run_sync(lambda: (self._sweep(item), self._viewer(item)))
        experiment = await anyio.to_thread.run_sync(self._experiment, item, viewer, sweep)
        made = await anyio.to_thread.run_sync(self._made, item)
        while made < len(sweep):
            made = await anyio.to_thread.run_sync(self._batch, item, viewer, sweep, experiment, made)
            self._wake()
        return Outcome(state=WorkItemState.SUCCEEDED)

    def forget(self, item_id: str) -> None:
        """See `Worker`; all that it keeps are relations."""

    def _sweep(self, item: Item) -> Sweep:
        return read_sweep(item, read_order(item, self._core.contents, self.key), self._core.contents)

    def _viewer(self, item: Item) -> Viewer:
        viewer = self._core.access.people.viewer(item.owner)
        if viewer is None:
            raise Refused(403, f"{item.owner}, who owns the work item, is no user of this service any more")
        return viewer

    def _reader(self, kind: EntityKind, viewer: Viewer) -> DraftReader:
        return DraftReader(kind, self._core.environments.of(viewer), viewer.name)

    def _experiment(self, item: Item, viewer: Viewer, sweep: Sweep) -> str:
        """The experiment of the sweep, which is made when it does not exist yet."""
        relations = schema.relations
        with self._core.database.reading() as connection:
            found = connection.scalar(
                select(relations.c.object_id).where(_created(item, EntityKind.EXPERIMENT)).limit(1)
            )
        if found is not None:
            return str(found)

        def relate(connection: Connection, ids: Sequence[str]) -> None:
            _relate(connection, item, EntityKind.EXPERIMENT, ids)

        draft = self._reader(EntityKind.EXPERIMENT, viewer).read(dict(sweep.experiment))
        made = save(self._core, EntityKind.EXPERIMENT, viewer, [draft], {}, relate)[0]
        _say(item, f"experiment {made}")
        return made

    def _made(self, item: Item) -> int:
        relations = schema.relations
        with self._core.database.reading() as connection:
            count = connection.scalar(
                select(func.count()).select_from(relations).where(_created(item, EntityKind.SIMULATION))
            )
        return count or 0

    def _batch(self, item: Item, viewer: Viewer, sweep: Sweep, experiment: str, made: int) -> int:
        """Make the next simulations; the answer is how many there are then."""
        reader = self._reader(EntityKind.SIMULATION, viewer)
        upto = min(made + BATCH, len(sweep))
        simulations = [self._simulation(sweep, experiment, number) for number in range(made, upto)]
        contents = {md5: content for _, files in simulations for md5, content in files.items()}
        self._core.contents.put(contents)

        def finish(connection: Connection, ids: Sequence[str]) -> None:
            _relate(connection, item, EntityKind.SIMULATION, ids)
            for simulation_id in ids[: max(0, sweep.commissioned - made)]:
                transitions.commission(connection, self._core, EntityKind.SIMULATION, simulation_id, viewer)

        drafts = [reader.read(document) for document, _ in simulations]
        save(
            self._core,
            EntityKind.SIMULATION,
            viewer,
            drafts,
            {md5: len(data) for md5, data in contents.items()},
            finish,
        )
        _say(item, f"{upto} of {len(sweep)} simulations")
        return upto

    def _simulation(self, sweep: Sweep, experiment: str, number: int) -> tuple[dict[str, JSON], dict[str, bytes]]:
        """A simulation as a client would send it, and the contents of its files by md5."""
        point = sweep.point(number)
        contents = {digest(content): content for content in point.files.values()}
        files: list[JSON] = [
            {"FileName": name, "FileType": "input", "MD5Checksum": digest(content)}
            for name, content in point.files.items()
        ]
        plain: list[JSON] = [
            {"FileName": file.name, "FileType": file.type or "input", "MD5Checksum": file.md5} for file in sweep.plain
        ]
        document: dict[str, JSON] = {
            **sweep.simulation,
            "ExperimentId": experiment,
            "Tags": {**point.tags},
            "Files": files + plain,
        }
        return document, contents


def _created(item: Item, kind: EntityKind) -> ColumnElement[bool]:
    relations = schema.relations
    return (
        (relations.c.work_item_id == item.id)
        & (relations.c.relation == RelationType.CREATED.text)
        & (relations.c.object_type == kind.text)
    )


def _relate(connection: Connection, item: Item, kind: EntityKind, ids: Sequence[str]) -> None:
    row = {"work_item_id": item.id, "relation": RelationType.CREATED.text, "object_type": kind.text}
    rows = [{**row, "object_id": entity_id} for entity_id in ids]
    connection.execute(insert(schema.relations).on_conflict_do_nothing(), rows)


def _say(item: Item, what: str) -> None:
    """A line of progress, where clients look for what a work item says."""
    with (item.directory / "stdout.txt").open("a", encoding="utf-8") as out:
        out.write(f"made {what}\n")
