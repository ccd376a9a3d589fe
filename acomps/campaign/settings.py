"""The changes that set something that is there already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from acomps.campaign.change import RunKey, a_change
from acomps.campaign.documents import load_dict
from acomps.campaign.encoding import Value
from acomps.campaign.errors import AlreadySet, NoSuchRecord
from acomps.errors import UsageError

if TYPE_CHECKING:
    from acomps.campaign.state import State

__all__ = [
    "AddAttempt",
    "ForgetReplacedDir",
    "SetJobscript",
    "SetLoopIterations",
    "SetParameter",
    "SetRunEnd",
    "SetRunStart",
    "SetSubmissionIndices",
    "TakenIn",
]


@a_change
@dataclass(frozen=True, slots=True)
class SetParameter:
    """The value of a parameter that has none."""

    index: int
    value: Value
    adds: ClassVar[bool] = False

    def apply(self, state: State) -> None:
        """Make the change."""
        if state.value(self.index) is not None:
            raise AlreadySet(f"parameter {self.index} is set already: add another one for another value")
        state.values[self.index] = self.value.stored


@a_change
@dataclass(frozen=True, slots=True)
class SetRunStart:
    """When a run began."""

    insert_ID: int
    iteration: int
    action: int
    run: int
    moment: datetime
    adds: ClassVar[bool] = False

    def apply(self, state: State) -> None:
        """Make the change."""
        task = state.inserted(self.insert_ID)
        place = self.iteration, self.action, self.run
        task.marks[place] = task.metadata(place).started(self.moment)


@a_change
@dataclass(frozen=True, slots=True)
class SetRunEnd:
    """When a run ended, and how; `more` holds what else is to be noted."""

    insert_ID: int
    iteration: int
    action: int
    run: int
    moment: datetime
    success: bool | None
    more: bytes
    adds: ClassVar[bool] = False

    def apply(self, state: State) -> None:
        """Make the change."""
        task = state.inserted(self.insert_ID)
        place = self.iteration, self.action, self.run
        known = task.metadata(place)
        success = known.success if self.success is None else self.success
        more = {**known.more, **load_dict(self.more)} if self.more else known.more
        task.marks[place] = replace(known, end_time=self.moment, success=success, more=more)


@a_change
@dataclass(frozen=True, slots=True)
class SetSubmissionIndices:
    """The submission that runs belong to."""

    sub_idx: int
    keys: tuple[RunKey, ...]
    adds: ClassVar[bool] = False

    def apply(self, state: State) -> None:
        """Make the change."""
        found = [
            (task, place, replace(task.metadata(place), submission_idx=self.sub_idx))
            for insert_ID, *where in self.keys
            for task, place in ((state.inserted(insert_ID), (where[0], where[1], where[2])),)
        ]
        for task, place, metadata in found:
            task.marks[place] = metadata


@a_change
@dataclass(frozen=True, slots=True)
class SetLoopIterations:
    """How many iterations a loop has by now."""

    loop_idx: int
    num_added_iters: int
    adds: ClassVar[bool] = False

    def apply(self, state: State) -> None:
        """Make the change."""
        if not 0 <= self.loop_idx < len(state.loops):
            raise NoSuchRecord(f"there is no loop {self.loop_idx}: the workflow has {len(state.loops)}")
        known = state.loops[self.loop_idx]
        state.loops[self.loop_idx] = replace(known, num_added_iterations=self.num_added_iters)


@a_change
@dataclass(frozen=True, slots=True)
class AddAttempt:
    """An attempt at a submission: the jobscripts that it sent."""

    sub_idx: int
    attempt: bytes
    adds: ClassVar[bool] = False

    def apply(self, state: State) -> None:
        """Make the change."""
        state.submission(self.sub_idx).attempts.append(self.attempt)


@a_change
@dataclass(frozen=True, slots=True)
class SetJobscript:
    """What became of a jobscript: `submit_time`, `scheduler_job_ID` or `version_info`."""

    sub_idx: int
    js_idx: int
    field: str
    document: bytes
    adds: ClassVar[bool] = False

    def apply(self, state: State) -> None:
        """Make the change."""
        if self.field not in {"submit_time", "scheduler_job_ID", "version_info"}:
            raise UsageError(f"a jobscript has no {self.field!r} that can be set")
        state.submission(self.sub_idx, self.js_idx).marks[self.js_idx, self.field] = self.document


@a_change
@dataclass(frozen=True, slots=True)
class ForgetReplacedDir:
    """The folder that was set aside is gone."""

    adds: ClassVar[bool] = False

    def apply(self, state: State) -> None:
        """Make the change."""
        state.replaced_dir = None


@a_change
@dataclass(frozen=True, slots=True)
class TakenIn:
    """So many bytes of an inbox have been taken in; -1 says that it is gone."""

    inbox: str
    upto: int
    adds: ClassVar[bool] = False

    def apply(self, state: State) -> None:
        """Make the change."""
        if self.upto < 0:
            state.inboxes.pop(self.inbox, None)
        else:
            state.inboxes[self.inbox] = self.upto
