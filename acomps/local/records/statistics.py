"""What the simulations of experiments add up to: how many in which state, what they use, how long they run."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson
from sqlalchemy import Float, func, select, type_coerce

from acomps.local.records import schema
from acomps.local.records.database import given_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

__all__ = ["OPERATIONS", "statistics_of"]

_Found: TypeAlias = "dict[str, object]"

_MS_PER_DAY: Final = 86_400_000.0


def statistics_of(
    connection: Connection, experiment_ids: Sequence[str], operations: Iterable[str]
) -> dict[str, dict[str, object]]:
    """The `Stats` of experiments (protocol 6.12): times in milliseconds, sizes in bytes; `operations` in lower case.

    An experiment without simulations has counts of nothing, and no runtimes.
    """
    ids = orjson.dumps(experiment_ids).decode()
    stats: dict[str, dict[str, object]] = {experiment_id: {} for experiment_id in experiment_ids}
    for operation in dict.fromkeys(operations):
        name, default, read = OPERATIONS[operation]
        found = read(connection, ids)
        for experiment_id, figures in stats.items():
            value = found.get(experiment_id, default)
            if value is not None:
                figures[name] = value
    return stats


def _counts(connection: Connection, ids: str) -> _Found:
    return {experiment_id: sum(states.values()) for experiment_id, states in _states_of(connection, ids).items()}


def _states(connection: Connection, ids: str) -> _Found:
    return {**_states_of(connection, ids)}


def _states_of(connection: Connection, ids: str) -> Mapping[str, Mapping[str, int]]:
    simulations = schema.simulations
    counted = (
        select(simulations.c.experiment_id, simulations.c.state, func.count())
        .where(simulations.c.experiment_id.in_(given_ids()), simulations.c.removed_at.is_(None))
        .group_by(simulations.c.experiment_id, simulations.c.state)
    )
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for experiment_id, state, count in connection.execute(counted, {"ids": ids}):
        found[str(experiment_id)][state] = count
    return found


def _usage(connection: Connection, ids: str) -> _Found:
    """The cores of all attempts, their cores times their time, and the room that their outputs take."""
    jobs, simulations = schema.jobs, schema.simulations
    used = (
        select(
            simulations.c.experiment_id,
            func.min(jobs.c.cores),
            func.max(jobs.c.cores),
            func.coalesce(func.sum(_duration_ms() * jobs.c.cores), 0.0),
            func.coalesce(func.sum(jobs.c.output_directory_size), 0),
        )
        .join_from(simulations, jobs, jobs.c.simulation_id == simulations.c.id)
        .where(simulations.c.experiment_id.in_(given_ids()), simulations.c.removed_at.is_(None))
        .group_by(simulations.c.experiment_id)
    )
    return {
        str(experiment_id): {
            "MinCores": fewest,
            "MaxCores": most,
            "TotalCoreTimeUsage": round(core_ms),
            "TotalDiskUsage": size,
        }
        for experiment_id, fewest, most, core_ms, size in connection.execute(used, {"ids": ids})
    }


def _runtimes(connection: Connection, ids: str) -> _Found:
    """The quartiles of how long the newest attempt of each finished simulation took."""
    jobs, simulations = schema.jobs, schema.simulations
    newest = (
        select(func.max(jobs.c.job_id))
        .where(jobs.c.simulation_id == simulations.c.id)
        .scalar_subquery()
        .correlate(simulations)
    )
    taken = (
        select(simulations.c.experiment_id, _duration_ms())
        .join_from(simulations, jobs, jobs.c.job_id == newest)
        .where(
            simulations.c.experiment_id.in_(given_ids()),
            simulations.c.removed_at.is_(None),
            jobs.c.start_time.is_not(None),
            jobs.c.end_time.is_not(None),
        )
    )
    times: defaultdict[str, list[float]] = defaultdict(list)
    for experiment_id, duration_ms in connection.execute(taken, {"ids": ids}):
        times[str(experiment_id)].append(duration_ms)
    return {experiment_id: _five_numbers(durations) for experiment_id, durations in times.items()}


def _five_numbers(values: Sequence[float]) -> dict[str, int]:
    least, most = min(values), max(values)
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [least] * 3
    names = ("Min", "Q1", "Median", "Q3", "Max")
    return {name: round(value) for name, value in zip(names, (least, *quartiles, most), strict=True)}


def _duration_ms() -> ColumnElement[float]:
    jobs = schema.jobs
    days = func.julianday(jobs.c.end_time) - func.julianday(jobs.c.start_time)
    return type_coerce(days, Float) * _MS_PER_DAY


#: What can be asked for, in lower case: the name of the answer, what it is without simulations, and how it is found.
OPERATIONS: Final[Mapping[str, tuple[str, object, Callable[[Connection, str], _Found]]]] = {
    "simulationcount": ("SimulationCount", 0, _counts),
    "simulationstatecount": ("SimulationStateCount", {}, _states),
    "simulationusage": ("SimulationUsage", None, _usage),
    "simulationruntime": ("SimulationRuntime", None, _runtimes),
}
