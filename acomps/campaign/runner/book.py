"""The book of a campaign: every step of the runner as one commit to the store, and where it stood when it ended.

    campaign -> workflow        stage -> task            round -> loop number      point -> element, iteration
    attempt -> run (EAR)        order -> submission      batch -> jobscript        group -> id in the submission

What is about to be asked of the gateway is committed before; what it answered, before anything is made of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

from anyio import to_thread
from anyio.lowlevel import checkpoint

from acomps.campaign.model import (
    Element,
    ElementSet,
    Iteration,
    Jobscript,
    ParameterSource,
    Run,
    Submission,
)
from acomps.campaign.runner.orders import BATCH, Attempt, Sent, sent_in
from acomps.campaign.runner.points import ACTION, INPUT, OUTPUT, Point, Standing, read_points, read_stages
from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from acomps.campaign.runner.stages import Stage
    from acomps.campaign.store import PersistentStore

__all__ = ["Book", "Outcome", "newest_attempt"]

#: So many points are planned before other tasks have their turn.
_PIECE: Final = 50


class Outcome:
    """How an attempt ended: with values, or with an error and perhaps another attempt to come."""

    __slots__ = ("again", "attempt", "error", "held", "id", "values")

    def __init__(self, attempt: Attempt, id: str | None, *, values: Mapping[str, object] | None, error: str) -> None:
        self.attempt, self.id, self.values, self.error = attempt, id, values, error
        self.again = False
        #: Whether it may be tried again later.
        self.held = False


class Book:
    """The open store of a campaign."""

    def __init__(self, store: PersistentStore, campaign_id: str, client: str, stages: Sequence[Stage]) -> None:
        self.store = store
        self.campaign_id = campaign_id
        self._client = client
        self._stages = stages
        self._sets: list[list[Mapping[str, object]]] = []
        self._iterations: list[int] = []
        self._elements: list[int] = []
        self._runs: list[int] = []
        self._submissions = 0
        self._sent: list[Sent] = []

    async def read(self) -> None:
        """Learn how far the campaign was."""
        self._sets = [[one.more for one in task.element_sets] for task in await read_stages(self.store)]
        counts = await self.store.get_all_tasks_metadata()
        self._elements = [one["num_elements"] for one in counts]
        self._iterations = [one["num_element_iterations"] for one in counts]
        self._runs = [one["num_EARs"] for one in counts]
        submissions = await self.store.get_submissions()
        self._submissions = len(submissions)
        self._sent = await to_thread.run_sync(lambda: [sent_in(index, one) for index, one in enumerate(submissions)])

    def planned(self, stage: int, round: int) -> int | None:
        """How many points a round has; None when it is not planned, 0 when there was nothing more to ask."""
        sets = self._sets[stage]
        return cast("int", sets[round]["points"]) if round < len(sets) else None

    async def plan(self, stage: int, round: int, points: Iterable[Mapping[str, object]]) -> int:
        """Add a round with these points, whole or not at all; gives how many there are."""
        loop = self._stages[stage].loop if self._stages[stage].rounds > 1 else ""
        before = self._elements[stage]
        planning = _Planning(self.store, stage, len(self._sets[stage]), round, loop, sum(self._iterations))
        planning.iteration, planning.run = self._iterations[stage], self._runs[stage]
        iterator = iter(points)
        count = 0
        async with self.store.batch_update():
            while piece := [*islice(iterator, _PIECE)]:
                # In a later round the points take the places of those before, as far as there are some.
                places = (
                    range(count, count + len(piece)) if round else range(before + count, before + count + len(piece))
                )
                await planning.add(piece, places, before)
                count += len(piece)
                await checkpoint()
            note: dict[str, object] = {"round": round, "points": count}
            added = max(before, count)
            span = ElementSet(local_range=(before, added), more=note)
            await self.store.add_element_set(stage, span.to_dict())
            if loop and round and count:
                loops = [number for number, one in enumerate(self._stages) if one.rounds > 1]
                await self.store.update_loop_num_added_iters(loops.index(stage), round + 1)
        self._sets[stage].append(note)
        self._iterations[stage], self._runs[stage] = planning.iteration, planning.run
        self._elements[stage] = added
        return count

    async def points(self, stage: int, round: int) -> list[Point]:
        """The points of a round."""
        loop = self._stages[stage].loop if self._stages[stage].rounds > 1 else ""
        return [point for point in await read_points(self.store, stage, loop) if point.round == round]

    def sent(self, stage: int, round: int) -> list[Sent]:
        """The orders of a round so far."""
        return [one for one in self._sent if one.stage == stage and one.round == round]

    def group_id(self, stage: int, round: int) -> str | None:
        """The id that the gateway gave to the group of a round, if it was asked before."""
        return next((one.group for one in self.sent(stage, round)), None)

    async def inputs(self, point: Point) -> dict[str, object]:
        """The parameters of a point, by name."""
        return {
            path.removeprefix(INPUT): (await self.store.get_parameter_data(cast("int", index)))[1]
            for path, index in point.iteration.data_idx.items()
            if path.startswith(INPUT)
        }

    async def intend(self, stage: int, round: int, group: str, place: str, attempts: Sequence[Attempt]) -> Sent:
        """These attempts are about to be ordered; the order's key is settled with that."""
        number = self._submissions
        batches = [tuple(attempts[first : first + BATCH]) for first in range(0, len(attempts), BATCH)]
        sent = Sent(number, stage, round, f"{self.campaign_id}-{number}", group, batches)
        scripts = [
            Jobscript(
                task_insert_IDs=[stage],
                task_elements={stage: [one.element for one in batch]},
                more={"EARs": [[[stage, one.element, one.index], [one.position, ACTION, one.run]] for one in batch]},
            )
            for batch in batches
        ]
        facts: dict[str, object] = {"round": round, "acomps_key": sent.key, "group": group, "gateway": place}
        async with self.store.batch_update():
            await self.store.add_submission(Submission(jobscripts=scripts, JS_parallelism=True, more=facts).to_dict())
            keys = [(stage, one.position, ACTION, one.run) for one in attempts]
            await self.store.set_EAR_submission_indices(number, keys)
        self._submissions += 1
        self._sent.append(sent)
        return sent

    async def note_ids(self, sent: Sent, batch: int, ids: Sequence[str | None], errors: Mapping[int, str]) -> None:
        """What the gateway made of a batch; None and the error for what it refuses."""
        info = {
            "client": self._client,
            "ids": [*ids],
            "errors": {str(place): error for place, error in errors.items()},
        }
        async with self.store.batch_update():
            await self.store.set_jobscript_version_info(sent.number, batch, info)
            await self.store.set_jobscript_submit_time(sent.number, batch, datetime.now(UTC))
            await self.store.set_jobscript_job_ID(sent.number, batch, sent.group)
        sent.know(batch, ids, errors)

    async def note_commissioned(self, sent: Sent) -> None:
        """The jobs of an order have been told to run."""
        async with self.store.batch_update():
            await self.store.append_submission_attempt(sent.number, [*range(len(sent.batches))])
            for attempt, job in sent.made():
                if job is not None:
                    await self.store.set_EAR_start(sent.stage, attempt.position, ACTION, attempt.run)
        sent.commissioned = True

    async def note_outcomes(
        self, stage: int, outcomes: Sequence[Outcome], points: Mapping[int, Point]
    ) -> list[Attempt]:
        """How attempts have ended, in one commit; gives the attempts to come for those that are tried again."""
        coming: list[Attempt] = []
        index = self._runs[stage]
        async with self.store.batch_update():
            for outcome in outcomes:
                await checkpoint()
                attempt, point = outcome.attempt, points[outcome.attempt.position]
                if outcome.values is not None:
                    try:
                        await self.store.set_parameter(point.parameter(OUTPUT), dict(outcome.values))
                    except UsageError as exc:
                        outcome.values, outcome.again = None, False
                        outcome.error = f"what was read of it cannot be kept: {exc}"
                more = {"id": outcome.id, **({"error": outcome.error} if outcome.error else {})}
                await self.store.set_EAR_end(
                    stage, attempt.position, ACTION, attempt.run, success=outcome.values is not None, more=more
                )
                if outcome.again:
                    coming.append(await self._add_attempt(stage, attempt, point, index + len(coming)))
        self._runs[stage] += len(coming)
        return coming

    async def try_again(self, stage: int, failed: Sequence[Attempt], points: Mapping[int, Point]) -> list[Attempt]:
        """Another attempt after each of these, which have failed."""
        coming: list[Attempt] = []
        async with self.store.batch_update():
            for last in failed:
                index = self._runs[stage] + len(coming)
                coming.append(await self._add_attempt(stage, last, points[last.position], index))
                await checkpoint()
        self._runs[stage] += len(coming)
        return coming

    async def reopen(self) -> int:
        """Another attempt for every point that has failed; gives how many there are."""
        count = 0
        for number, stage in enumerate(self._stages):
            points = await read_points(self.store, number, stage.loop if stage.rounds > 1 else "")
            failed = {point.position: point for point in points if point.standing is Standing.FAILED}
            if failed:
                await self.try_again(number, [newest_attempt(point) for point in failed.values()], failed)
            count += len(failed)
        return count

    async def _add_attempt(self, stage: int, last: Attempt, point: Point, index: int) -> Attempt:
        attempt = Attempt(last.element, last.position, last.run + 1, index)
        source = {"EAR_idx": attempt.index, "run_idx": attempt.run}
        await self.store.add_EARs(
            stage,
            stage,
            attempt.position,
            {ACTION: [Run(index=attempt.index, data_idx=point.iteration.data_idx).to_dict()]},
            {point.parameter(OUTPUT): source},
        )
        return attempt


def newest_attempt(point: Point) -> Attempt:
    """The newest attempt at a point."""
    runs = point.iteration.actions[ACTION]
    return Attempt(point.element, point.position, len(runs) - 1, runs[-1].index)


class _Planning:
    """The records of a round that is planned, piece by piece in one commit."""

    def __init__(self, store: PersistentStore, stage: int, set_idx: int, round: int, loop: str, first: int) -> None:
        self._store, self._stage, self._set_idx = store, stage, set_idx
        self._round, self._loop = round, loop
        self._first = first
        #: The parameters that there are, by name and value, with their number among those of the name.
        self._known: dict[tuple[str, str], tuple[int, int]] = {}
        self._counts: dict[str, int] = {}
        self.iteration = 0
        self.run = 0

    async def add(self, points: Sequence[Mapping[str, object]], places: range, elements: int) -> None:
        """Add points for elements at these places, of which the first `elements` are there."""
        made: list[Element] = []
        more: dict[int, list[int]] = {}
        new: list[Iteration] = []
        old: list[Iteration] = []
        # New elements come with their iterations, old ones get more: those first, so that positions are in order.
        for element, point in zip(places, points, strict=True):
            data, steps = await self._parameters(element, point)
            iteration = Iteration(
                global_idx=self._first + self.iteration,
                data_idx=data,
                EARs_initialised=True,
                actions={ACTION: [Run(index=self.run, data_idx=data)]},
                schema_parameters=[*data],
                loop_idx={self._loop: self._round} if self._loop else {},
            )
            if element < elements:
                more[element] = [self.iteration]
                old.append(iteration)
            else:
                sources = dict.fromkeys(steps, 0)
                made.append(
                    Element(iterations_idx=[self.iteration], es_idx=self._set_idx, seq_idx=steps, src_idx=sources)
                )
                new.append(iteration)
            self.iteration += 1
            self.run += 1
        if more:
            await self._store.add_element_iterations(self._stage, self._stage, _dicts(old), more)
        if made:
            await self._store.add_elements(self._stage, self._stage, _dicts(made), _dicts(new))

    async def _parameters(self, element: int, point: Mapping[str, object]) -> tuple[dict[str, int], dict[str, int]]:
        """The parameters of a point by path, and the number of each value in the sequence of its name."""
        data: dict[str, int] = {}
        steps: dict[str, int] = {}
        for name, value in point.items():
            known = name, repr(value)
            if known not in self._known:
                step = self._counts.get(name, 0)
                self._counts[name] = step + 1
                self._known[known] = await self._store.add_parameter_data(value, self._source(step)), step
            data[INPUT + name], steps[INPUT + name] = self._known[known]
        indices = {
            "task_insert_ID": self._stage,
            "element_idx": element,
            "iteration_idx": self.iteration,
            "action_idx": ACTION,
            "run_idx": 0,
            "EAR_idx": self.run,
        }
        source = ParameterSource(type="EAR_output", indices=indices)
        data[OUTPUT] = await self._store.add_unset_parameter_data(source.to_dict())
        return data, steps

    def _source(self, step: int) -> dict[str, object]:
        indices = {"task_insert_ID": self._stage, "element_set_idx": self._set_idx, "sequence_idx": step}
        return ParameterSource(type="local_input", indices=indices).to_dict()


def _dicts(records: Iterable[Element] | Iterable[Iteration]) -> list[dict[str, object]]:
    return [one.to_dict() for one in records]
