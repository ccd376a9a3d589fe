"""The course of one round: attempts are sent, followed and harvested at the same time, until every point is settled.

send     waiting attempts as orders: intent committed, jobs made, ids committed, told to run
follow   one look after another at the group, which tells what has ended
harvest  a fixed number of tasks that fetch and read the outputs of what has succeeded
record   what has ended is committed, many at a time; what is tried again waits to be sent
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from acomps.campaign.runner.book import Outcome, newest_attempt
from acomps.campaign.runner.gateway import Job, JobFile, Order
from acomps.campaign.runner.orders import BATCH, Attempt, Sent
from acomps.campaign.runner.points import Standing
from acomps.campaign.runner.readers import Reader
from acomps.campaign.runner.stages import RerunPolicy, SweepLike
from acomps.errors import AcompsError, ContentError, NotFound, UsageError
from acomps.streams import task_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from acomps.campaign.runner.book import Book
    from acomps.campaign.runner.gateway import Created, Ended, Gateway
    from acomps.campaign.runner.points import Point

__all__ = ["CampaignFailed", "Course", "Plan", "settled"]

#: So many attempts are in one order; their points are in memory at a time.
_ORDER: Final = 1_000
#: So many outputs are fetched at a time.
_HARVESTERS: Final = 16
#: Results that come one by one are committed together, if they come within so many seconds.
_LINGER_S: Final = 0.5
#: When this many have failed and none succeeded, something is wrong with all of them.
_HOPELESS: Final = 20


class CampaignFailed(AcompsError):
    """Nothing of a round has succeeded, so there is nothing to go on with; the message has the first error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a round is, and what is to be done with it."""

    stage: int
    round: int
    name: str
    group: str
    sweep: SweepLike
    outputs: Sequence[str]
    read: Reader
    policy: RerunPolicy
    changed: Callable[[], None]


def settled(points: Sequence[Point], policy: RerunPolicy) -> bool:
    """Whether nothing is left to do in a round, and something has come of it."""
    ends = {Standing.SUCCEEDED, Standing.FAILED}
    return any(point.standing is Standing.SUCCEEDED for point in points) and all(
        point.standing in ends and not _worth_another(point, policy) for point in points
    )


def _worth_another(point: Point, policy: RerunPolicy) -> bool:
    """Whether a point has failed and is to be tried again; what was refused has no id."""
    if point.standing is not Standing.FAILED or point.newest.more.get("id") is None:
        return False
    return policy.again(point.attempts, point.error)


class Course:
    """One round on its way."""

    def __init__(self, book: Book, gateway: Gateway, plan: Plan, points: Sequence[Point]) -> None:
        self._book, self._gateway, self._plan = book, gateway, plan
        self._points = {point.position: point for point in points}
        self._tried = {point.position: point.attempts for point in points}
        self._waiting: deque[Attempt] = deque()
        #: Attempts that failed and would be tried again, if only anything had succeeded yet.
        self._held: list[Attempt] = []
        self._unanswered: list[Sent] = []
        self._asleep: list[Sent] = []
        #: Jobs whose end is waited for; all jobs that are known; ends of jobs that were not known yet.
        self._watched: dict[str, Attempt] = {}
        self._known: set[str] = set()
        self._early: dict[str, Ended] = {}
        self._moved = anyio.Event()
        self._left = 0
        self._succeeded = 0
        self._first_error = ""

    async def run(self) -> None:
        """Return when every point is settled; CampaignFailed when none has succeeded."""
        refused = self._recall()
        if self._left:
            ended, ends = anyio.create_memory_object_stream[tuple[Attempt, str]](2 * _HARVESTERS)
            done, outcomes = anyio.create_memory_object_stream[Outcome](BATCH)
            async with ended, ends, done, outcomes, task_group() as tasks:
                tasks.start_soon(self._send_all, ended, done)
                tasks.start_soon(self._follow, ended, done)
                for _ in range(_HARVESTERS):
                    tasks.start_soon(self._harvest, ends, done)
                tasks.start_soon(self._feed, refused, done)
                await self._record(outcomes)
                tasks.cancel_scope.cancel()
        if self._points and not self._succeeded:
            raise CampaignFailed(
                f"all {len(self._points):,} points of {self._plan.name} have failed; the first error: "
                f"{self._first_error or 'unknown'}. Look at one of the simulations, then run the failed ones again"
            )

    def _recall(self) -> list[Outcome]:
        """Sort what the store knows of this round; gives what was refused, of which the end is not noted yet."""
        open_ones: dict[Attempt, Point] = {}
        for point in self._points.values():
            attempt = newest_attempt(point)
            match point.standing:
                case Standing.WAITING:
                    self._waiting.append(attempt)
                case Standing.SENT:
                    open_ones[attempt] = point
                case Standing.SUCCEEDED:
                    self._succeeded += 1
                case Standing.FAILED:
                    if _worth_another(point, self._plan.policy):
                        self._held.append(attempt)
                    self._first_error = self._first_error or point.error
        self._left = len(self._waiting) + len(open_ones) + len(self._held)
        refused: list[Outcome] = []
        for sent in self._book.sent(self._plan.stage, self._plan.round):
            if sent.unanswered():
                self._unanswered.append(sent)
            elif not sent.commissioned:
                self._asleep.append(sent)
            for attempt, job in sent.made():
                if job is not None:
                    self._known.add(job)
                if attempt in open_ones:
                    if job is None:
                        refused.append(Outcome(attempt, None, values=None, error=sent.errors.get(attempt, "refused")))
                    else:
                        self._watched[job] = attempt
        return refused

    async def _feed(self, outcomes: list[Outcome], done: MemoryObjectSendStream[Outcome]) -> None:
        for outcome in outcomes:
            await done.send(outcome)

    async def _send_all(
        self, ended: MemoryObjectSendStream[tuple[Attempt, str]], done: MemoryObjectSendStream[Outcome]
    ) -> None:
        """Order what waits; what an earlier run may have ordered comes first."""
        while self._unanswered:
            await self._order(self._unanswered[0], ended, done, again=True)
            del self._unanswered[0]
        for sent in self._asleep:
            await self._commission(sent)
        while True:
            moved = self._moved
            while self._waiting:
                attempts = [self._waiting.popleft() for _ in range(min(_ORDER, len(self._waiting)))]
                plan = self._plan
                place = self._gateway.place
                sent = await self._book.intend(plan.stage, plan.round, plan.group, place, attempts)
                await self._order(sent, ended, done, again=False)
            await moved.wait()

    async def _order(
        self,
        sent: Sent,
        ended: MemoryObjectSendStream[tuple[Attempt, str]],
        done: MemoryObjectSendStream[Outcome],
        *,
        again: bool,
    ) -> None:
        open_ones = sent.unanswered()
        inputs = {place: await self._book.inputs(self._points[attempt.position]) for place, attempt in open_ones}
        answers: dict[int, dict[int, Created]] = {}

        async def note(created: Created) -> None:
            batch, place = divmod(created.place, BATCH)
            answered = answers.setdefault(batch, {})
            answered[place] = created
            if len(answered) == len(sent.batches[batch]):
                await self._note_batch(sent, batch, answers.pop(batch), ended, done)

        order = Order(
            key=sent.key,
            group=sent.group,
            places=[place for place, _ in open_ones],
            jobs=self._jobs(inputs),
            again=again,
        )
        await self._gateway.create(order, note)
        if sent.unanswered():
            raise UsageError(f"{self._gateway.place} did not say what became of order {sent.key}")
        await self._commission(sent)

    def _jobs(self, inputs: Mapping[int, Mapping[str, object]]) -> Iterator[Job]:
        for place, point in inputs.items():
            made = self._plan.sweep.simulation(point)
            files: list[JobFile] = []
            for file in made.files:
                if file.content is None:
                    raise UsageError(
                        f"file {file.file_name!r} of {self._plan.name} has no content: give bytes or a path"
                    )
                files.append(JobFile(name=file.file_name, content=file.content))
            yield Job(place=place, name=made.name, tags=made.tags, files=files)

    async def _note_batch(
        self,
        sent: Sent,
        batch: int,
        answers: Mapping[int, Created],
        ended: MemoryObjectSendStream[tuple[Attempt, str]],
        done: MemoryObjectSendStream[Outcome],
    ) -> None:
        ids = [answers[place].id for place in range(len(answers))]
        errors = {place: answers[place].error for place, job in enumerate(ids) if job is None}
        await self._book.note_ids(sent, batch, ids, errors)
        for place, (attempt, job) in enumerate(zip(sent.batches[batch], ids, strict=True)):
            if job is None:
                await done.send(Outcome(attempt, None, values=None, error=errors[place]))
                continue
            self._known.add(job)
            self._watched[job] = attempt
            # Another order of the group may have had it run already.
            early = self._early.pop(job, None)
            if early is not None:
                await self._note_end(early, ended, done)
        self._wake()

    async def _commission(self, sent: Sent) -> None:
        jobs = [job for _, job in sent.made() if job is not None]
        if jobs:
            await self._gateway.commission(sent.group, jobs)
        await self._book.note_commissioned(sent)
        self._plan.changed()

    async def _follow(
        self, ended: MemoryObjectSendStream[tuple[Attempt, str]], done: MemoryObjectSendStream[Outcome]
    ) -> None:
        while True:
            moved = self._moved
            if not self._watched:
                await moved.wait()
                continue
            before = dict(self._watched)
            await self._gateway.states(
                self._plan.group, self._watched.keys(), partial(self._note_end, ended=ended, done=done)
            )
            # All jobs of the group are at their end: those of which nothing was said are not there any more.
            for job in before.keys() & self._watched.keys():
                attempt = self._watched.pop(job)
                await done.send(Outcome(attempt, job, values=None, error="the gateway does not have it any more"))

    async def _note_end(
        self,
        end: Ended,
        ended: MemoryObjectSendStream[tuple[Attempt, str]],
        done: MemoryObjectSendStream[Outcome],
    ) -> None:
        attempt = self._watched.pop(end.id, None)
        if attempt is None:
            if end.id not in self._known:
                self._early[end.id] = end
        elif end.succeeded:
            await ended.send((attempt, end.id))
        else:
            await done.send(self._failure(attempt, end.id, end.error))

    async def _harvest(
        self, ends: MemoryObjectReceiveStream[tuple[Attempt, str]], done: MemoryObjectSendStream[Outcome]
    ) -> None:
        async for attempt, job in ends:
            try:
                files = await self._gateway.outputs(job, self._plan.outputs)
                values = await anyio.to_thread.run_sync(self._plan.read, files)
            except (NotFound, ContentError) as exc:
                outcome = self._failure(attempt, job, str(exc))
            except AcompsError:
                # The gateway is lost, or the login: that says nothing about this attempt.
                raise
            except Exception as exc:  # whatever a reader of the user's raises
                outcome = self._failure(attempt, job, f"its outputs cannot be read: {type(exc).__name__}: {exc}")
            else:
                outcome = Outcome(attempt, job, values=values, error="")
            await done.send(outcome)

    def _failure(self, attempt: Attempt, job: str, error: str) -> Outcome:
        outcome = Outcome(attempt, job, values=None, error=error)
        outcome.again = self._plan.policy.again(self._tried[attempt.position], error)
        return outcome

    async def _record(self, outcomes: MemoryObjectReceiveStream[Outcome]) -> None:
        while self._left:
            under_way = self._left - len(self._held)
            if self._held and (self._succeeded or (not under_way and len(self._held) < _HOPELESS)):
                held, self._held = self._held, []
                self._try(await self._book.try_again(self._plan.stage, held, self._points))
                continue
            if not under_way:
                return
            found = [await outcomes.receive()]
            with anyio.move_on_after(_LINGER_S):
                while len(found) < min(BATCH, under_way):
                    found.append(await outcomes.receive())
            if not self._succeeded and all(one.values is None for one in found):
                self._held += [one.attempt for one in found if one.again]
                for one in found:
                    one.again, one.held = False, one.again
            coming = await self._book.note_outcomes(self._plan.stage, found, self._points)
            self._left -= sum(not one.held for one in found) - len(coming)
            self._succeeded += sum(one.values is not None for one in found)
            self._first_error = self._first_error or next((one.error for one in found if one.error), "")
            self._try(coming)
            self._plan.changed()

    def _try(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self._tried[attempt.position] += 1
        self._waiting.extend(attempts)
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, anyio.Event()
        moved.set()
