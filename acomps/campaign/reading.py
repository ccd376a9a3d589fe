"""The methods of a store that read a workflow, with what is pending in the batch of the task that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread

from acomps.campaign.core import StoreCore
from acomps.campaign.documents import as_dict, as_list, load, load_dict
from acomps.campaign.encoding import Value, decode
from acomps.campaign.errors import StoreDamaged
from acomps.campaign.texts import small_records, submission_record
from acomps.collector import made

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from acomps.campaign.arrays import StoredArray
    from acomps.campaign.model import Iteration
    from acomps.campaign.state import TaskTable

__all__ = ["Reading"]

#: More records than these are made by a thread.
MANY: Final = 1_000


class Reading(StoreCore):
    """All that reads a workflow; what it gives is the caller's own. Times are UTC."""

    async def get_creation_info(self) -> dict[str, object]:
        """What made the workflow: app_info, create_time, ts_fmt, ts_name_fmt."""
        return load_dict((await self._state()).creation_info)

    async def get_template(self) -> dict[str, object]:
        """The template with its tasks, their element sets, and its loops."""
        return (await self._state()).whole_template()

    async def get_template_components(self) -> dict[str, object]:
        """Definitions by kind and content hash."""
        return as_dict(small_records(await self._state())["template_components"], "template components")

    async def get_loops(self) -> list[dict[str, object]]:
        """What loops are at run time: num_added_iterations and iterable_parameters."""
        return [
            {"num_added_iterations": loop.num_added_iterations, "iterable_parameters": load(loop.iterable_parameters)}
            for loop in (await self._state()).loops
        ]

    async def get_submissions(self) -> list[dict[str, object]]:
        """The submissions; `submit_time` is a time, and the keys of `task_elements` are insert IDs."""
        return [self._submission(submission_record(one)) for one in (await self._state()).submissions]

    async def get_num_added_tasks(self) -> int:
        """How many tasks were ever added: the insert ID of the next one."""
        return (await self._state()).num_added_tasks

    async def get_all_tasks_metadata(self) -> list[dict[str, int]]:
        """How many elements, iterations and runs each task has, in the order of the tasks."""
        return [
            {"num_elements": elements, "num_element_iterations": iterations, "num_EARs": runs}
            for elements, iterations, runs in (await self._state()).run_count()
        ]

    async def get_task_elements(
        self, task_idx: int, task_insert_ID: int, selection: slice, keep_iterations_idx: bool = False
    ) -> list[dict[str, object]]:
        """The elements of a task that a slice selects, each with its iterations, and these with their runs."""
        task = (await self._state()).task(task_idx, task_insert_ID)
        chosen = range(*selection.indices(len(task.elements)))
        if len(chosen) <= MANY:
            return _elements(task, chosen, keep_iterations_idx)
        return await anyio.to_thread.run_sync(_elements, task.copied(), chosen, keep_iterations_idx)

    async def get_task_elements_islice(
        self, task_idx: int, task_insert_ID: int, selection: int | slice
    ) -> AsyncGenerator[dict[str, object]]:
        """The elements of a task that an index or a slice selects, one by one."""
        if isinstance(selection, int):
            selection = slice(selection, selection + 1 or None, 1)
        count = len((await self._state()).task(task_idx, task_insert_ID).elements)
        for index in range(*selection.indices(count)):
            yield (await self._state()).task(task_idx, task_insert_ID).element(index, keep_iterations_idx=False)

    async def get_task_iterations(self, task_idx: int, task_insert_ID: int) -> list[tuple[int, int, Iteration]]:
        """All iterations of a task as values, element by element: the index of the element, its own, and itself."""
        task = (await self._state()).task(task_idx, task_insert_ID).copied()
        return await anyio.to_thread.run_sync(_iterations, task)

    async def get_parameter_data(self, index: int) -> tuple[bool, object]:
        """Whether a parameter is set, and its value."""
        value = (await self._state()).value(index)
        if isinstance(value, Value):
            return await anyio.to_thread.run_sync(self._told, value)
        return self._told(value)

    async def get_all_parameter_data(self) -> dict[int, tuple[bool, object]]:
        """Of all parameters: whether it is set, and its value."""
        values = (await self._state()).values.copy()
        return await anyio.to_thread.run_sync(self._all, values)

    async def get_parameter_source(self, index: int) -> dict[str, object]:
        """Where a parameter comes from."""
        return load_dict((await self._state()).source(index))

    async def is_parameter_set(self, index: int) -> bool:
        """Whether a parameter has its value, which may be None."""
        return (await self._state()).value(index) is not None

    async def check_parameters_exist(self, indices: int | Sequence[int]) -> bool | list[bool]:
        """Whether there is a parameter with this index; for a list or tuple, of each."""
        count = len((await self._state()).sources)
        if isinstance(indices, int):
            return 0 <= indices < count
        return [0 <= index < count for index in indices]

    def _submission(self, record: dict[str, object]) -> dict[str, object]:
        for found in as_list(record.get("jobscripts", []), "jobscripts"):
            jobscript = as_dict(found, "a jobscript")
            jobscript["submit_time"] = self._times.moment(jobscript.get("submit_time"))
            elements = as_dict(jobscript.get("task_elements", {}), "the elements of a jobscript")
            jobscript["task_elements"] = {int(key): many for key, many in elements.items()}
        return record

    def _all(self, values: Sequence[bytes | Value | None]) -> dict[int, tuple[bool, object]]:
        return dict(enumerate(made(map(self._told, values))))

    def _told(self, value: bytes | Value | None) -> tuple[bool, object]:
        if value is None:
            return False, None
        return True, decode(value) if isinstance(value, bytes) else self._with_arrays(value)

    def _with_arrays(self, value: Value) -> object:
        """The value with its arrays, which may have to be read; blocks."""
        return decode(value.text, [array.made(self._raw(array)) for array in value.arrays])

    def _raw(self, array: StoredArray) -> bytes:
        while True:
            # A checkpoint may let go of the bytes, or move them, at any moment: the place is asked for after.
            raw, place = array.raw, array.place
            if raw is not None:
                return raw
            try:
                return self._layout().read_array(self._workflow.path, array)
            except StoreDamaged:
                if array.place == place:
                    raise


def _iterations(task: TaskTable) -> list[tuple[int, int, Iteration]]:
    return made(
        (element, position, task.iteration(position))
        for element, one in enumerate(task.elements)
        for position in one.iterations_idx
    )


def _elements(task: TaskTable, chosen: range, keep: bool) -> list[dict[str, object]]:
    return made(task.element(index, keep_iterations_idx=keep) for index in chosen)
