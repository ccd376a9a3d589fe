"""What a work item depends on, and whether all of it has come to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from acomps.entities.states import EntityKind, RelationType, SimulationState, WorkItemState
from acomps.local.errors import Refused
from acomps.local.records import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

__all__ = ["blocked", "refuse_circle", "unfinished"]

#: Named one by one, so that the index by experiment and state finds them without reading those that have ended.
_OPEN_SIMULATIONS: Final = [state.text for state in SimulationState if not state.final]
_OPEN_WORK_ITEMS: Final = [state.text for state in WorkItemState if not state.final]

_relations: Final = schema.relations
_simulations: Final = schema.simulations
_items: Final = schema.work_items


def _objects(item_id: str, kind: EntityKind) -> Select[str]:
    return select(_relations.c.object_id).where(
        _relations.c.work_item_id == item_id,
        _relations.c.relation == RelationType.DEPENDS_ON.text,
        _relations.c.object_type == kind.text,
    )


def unfinished(connection: Connection, item_id: str) -> str | None:
    """One sentence about what the item still has to wait for; None when all that it depends on has ended.

    A simulation or work item has ended when its state is final, an experiment or suite when all its simulations have;
    asset collections never change, and what was deleted is waited for no longer.
    """
    pending_items = list(
        connection.scalars(
            select(_items.c.id).where(
                _items.c.id.in_(_objects(item_id, EntityKind.WORK_ITEM)),
                _items.c.id != item_id,
                _items.c.state.in_(_OPEN_WORK_ITEMS),
                _items.c.removed_at.is_(None),
            )
        )
    )
    experiments = schema.experiments
    of_suites = select(experiments.c.id).where(
        experiments.c.suite_id.in_(_objects(item_id, EntityKind.SUITE)), experiments.c.removed_at.is_(None)
    )
    pending = sum(
        connection.scalar(
            select(func.count()).where(
                within, _simulations.c.state.in_(_OPEN_SIMULATIONS), _simulations.c.removed_at.is_(None)
            )
        )
        or 0
        for within in (
            _simulations.c.id.in_(_objects(item_id, EntityKind.SIMULATION)),
            _simulations.c.experiment_id.in_(_objects(item_id, EntityKind.EXPERIMENT)),
            _simulations.c.experiment_id.in_(of_suites),
        )
    )
    found: list[str] = []
    if pending_items:
        more = f" and {len(pending_items) - 1} more" if len(pending_items) > 1 else ""
        found.append(f"work item {pending_items[0]}{more}")
    if pending:
        found.append(f"{pending} simulation{'s' if pending > 1 else ''}")
    return f"waits for {' and '.join(found)}" if found else None


def blocked(connection: Connection) -> set[str]:
    """Those of all items in Waiting that still have something to wait for; see `unfinished`."""
    waiting, other, experiments = _items.alias("waiting"), _items.alias("other"), schema.experiments
    simulation_open = _simulations.c.state.in_(_OPEN_SIMULATIONS) & _simulations.c.removed_at.is_(None)
    open_in_experiment = select(_simulations.c.id).where(
        _simulations.c.experiment_id == _relations.c.object_id, simulation_open
    )
    open_in_suite = (
        select(_simulations.c.id)
        .join(experiments, experiments.c.id == _simulations.c.experiment_id)
        .where(experiments.c.suite_id == _relations.c.object_id, experiments.c.removed_at.is_(None), simulation_open)
    )
    holding = {
        EntityKind.WORK_ITEM: select(other.c.id).where(
            other.c.id == _relations.c.object_id,
            other.c.id != waiting.c.id,
            other.c.state.in_(_OPEN_WORK_ITEMS),
            other.c.removed_at.is_(None),
        ),
        EntityKind.SIMULATION: select(_simulations.c.id).where(
            _simulations.c.id == _relations.c.object_id, simulation_open
        ),
        EntityKind.EXPERIMENT: open_in_experiment,
        EntityKind.SUITE: open_in_suite,
    }
    found: set[str] = set()
    for kind, holds in holding.items():
        found.update(
            connection.scalars(
                select(waiting.c.id)
                .join(_relations, _relations.c.work_item_id == waiting.c.id)
                .where(
                    waiting.c.state == WorkItemState.WAITING.text,
                    _relations.c.relation == RelationType.DEPENDS_ON.text,
                    _relations.c.object_type == kind.text,
                    holds.correlate(_relations, waiting).exists(),
                )
            )
        )
    return found


def refuse_circle(connection: Connection, item_id: str, depends_on: str) -> None:
    """Refuse a dependency by which the item would wait for itself."""
    depends = (
        select(_relations.c.work_item_id, _relations.c.object_id)
        .where(
            _relations.c.relation == RelationType.DEPENDS_ON.text,
            _relations.c.object_type == EntityKind.WORK_ITEM.text,
        )
        .subquery()
    )
    reached = select(depends.c.object_id).where(depends.c.work_item_id == depends_on).cte("reached", recursive=True)
    reached = reached.union(
        select(depends.c.object_id).join_from(depends, reached, depends.c.work_item_id == reached.c.object_id)
    )
    if item_id == depends_on or connection.scalar(
        select(reached.c.object_id).where(reached.c.object_id == item_id).limit(1)
    ):
        raise Refused(400, f"WorkItem {item_id} would wait for itself if it depended on WorkItem {depends_on}")
