"""Checkpoints as three JSON files, which hpcFlow's own store reads and writes.

metadata.json      creation_info, parameter_sources, template_components, template, tasks, num_added_tasks, loops
submissions.json   a list
parameters.json    index -> null while it is unset, else {"data": ..., "type_lookup": ...}
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from acomps.campaign.documents import as_dict, as_list, dump, load_foreign
from acomps.campaign.errors import StoreDamaged
from acomps.campaign.features import PersistentStoreFeatures
from acomps.campaign.texts import (
    element_text,
    iteration_text,
    read_submission,
    small_records,
    state_from,
    submission_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from acomps.campaign.arrays import StoredArray
    from acomps.campaign.encoding import Value
    from acomps.campaign.state import State
    from acomps.campaign.times import Times

__all__ = ["METADATA", "PARAMETERS", "SUBMISSIONS", "JSONLayout", "documents"]

METADATA: Final = "metadata.json"
SUBMISSIONS: Final = "submissions.json"
PARAMETERS: Final = "parameters.json"


class JSONLayout:
    """Checkpoints as three JSON files, with one record on a line."""

    name = "json"
    features = PersistentStoreFeatures(schedulers=True, submission=True)
    arrays = False
    files = (METADATA, SUBMISSIONS, PARAMETERS)

    def is_here(self, store: Path) -> bool:
        """Whether all three files are there."""
        return all((store / name).is_file() for name in self.files)

    def write(self, store: Path, drafts: Path, generation: int, state: State, times: Times) -> None:
        """Write the three files."""
        for name, text in documents(state, times).items():
            with (drafts / name).open("wb") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())

    def read(self, store: Path, times: Times) -> State:
        """The tables behind the three files."""
        metadata, submissions, parameters = (_read(store / name) for name in self.files)
        return _state(as_dict(metadata, METADATA), submissions, as_dict(parameters, PARAMETERS), times)

    def read_array(self, store: Path, array: StoredArray) -> bytes:
        """There are no arrays in JSON."""
        raise StoreDamaged(f"the JSON store {store} refers to an array at {array.place}")

    def sweep(self, store: Path) -> None:
        """There is nothing but the three files."""


def documents(state: State, times: Times) -> dict[str, bytes]:
    """The text of each file."""
    tasks = [
        b'{"elements": %b,\n "element_iterations": %b}'
        % (
            _list(element_text(task, index) for index in range(len(task.elements))),
            _list(iteration_text(task, index, times) for index in range(len(task.iterations))),
        )
        for task in state.tasks
    ]
    small = {name: dump(record, name) for name, record in small_records(state).items()}
    metadata = small | {
        "parameter_sources": _dict(state.sources),
        "tasks": _list(tasks),
    }
    if state.replaced_dir is not None:
        metadata["replaced_dir"] = dump(state.replaced_dir, "a name")
    return {
        METADATA: b"{%b\n}\n" % b",".join(b'\n"%b": %b' % (name.encode(), text) for name, text in metadata.items()),
        SUBMISSIONS: _list(dump(submission_record(one), "a submission") for one in state.submissions),
        PARAMETERS: _dict(b"null" if one is None else _text(one) for one in state.values),
    }


def _text(value: bytes | Value) -> bytes:
    if isinstance(value, bytes):
        return value
    raise StoreDamaged("a JSON store has a parameter with arrays")


def _list(texts: Iterable[bytes]) -> bytes:
    return b"[\n%b\n]" % b",\n".join(texts)


def _dict(texts: Iterable[bytes]) -> bytes:
    return b"{\n%b\n}" % b",\n".join(b'"%d": %b' % item for item in enumerate(texts))


def _read(path: Path) -> object:
    try:
        return load_foreign(path.read_bytes())
    except ValueError as exc:
        raise StoreDamaged(f"{path} is no JSON: {exc}") from exc


def _state(metadata: dict[str, object], submissions: object, parameters: dict[str, object], times: Times) -> State:
    tables = [as_dict(one, "a task") for one in as_list(metadata["tasks"], "tasks")]
    records = [
        (as_list(one["elements"], "elements"), as_list(one["element_iterations"], "iterations")) for one in tables
    ]
    state = state_from(metadata, records, times)
    sources = as_dict(metadata["parameter_sources"], "parameter sources")
    for index in range(len(parameters)):
        if str(index) not in parameters:
            raise StoreDamaged(f"{PARAMETERS} has {len(parameters)} parameters, and none with the index {index}")
        found = parameters[str(index)]
        state.values.append(None if found is None else dump(found, "a parameter"))
        state.sources.append(dump(sources.get(str(index), {}), "a source"))
    state.submissions = [read_submission(dump(one, "a submission")) for one in as_list(submissions, SUBMISSIONS)]
    return state
