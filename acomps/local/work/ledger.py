"""The scheduler's records: one call is one transaction, in which many simulations take their next step."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import String, bindparam, func, insert, literal_column, select, update

from acomps.entities.states import JobState, SimulationState
from acomps.local.executors import Ending, Task
from acomps.local.jsons import dumps
from acomps.local.records import schema
from acomps.local.records.database import given_ids
from acomps.local.work import workdirs
from acomps.local.work.endings import History, judge
from acomps.local.work.launches import launch_of, task_of
from acomps.local.work.provisioning import Commissioned, Provisioned

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Connection, Update

    from acomps.local.core import Core

__all__ = ["Changes", "Ledger", "OpenJob", "Standing"]

#: So many simulations are provisioned in one go.
PROVISION_AT_ONCE: Final = 100
#: So many tasks of each place are read in advance.
READY_AHEAD: Final = 128
#: So much of a failed simulation's stderr goes into its error message.
LAST_WORDS_BYTES: Final = 1_000

_jobs: Final = schema.jobs
_simulations: Final = schema.simulations


@dataclass(frozen=True, slots=True)
class Changes:
    """What has happened since the last call; times are in the wire's form."""

    provisioned: list[Provisioned] = field(default_factory=list[Provisioned])
    #: Simulations whose provisioning is for another time.
    returned: list[str] = field(default_factory=list[str])
    #: Jobs that a cluster's own queue will have; those with the number that they got there.
    handed_over: list[str] = field(default_factory=list[str])
    submitted: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    started: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    ended: list[tuple[Ending, str]] = field(default_factory=list[tuple[Ending, str]])

    def extend(self, newer: Changes) -> None:
        """Add what has happened after this."""
        self.provisioned.extend(newer.provisioned)
        self.returned.extend(newer.returned)
        self.handed_over.extend(newer.handed_over)
        self.submitted.extend(newer.submitted)
        self.started.extend(newer.started)
        self.ended.extend(newer.ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """A job that was not at its end when the last service was."""

    place: str
    #: Of all its processes.
    cores: int
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is to be done next."""

    #: The head of the queue of each place, in its order.
    ready: dict[str, list[Task]]
    #: Claimed for provisioning by this call.
    commissioned: list[Commissioned]
    #: Jobs whose simulations are to be cancelled.
    cancel: list[str]


class Ledger:
    """Reads and writes the states of simulations and jobs. Everything here blocks."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def recover(self) -> dict[str, OpenJob]:
        """After a start: the open jobs by their id."""
        with self._core.database.writing() as connection:
            # Whatever stood half-way has no job yet: it begins anew.
            connection.execute(
                update(_simulations)
                .where(_simulations.c.state == _fixed(SimulationState.PROVISIONING))
                .values(state=SimulationState.COMMISSION_REQUESTED.text)
            )
            open_jobs = connection.execute(
                select(_jobs.c.id, _jobs.c.place, _jobs.c.cores, _jobs.c.job_state).where(_open_job())
            ).all()
        return {
            str(job_id): OpenJob(place=place, cores=cores, running=state == JobState.RUNNING.text)
            for job_id, place, cores, state in open_jobs
        }

    def take_back(self, job_ids: Collection[str]) -> None:
        """These jobs were to be handed over, and were not: they wait again."""
        with self._core.database.writing() as connection:
            connection.execute(
                update(_jobs).where(_jobs.c.id.in_(given_ids()), _jobs.c.handed_over == 1).values(handed_over=0),
                {"ids": dumps([*job_ids])},
            )

    def settle(self, changes: Changes, places: Collection[str], *, claim: bool = True) -> Standing:
        """Record the changes and say what is to be done.

        The answer has the next tasks of `places`; without `claim` nothing new is begun.
        """
        observed = self._observe([ending.job_id for ending, _ in changes.ended])
        with self._core.database.writing() as connection:
            self._record_provisioned(connection, changes.provisioned)
            _record_returned(connection, changes.returned)
            _record_handed_over(connection, changes)
            _record_started(connection, changes.started)
            _record_ended(connection, changes.ended, observed)
            cancel = _cancel_requests(connection)
            commissioned = _claim(connection) if claim else []
            ready = {place: _queue_head(connection, place) for place in places}
        return Standing(ready=ready, commissioned=commissioned, cancel=cancel)

    def _observe(self, job_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Size and last words of the working directories of ended jobs, found before anybody has to wait for it."""
        if not job_ids:
            return {}
        with self._core.database.reading() as connection:
            found = connection.execute(
                select(_jobs.c.id, _jobs.c.working_directory).where(_jobs.c.id.in_(given_ids())),
                {"ids": dumps(job_ids)},
            ).all()
        return {
            str(job_id): (workdirs.size_of(Path(folder)), workdirs.tail(Path(folder, "stderr.txt"), LAST_WORDS_BYTES))
            for job_id, folder in found
        }

    def _record_provisioned(self, connection: Connection, provisioned: Sequence[Provisioned]) -> None:
        now = self._core.now()
        queued = [
            {
                "id": item.task.job_id,
                "simulation_id": item.simulation_id,
                "job_state": JobState.QUEUED.text,
                "priority": item.priority.text,
                "working_directory": str(item.task.directory),
                "submit_time": now,
                "configuration": dumps(item.configuration),
                "rank": item.task.rank,
                "cores": item.task.cores * item.task.processes,
                "place": item.place,
                "launch": launch_of(item.task),
                "retries": item.retries,
            }
            for item in provisioned
            if item.task is not None
        ]
        if queued:
            connection.execute(insert(_jobs), queued)
        steps = [
            {
                "b_id": item.simulation_id,
                "b_state": (SimulationState.FAILED if item.failure else SimulationState.COMMISSIONED).text,
                "b_error": item.failure,
            }
            for item in provisioned
        ]
        if steps:
            connection.execute(_step_from(SimulationState.PROVISIONING), steps)


def _fixed(state: JobState | SimulationState) -> ColumnElement[str]:
    """A state as a part of the statement: SQLite uses a partial index only when it can read its condition there."""
    return literal_column(f"'{state.text}'")


def _open_job() -> ColumnElement[bool]:
    return _jobs.c.job_state.in_([_fixed(JobState.QUEUED), _fixed(JobState.RUNNING)])


def _step_from(state: SimulationState) -> Update:
    """Moves simulations on, unless a client has moved them elsewhere meanwhile."""
    return (
        update(_simulations)
        .where(_simulations.c.id == bindparam("b_id"), _simulations.c.state == _fixed(state))
        .values(state=bindparam("b_state"), error_message=bindparam("b_error"))
    )


def _record_returned(connection: Connection, returned: Sequence[str]) -> None:
    if returned:
        connection.execute(
            _step_from(SimulationState.PROVISIONING),
            [
                {"b_id": simulation_id, "b_state": SimulationState.COMMISSION_REQUESTED.text, "b_error": None}
                for simulation_id in returned
            ],
        )


def _record_handed_over(connection: Connection, changes: Changes) -> None:
    # What has started is no longer queued anywhere.
    queued = set(changes.handed_over).difference(job_id for job_id, _ in changes.started)
    if queued:
        connection.execute(
            update(_jobs).where(_jobs.c.id.in_(given_ids())).values(handed_over=1), {"ids": dumps([*queued])}
        )
    if changes.submitted:
        connection.execute(
            update(_jobs).where(_jobs.c.id == bindparam("b_id")).values(cluster_id=bindparam("b_number")),
            [{"b_id": job_id, "b_number": number} for job_id, number in changes.submitted],
        )


def _record_started(connection: Connection, started: Sequence[tuple[str, str]]) -> None:
    if not started:
        return
    steps = [{"b_job": job_id, "b_time": moment} for job_id, moment in started]
    connection.execute(
        update(_jobs)
        .where(_jobs.c.id == bindparam("b_job"), _jobs.c.job_state == _fixed(JobState.QUEUED))
        .values(
            job_state=JobState.RUNNING.text,
            # The clocks of other machines may go wrong.
            start_time=func.max(bindparam("b_time", type_=String), _jobs.c.submit_time),
        ),
        steps,
    )
    of_job = select(_jobs.c.simulation_id).where(_jobs.c.id == bindparam("b_job")).scalar_subquery()
    connection.execute(
        update(_simulations)
        .where(_simulations.c.id == of_job, _simulations.c.state == _fixed(SimulationState.COMMISSIONED))
        .values(state=SimulationState.RUNNING.text),
        steps,
    )


def _record_ended(
    connection: Connection, ended: Sequence[tuple[Ending, str]], observed: dict[str, tuple[int, str]]
) -> None:
    if not ended:
        return
    histories = _histories(connection, [ending.job_id for ending, _ in ended])
    jobs: list[dict[str, object]] = []
    simulations: list[dict[str, object]] = []
    for ending, moment in ended:
        if ending.job_id not in histories:
            continue  # Its end is on record already.
        simulation_id, history = histories.pop(ending.job_id)
        size, last_words = observed[ending.job_id]
        verdict = judge(ending, history, last_words)
        simulations.append(
            {"b_id": simulation_id, "b_state": verdict.simulation.text, "b_error": verdict.error},
        )
        jobs.append(
            {
                "b_id": ending.job_id,
                "b_state": verdict.job.text,
                "b_time": moment,
                "b_error": verdict.error,
                "b_size": size,
                "b_lost": int(verdict.lost),
            }
        )
    if not jobs:
        return
    connection.execute(
        update(_jobs)
        .where(_jobs.c.id == bindparam("b_id"))
        .values(
            job_state=bindparam("b_state"),
            end_time=func.max(
                bindparam("b_time", type_=String), func.coalesce(_jobs.c.start_time, _jobs.c.submit_time)
            ),
            error_message=bindparam("b_error"),
            output_directory_size=bindparam("b_size"),
            lost=bindparam("b_lost"),
        ),
        jobs,
    )
    connection.execute(
        update(_simulations)
        .where(_simulations.c.id == bindparam("b_id"))
        .values(state=bindparam("b_state"), error_message=bindparam("b_error")),
        simulations,
    )


def _histories(connection: Connection, job_ids: Sequence[str]) -> dict[str, tuple[str, History]]:
    """Simulation and history of those jobs that are still open on record."""
    earlier = _jobs.alias("earlier")
    attempts = (
        select(func.count(), func.coalesce(func.sum(earlier.c.lost), 0))
        .where(earlier.c.simulation_id == _jobs.c.simulation_id, earlier.c.job_state == _fixed(JobState.FAILED))
        .correlate(_jobs)
    )
    failed = attempts.with_only_columns(func.count()).scalar_subquery()
    lost = attempts.with_only_columns(func.coalesce(func.sum(earlier.c.lost), 0)).scalar_subquery()
    rows = connection.execute(
        select(_jobs.c.id, _jobs.c.simulation_id, _jobs.c.retries, _simulations.c.state, failed, lost)
        .join(_simulations, _simulations.c.id == _jobs.c.simulation_id)
        .where(_jobs.c.id.in_(given_ids()), _open_job()),
        {"ids": dumps(job_ids)},
    )
    return {
        job_id: (
            simulation_id,
            History(state=SimulationState(state), retries=retries, failed=failures - losses, lost=losses),
        )
        for job_id, simulation_id, retries, state, failures, losses in rows
    }


def _cancel_requests(connection: Connection) -> list[str]:
    """Cancel what has no job, and name the jobs of the rest."""
    requested = _simulations.c.state == _fixed(SimulationState.CANCEL_REQUESTED)
    of_simulation = select(_jobs.c.id).where(_jobs.c.simulation_id == _simulations.c.id, _open_job())
    connection.execute(
        update(_simulations)
        .where(requested, ~of_simulation.exists())
        .values(state=SimulationState.CANCELED.text, error_message=None)
    )
    return list(
        connection.scalars(
            select(_jobs.c.id)
            .join(_simulations, _simulations.c.id == _jobs.c.simulation_id)
            .where(requested, _open_job())
        )
    )


def _claim(connection: Connection) -> list[Commissioned]:
    """The next simulations to provision, the oldest first."""
    experiments, suites = schema.experiments, schema.suites
    waiting = [_fixed(SimulationState.COMMISSION_REQUESTED), _fixed(SimulationState.RETRY)]
    rows = connection.execute(
        select(
            _simulations.c.id,
            _simulations.c.owner,
            suites.c.configuration,
            experiments.c.configuration,
            _simulations.c.configuration,
        )
        .outerjoin(experiments, experiments.c.id == _simulations.c.experiment_id)
        .outerjoin(suites, suites.c.id == experiments.c.suite_id)
        .where(_simulations.c.state.in_(waiting))
        .order_by(_simulations.c.id)
        .limit(PROVISION_AT_ONCE)
    ).all()
    if rows:
        connection.execute(
            update(_simulations)
            .where(_simulations.c.id.in_(given_ids()))
            .values(state=SimulationState.PROVISIONING.text),
            {"ids": dumps([row[0] for row in rows])},
        )
    return [Commissioned(id=row[0], owner=row[1], configurations=(row[2], row[3], row[4])) for row in rows]


def _queue_head(connection: Connection, place: str) -> list[Task]:
    """The next jobs to start: higher priorities first, then in the order in which they came."""
    rows = connection.execute(
        select(_jobs.c.id, _jobs.c.working_directory, _jobs.c.rank, _jobs.c.launch)
        .join(_simulations, _simulations.c.id == _jobs.c.simulation_id)
        .where(
            _jobs.c.place == place,
            _jobs.c.job_state == _fixed(JobState.QUEUED),
            _jobs.c.handed_over == literal_column("0"),
            _simulations.c.state == _fixed(SimulationState.COMMISSIONED),
        )
        .order_by(_jobs.c.rank.desc(), _jobs.c.job_id)
        .limit(READY_AHEAD)
    )
    return [task_of(*row) for row in rows]
