"""Clearing away for good: what was deleted and has expired, and contents that nothing refers to. This blocks."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, exists, select, union

from acomps.entities.states import EntityKind, JobState, SimulationState, WorkItemState
from acomps.local.files.leaving import MOST
from acomps.local.jsons import dumps
from acomps.local.records import schema
from acomps.local.records.database import given_ids
from acomps.wire.dates import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from acomps.local.core import Core

__all__ = ["Swept", "sweep"]

_log = logging.getLogger("acomps.local")

#: Entities that go in one transaction; nobody else can write meanwhile.
AT_ONCE: Final = 200
#: The md5s of so many contents are looked at together.
CONTENTS_AT_ONCE: Final = 250_000

_ACTIVE: Final = {
    EntityKind.SIMULATION: [state.text for state in SimulationState if state.active or state.text == "CancelRequested"],
    EntityKind.WORK_ITEM: [state.text for state in WorkItemState if state.active or state.text == "CancelRequested"],
}
_OPEN: Final = [state.text for state in (JobState.QUEUED, JobState.RUNNING)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """How much has gone."""

    entities: int
    contents: int


def sweep(core: Core) -> Swept:
    """Look once. What is under way is left to the next time, and a crash at any moment leaves nothing half-way."""
    entities = 0
    # From below: what belongs to something goes before it.
    for kind in (EntityKind.SIMULATION, EntityKind.WORK_ITEM, EntityKind.EXPERIMENT, EntityKind.SUITE):
        while gone := _purge(core, kind):
            entities += gone
    contents = _free_contents(core)
    if entities or contents:
        _log.info("%d deleted entities and %d contents that nothing referred to were cleared away", entities, contents)
    return Swept(entities=entities, contents=contents)


def _purge(core: Core, kind: EntityKind) -> int:
    """Remove some of the expired entities of a kind; how many they were."""
    table = schema.TABLES[kind]
    wanted = select(table.c.id).where(*_expired(kind, format_time(core.clock()))).limit(AT_ONCE)
    with core.database.reading() as connection:
        ids = [str(entity_id) for entity_id in connection.scalars(wanted)]
        directories = _directories(connection, kind, ids)
    if not ids:
        return 0
    # The folders first: what is still on record can be found again.
    for owner, directory in directories:
        if Path(directory).name == owner and core.environments.hold(directory):
            shutil.rmtree(directory, ignore_errors=True)
    named = {"ids": dumps(ids)}
    with core.database.writing() as connection:
        for rows, owner_column in (
            (schema.tags, schema.tags.c.entity_id),
            (schema.files, schema.files.c.entity_id),
            (schema.jobs, schema.jobs.c.simulation_id),
            (schema.relations, schema.relations.c.work_item_id),
            (schema.relations, schema.relations.c.object_id),
            (table, table.c.id),
        ):
            connection.execute(delete(rows).where(owner_column.in_(given_ids())), named)
    core.places.forget()
    return len(ids)


def _expired(kind: EntityKind, now: str) -> list[ColumnElement[bool]]:
    table, jobs = schema.TABLES[kind], schema.jobs
    found: list[ColumnElement[bool]] = [table.c.removed_at.is_not(None), table.c.expires_at <= now]
    if kind in _ACTIVE:
        found.append(table.c.state.not_in(_ACTIVE[kind]))
    if kind is EntityKind.SIMULATION:
        found.append(~exists().where(jobs.c.simulation_id == table.c.id, jobs.c.job_state.in_(_OPEN)))
    if kind is EntityKind.EXPERIMENT:
        found.append(~exists().where(schema.simulations.c.experiment_id == table.c.id))
    if kind is EntityKind.SUITE:
        found.append(~exists().where(schema.experiments.c.suite_id == table.c.id))
    return found


def _directories(connection: Connection, kind: EntityKind, ids: Sequence[str]) -> list[tuple[str, str]]:
    """The names and paths of the working directories of these entities."""
    jobs, items = schema.jobs, schema.work_items
    if kind is EntityKind.SIMULATION:
        wanted = select(jobs.c.id, jobs.c.working_directory).where(jobs.c.simulation_id.in_(given_ids()))
    elif kind is EntityKind.WORK_ITEM:
        wanted = select(items.c.id, items.c.working_directory).where(
            items.c.id.in_(given_ids()), items.c.working_directory.is_not(None)
        )
    else:
        return []
    return [(str(owner), str(directory)) for owner, directory in connection.execute(wanted, {"ids": dumps(ids)})]


def _free_contents(core: Core) -> int:
    """Free what has been on the list of what is leaving for long enough; put on it what nothing refers to now.

    In this order: what is freed was found unreferenced twice, by this look and by an earlier one, and no save that has
    begun between them has referred to it.
    """
    now = core.clock().timestamp()
    leaving = core.contents.leaving
    unreferenced: set[str] = set()
    for stored in core.contents.in_shards(CONTENTS_AT_ONCE):
        first, last = min(stored), max(stored)
        with core.database.reading() as connection:
            referenced = union(
                *(
                    select(table.c.md5_checksum).where(table.c.md5_checksum.between(first, last))
                    for table in (schema.files, schema.assets)
                )
            )
            for md5s in connection.execution_options(yield_per=10_000).scalars(referenced).partitions():
                stored.difference_update(md5s)
                leaving.needed(md5s)
        if len(unreferenced) < MOST:
            unreferenced |= stored
    freed = leaving.release(now - core.settings.keep_unreferenced_s, core.contents.free)
    leaving.nominate(unreferenced - freed, now)
    leaving.save()
    return len(freed)
