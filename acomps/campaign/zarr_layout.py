"""Checkpoints as a Zarr store (format 3): chunked and compressed, tens of files however many parameters there are.

    zarr.json                          the root group: names the checkpoint that counts; all that is small
    checkpoints/<generation>/          a group with columns of JSON texts, one text per record:
      parameters, sources, elements, element_iterations, submissions
    arrays/<dtype>-<generation>        numeric arrays one after the other, as one array of numbers; never rewritten,
                                       except that small ones are merged

A parameter with arrays has "arrays": [[dtype, shape, part, first element], ...] in its record.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

from acomps.campaign.array_pool import read_array, write_arrays
from acomps.campaign.arrays import Place, StoredArray
from acomps.campaign.documents import as_dict, as_list, dump, load, load_foreign
from acomps.campaign.encoding import Value
from acomps.campaign.errors import StoreDamaged
from acomps.campaign.features import PersistentStoreFeatures
from acomps.campaign.frames import sync_folder
from acomps.campaign.texts import (
    element_text,
    iteration_text,
    read_submission,
    small_records,
    state_from,
    submission_record,
)
from acomps.errors import ExtraMissing

if TYPE_CHECKING:
    from pathlib import Path

    from acomps.campaign.state import State
    from acomps.campaign.times import Times

__all__ = ["ZarrLayout"]

ROOT: Final = "zarr.json"
CHECKPOINTS: Final = "checkpoints"
ARRAYS: Final = "arrays"
#: What makes a Zarr group a store of ours, and its form.
MARK: Final = "acomps_store"
FORM: Final = 1
#: A chunk has so many records.
CHUNK_RECORDS: Final = 8_192
COLUMNS: Final = ("parameters", "sources", "elements", "element_iterations", "submissions")


class ZarrLayout:
    """Checkpoints as a Zarr store; needs the extra "data"."""

    name = "zarr"
    features = PersistentStoreFeatures(
        jobscript_parallelism=True, EAR_parallelism=True, schedulers=True, submission=True
    )
    arrays = True
    files = (ROOT,)

    def is_here(self, store: Path) -> bool:
        """Whether the folder is a Zarr group that says that it is a store."""
        try:
            return MARK in _attributes(store)
        except (OSError, StoreDamaged):
            return False

    def write(self, store: Path, drafts: Path, generation: int, state: State, times: Times) -> None:
        """Write the columns and new arrays beside what is there, and the root group as a draft."""
        _require_zarr()
        pool = store / ARRAYS
        write_arrays(pool, generation, state)
        folder = store / CHECKPOINTS / str(generation)
        if folder.exists():
            shutil.rmtree(folder)
        _write_columns(folder, _columns(state, times))
        _sync_tree(folder)
        for parent in (folder.parent, store):
            sync_folder(parent)
        root = {"zarr_format": 3, "node_type": "group", "attributes": _root(state, generation)}
        with (drafts / ROOT).open("w", encoding="utf-8") as handle:
            json.dump(root, handle)
            handle.flush()
            os.fsync(handle.fileno())

    def read(self, store: Path, times: Times) -> State:
        """The tables behind the root group and its columns."""
        _require_zarr()
        root = _attributes(store)
        if root[MARK] != FORM:
            raise StoreDamaged(f"{store} has the form {root[MARK]!r}: this version reads the form {FORM}")
        columns = _read_columns(store / CHECKPOINTS / str(root["generation"]))
        return _state(root, columns, times)

    def read_array(self, store: Path, array: StoredArray) -> bytes:
        """The bytes of an array in the pool."""
        return read_array(store / ARRAYS, array)

    def sweep(self, store: Path) -> None:
        """Remove the columns of other checkpoints, and parts of the pool that nobody refers to."""
        root = _attributes(store)
        keep = {str(root["generation"])}
        parts = {str(part) for part in as_list(root["parts"], "parts")}
        for folder, kept in ((store / CHECKPOINTS, keep), (store / ARRAYS, parts)):
            for found in folder.glob("*"):
                if found.name not in kept and found.is_dir():
                    shutil.rmtree(found)


def _require_zarr() -> None:
    try:
        importlib.import_module("zarr")
    except ImportError as error:
        raise ExtraMissing("a Zarr store", "data") from error


def _attributes(store: Path) -> dict[str, object]:
    try:
        root = as_dict(load_foreign((store / ROOT).read_bytes()), ROOT)
    except ValueError as exc:
        raise StoreDamaged(f"{store / ROOT} is no JSON: {exc}") from exc
    return as_dict(root.get("attributes"), "the attributes of the root group")


def _root(state: State, generation: int) -> dict[str, object]:
    parts = {array.place.part for array in state.arrays() if array.place is not None}
    return {
        MARK: FORM,
        "generation": generation,
        **small_records(state),
        "replaced_dir": state.replaced_dir,
        "sizes": [[len(task.elements), len(task.iterations)] for task in state.tasks],
        "parts": sorted(parts),
    }


def _columns(state: State, times: Times) -> dict[str, list[bytes]]:
    return {
        "parameters": [b"" if one is None else _value_text(one) for one in state.values],
        "sources": state.sources,
        "elements": [element_text(task, index) for task in state.tasks for index in range(len(task.elements))],
        "element_iterations": [
            iteration_text(task, index, times) for task in state.tasks for index in range(len(task.iterations))
        ],
        "submissions": [dump(submission_record(one), "a submission") for one in state.submissions],
    }


def _value_text(value: bytes | Value) -> bytes:
    if isinstance(value, bytes):
        return value
    places = [
        [array.dtype, [*array.shape], array.place.part if array.place else "", array.place.start if array.place else 0]
        for array in value.arrays
    ]
    return value.text[:-1] + b',"arrays":' + dump(places, "places") + b"}"


def _value(text: bytes) -> bytes | Value | None:
    if not text:
        return None
    if not text.endswith(b"]]}"):
        return text
    record = as_dict(load(text), "a parameter")
    places = record.pop("arrays", None)
    if places is None:
        return text
    arrays = [
        StoredArray(dtype, tuple(shape), None, Place(part, start)) if part else StoredArray(dtype, tuple(shape), b"")
        for dtype, shape, part, start in cast("list[tuple[str, list[int], str, int]]", places)
    ]
    return Value(dump(record, "a parameter"), tuple(arrays))


def _write_columns(folder: Path, columns: dict[str, list[bytes]]) -> None:
    import numpy as np
    import zarr

    # Among what zarr takes for a store are things of packages without types.
    group = zarr.create_group(folder, zarr_format=3)  # pyright: ignore[reportUnknownMemberType]
    for name, texts in columns.items():
        array = group.create_array(
            name, shape=(len(texts),), chunks=(min(max(1, len(texts)), CHUNK_RECORDS),), dtype="string"
        )
        if texts:
            array[:] = np.array([text.decode() for text in texts], dtype=object)


def _read_columns(folder: Path) -> dict[str, list[bytes]]:
    import numpy as np
    import zarr

    group = zarr.open_group(folder, mode="r", zarr_format=3)  # pyright: ignore[reportUnknownMemberType] - as above
    found: dict[str, list[bytes]] = {}
    for name in COLUMNS:
        array = group[name]
        if not isinstance(array, zarr.Array):
            raise StoreDamaged(f"{name} in {folder} is no array")
        texts = cast("list[str]", np.asarray(array[:]).tolist())
        found[name] = [text.encode() for text in texts]
    return found


def _state(root: dict[str, object], columns: dict[str, list[bytes]], times: Times) -> State:
    elements, iterations = map(load, columns["elements"]), map(load, columns["element_iterations"])
    sizes = cast("list[tuple[int, int]]", root["sizes"])
    # Each task's are taken before the next task's are asked for.
    records = ((islice(elements, points), islice(iterations, rounds)) for points, rounds in sizes)
    state = state_from(root, records, times)
    state.values, state.sources = [*map(_value, columns["parameters"])], columns["sources"]
    state.submissions = [read_submission(text) for text in columns["submissions"]]
    return state


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
