"""The methods of a store that add to a workflow and set what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from acomps.campaign.additions import (
    AddComponents,
    AddElements,
    AddElementSet,
    AddIterations,
    AddLoop,
    AddParameter,
    AddRuns,
    AddSubmission,
    AddTask,
)
from acomps.campaign.core import StoreCore
from acomps.campaign.documents import dump
from acomps.campaign.encoding import encode
from acomps.campaign.reporting import Reporting
from acomps.campaign.settings import (
    AddAttempt,
    SetJobscript,
    SetLoopIterations,
    SetParameter,
    SetSubmissionIndices,
)
from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from acomps.campaign.change import RunKey

__all__ = ["Changing"]


class Changing(StoreCore, Reporting):
    """All that changes a workflow; the errors come with the call, and then nothing has changed.

    What is given is taken as it is at that moment. Outside a batch a call returns when its change is on the disk.
    """

    async def add_template_components(self, template_components: Mapping[str, Mapping[str, object]]) -> None:
        """Add definitions by kind and content hash; one whose hash is known stays as it is."""
        await self._change(AddComponents(dump(template_components, "template components")))

    async def add_empty_task(self, task_idx: int, task_js: Mapping[str, object]) -> None:
        """Insert a task at an index; it is known by its "insert_ID" from then on."""
        await self._change(AddTask(task_idx, self._document(task_js, "a task")))

    async def add_element_set(self, task_idx: int, element_set_js: Mapping[str, object]) -> None:
        """Add an element set to a task's template."""
        await self._change(AddElementSet(task_idx, self._document(element_set_js, "an element set")))

    async def add_elements(
        self,
        task_idx: int,
        task_insert_ID: int,
        elements: Sequence[Mapping[str, object]],
        element_iterations: Sequence[Mapping[str, object]],
    ) -> None:
        """Add elements and their iterations; the elements name the positions that the iterations will have."""
        documents = dump([*elements], "elements"), self._document([*element_iterations], "element iterations")
        await self._change(AddElements(task_idx, task_insert_ID, *documents))

    async def add_element_iterations(
        self,
        task_idx: int,
        task_insert_ID: int,
        element_iterations: Sequence[Mapping[str, object]],
        element_iters_idx: Mapping[int, Sequence[int]],
    ) -> None:
        """Add iterations to elements; the second mapping has the new positions of each element's."""
        documents = self._document([*element_iterations], "element iterations"), dump(element_iters_idx, "positions")
        await self._change(AddIterations(task_idx, task_insert_ID, *documents))

    async def add_EARs(
        self,
        task_idx: int,
        task_insert_ID: int,
        element_iter_idx: int,
        EARs: Mapping[int, Sequence[Mapping[str, object]]],
        param_src_updates: Mapping[int, Mapping[str, object]],
    ) -> None:
        """Add runs to an iteration, in lists by action, and tell the sources of parameters.

        An action that has runs gets these as well: that is how another attempt is added.
        """
        documents = self._document(EARs, "runs"), dump(param_src_updates, "sources")
        await self._change(AddRuns(task_idx, task_insert_ID, element_iter_idx, *documents))

    async def add_loop(
        self,
        task_indices: Sequence[int],
        loop_js: Mapping[str, object],
        iterable_parameters: Mapping[str, Mapping[str, object]],
    ) -> None:
        """Add a loop over tasks; the iterations that they have become its number 0."""
        documents = dump(loop_js, "a loop"), dump(iterable_parameters, "the parameters of a loop")
        await self._change(AddLoop(tuple(task_indices), *documents))

    async def add_parameter_data(self, data: object, source: Mapping[str, object]) -> int:
        """Add a parameter with its value; gives its index."""
        return await self._change(AddParameter(encode(data, arrays=self._layout().arrays), _source(source)))

    async def add_unset_parameter_data(self, source: Mapping[str, object]) -> int:
        """Add a parameter that will be set later; gives its index."""
        return await self._change(AddParameter(None, _source(source)))

    async def add_submission(self, submission_js: Mapping[str, object]) -> None:
        """Add a submission; its index is how many there were."""
        await self._change(AddSubmission(self._document(submission_js, "a submission")))

    async def append_submission_attempt(self, sub_idx: int, submitted_js_idx: int | Sequence[int]) -> None:
        """Note an attempt at a submission: the jobscripts that it sent."""
        await self._change(AddAttempt(sub_idx, dump(submitted_js_idx, "an attempt")))

    async def set_parameter(self, index: int, data: object) -> None:
        """Set the value of a parameter that has none; AlreadySet (a RuntimeError) when it has one.

        A parameter that is set to None is set.
        """
        await self._change(SetParameter(index, encode(data, arrays=self._layout().arrays)))

    async def set_EAR_submission_indices(self, sub_idx: int, EAR_indices: RunKey | Sequence[RunKey]) -> None:
        """Note which submission runs belong to: (insert ID, iteration, action, run) of one run, or of many."""
        found = cast("Sequence[RunKey | int]", EAR_indices)
        one = bool(found) and isinstance(found[0], int)
        keys = [tuple(found)] if one else [tuple(cast("RunKey", key)) for key in found]
        if any(len(key) != 4 or not all(isinstance(part, int) for part in key) for key in keys):
            raise UsageError("a run is named by its task's insert ID, iteration, action and number")
        await self._change(SetSubmissionIndices(sub_idx, cast("tuple[RunKey, ...]", tuple(keys))))

    async def set_jobscript_version_info(self, sub_idx: int, js_idx: int, vers_info: object) -> None:
        """What a jobscript was sent with."""
        await self._change(SetJobscript(sub_idx, js_idx, "version_info", dump(vers_info, "version info")))

    async def update_loop_num_added_iters(self, loop_idx: int, num_added_iters: int) -> None:
        """How many iterations a loop has by now."""
        await self._change(SetLoopIterations(loop_idx, num_added_iters))

    def _document(self, thing: object, what: str) -> bytes:
        """The JSON of what may have times in it."""
        return dump(thing, what, self._times.as_text)


def _source(source: Mapping[str, object]) -> bytes:
    return dump(dict(sorted(source.items())), "a source")
