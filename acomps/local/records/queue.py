"""What waits and runs, by priority and experiment: the picture of the queue on a dashboard (protocol 6.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import String, func, literal, select, text, type_coerce, union

from acomps.entities.states import EntityKind, Priority
from acomps.local.records import schema
from acomps.local.records.visibility import sees

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Executable, Select

    from acomps.local.accounts.viewers import Viewer

__all__ = ["queue_state"]

#: The states of simulations whose jobs are not in the queue: not yet, or no more. As the index of the table has them.
_WITHOUT_JOB: Final = "state IN ('CommissionRequested','Provisioning','Retry','CancelRequested')"


def queue_state(
    connection: Connection, viewer: Viewer, environment: str | None = None
) -> dict[str, list[dict[str, object]]]:
    """The active simulations of every priority that has any, by experiment, the oldest first.

    Simulations without an experiment are counted together by owner. Priority, node group and environment are those
    that a simulation has or inherits.
    """
    buckets: dict[str, list[dict[str, object]]] = {}
    for row in connection.execute(_grouped(viewer, environment)).mappings():
        item = {str(name): value for name, value in row.items() if value is not None}
        buckets.setdefault(str(item.pop("Priority")), []).append(item)
    return buckets


def _grouped(viewer: Viewer, environment: str | None) -> Executable:
    simulations, experiments, suites = schema.simulations, schema.experiments, schema.suites

    def effective(name: str) -> ColumnElement[str]:
        levels = [type_coerce(func.json_extract(table.c.configuration, f"$.{name}"), String) for table in chain]
        return func.coalesce(*levels)

    chain = (simulations, experiments, suites)
    by = (
        func.coalesce(effective("Priority"), literal(Priority.NORMAL.text)).label("Priority"),
        simulations.c.experiment_id.label("ExperimentId"),
        simulations.c.owner.label("Owner"),
        effective("NodeGroupName").label("NodeGroup"),
    )
    oldest = func.min(simulations.c.date_created).label("FirstCreateTime")
    newest = func.max(simulations.c.date_created).label("LastCreateTime")
    grouped = (
        select(*by, func.count().label("SimulationCount"), oldest, newest)
        .select_from(
            simulations.outerjoin(experiments, experiments.c.id == simulations.c.experiment_id).outerjoin(
                suites, suites.c.id == experiments.c.suite_id
            )
        )
        .where(
            simulations.c.id.in_(_active()),
            simulations.c.removed_at.is_(None),
            *sees(viewer, EntityKind.SIMULATION),
        )
        .group_by(*by)
        .order_by(oldest)
    )
    if environment:
        return grouped.where(effective("EnvironmentName").collate("NOCASE") == environment)
    return grouped


def _active() -> Select[str]:
    """The ids of what is commissioned and has not ended, found by indexes and not by looking at all simulations."""
    jobs, simulations = schema.jobs, schema.simulations
    found = union(
        select(simulations.c.id).where(text(_WITHOUT_JOB)),
        select(jobs.c.simulation_id).where(text("job_state = 'Queued'")),
        select(jobs.c.simulation_id).where(text("job_state = 'Running'")),
    ).subquery()
    return select(found.c.id)
