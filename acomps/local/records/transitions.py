"""What clients do to the states of entities: commission, cancel, delete (protocol 6.9, 6.10 and 8.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update

from acomps.entities.states import EntityKind, SimulationState, WorkItemState
from acomps.local.errors import Refused
from acomps.local.records import schema
from acomps.local.records.bounds import check_bounds
from acomps.local.records.finding import require_own
from acomps.wire.dates import format_time

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core

__all__ = ["cancel", "commission", "delete"]

_ACTIVE_SIMULATIONS: Final = [state.text for state in SimulationState if state.active]
_ACTIVE_WORK_ITEMS: Final = [state.text for state in WorkItemState if state.active]


def _simulations_of(kind: EntityKind, entity_id: str) -> ColumnElement[bool]:
    """The simulations that a call on this entity means."""
    simulations, experiments = schema.simulations, schema.experiments
    match kind:
        case EntityKind.SIMULATION:
            meant = simulations.c.id == entity_id
        case EntityKind.EXPERIMENT:
            meant = simulations.c.experiment_id == entity_id
        case _:
            meant = simulations.c.experiment_id.in_(
                select(experiments.c.id).where(experiments.c.suite_id == entity_id, experiments.c.removed_at.is_(None))
            )
    return meant & simulations.c.removed_at.is_(None)


def commission(connection: Connection, core: Core, kind: EntityKind, entity_id: str, viewer: Viewer) -> None:
    """Put what is in Created into the queue; refused when nothing is, or when its environment cannot run it."""
    require_own(connection, kind, entity_id, viewer)
    if kind is EntityKind.WORK_ITEM:
        _commission_work_item(connection, entity_id)
        return
    table = schema.simulations
    meant = _simulations_of(kind, entity_id) & (table.c.state == SimulationState.CREATED.text)
    check_bounds(connection, core.environments, meant)
    changed = connection.execute(update(table).where(meant).values(state=SimulationState.COMMISSION_REQUESTED.text))
    if not changed.rowcount:
        raise Refused(400, f"nothing to commission: no simulation of {kind.text} {entity_id} is in state Created")


def _commission_work_item(connection: Connection, entity_id: str) -> None:
    table = schema.work_items
    changed = connection.execute(
        update(table)
        .where(table.c.id == entity_id, table.c.state == WorkItemState.CREATED.text)
        .values(state=WorkItemState.COMMISSION_REQUESTED.text, error_message=None)
    )
    if not changed.rowcount:
        raise Refused(400, f"nothing to commission: WorkItem {entity_id} is not in state Created")


def cancel(connection: Connection, core: Core, kind: EntityKind, entity_id: str, viewer: Viewer) -> None:
    """Ask everything active to end; refused when nothing is active."""
    del core  # What can be asked of entities has one form.
    require_own(connection, kind, entity_id, viewer)
    if kind is EntityKind.WORK_ITEM:
        count = _cancel_work_item(connection, entity_id)
    else:
        count = _cancel_simulations(connection, _simulations_of(kind, entity_id))
    if not count:
        raise Refused(400, f"nothing to cancel: {kind.text} {entity_id} has nothing active")


def _cancel_work_item(connection: Connection, entity_id: str) -> int:
    table = schema.work_items
    changed = connection.execute(
        update(table)
        .where(table.c.id == entity_id, table.c.state.in_(_ACTIVE_WORK_ITEMS))
        .values(state=WorkItemState.CANCEL_REQUESTED.text)
    )
    return changed.rowcount


def _cancel_simulations(connection: Connection, meant: ColumnElement[bool]) -> int:
    table = schema.simulations
    changed = connection.execute(
        update(table)
        .where(meant, table.c.state.in_(_ACTIVE_SIMULATIONS))
        .values(state=SimulationState.CANCEL_REQUESTED.text)
    )
    return changed.rowcount


def delete(
    connection: Connection, core: Core, kind: EntityKind, entity_id: str, viewer: Viewer, *, at_once: bool
) -> None:
    """Take the entity and all below it out of sight; what still runs is cancelled first."""
    require_own(connection, kind, entity_id, viewer)
    now = core.clock()
    gone = {
        "removed_at": format_time(now),
        "expires_at": format_time(now if at_once else now + timedelta(seconds=core.settings.keep_deleted_s)),
    }
    if kind in {EntityKind.SUITE, EntityKind.EXPERIMENT, EntityKind.SIMULATION}:
        meant = _simulations_of(kind, entity_id)
        _cancel_simulations(connection, meant)
        connection.execute(update(schema.simulations).where(meant).values(gone))
    if kind is EntityKind.WORK_ITEM:
        _cancel_work_item(connection, entity_id)
    if kind is EntityKind.SUITE:
        experiments = schema.experiments
        connection.execute(
            update(experiments)
            .where(experiments.c.suite_id == entity_id, experiments.c.removed_at.is_(None))
            .values(gone)
        )
    table = schema.TABLES[kind]
    connection.execute(update(table).where(table.c.id == entity_id, table.c.removed_at.is_(None)).values(gone))
