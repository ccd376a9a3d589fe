"""The pool of arrays in a Zarr store: arrays of one type one after the other, in parts that are written once.

A part is a Zarr array of one dimension. A checkpoint writes what is new as another part, together with the arrays of
parts that are still small, so that their number stays small too.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from acomps.campaign.arrays import Place, StoredArray
from acomps.campaign.errors import StoreDamaged
from acomps.campaign.frames import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from acomps.campaign.state import State

__all__ = ["read_array", "write_arrays"]

#: A part under this size is written again with the next one; a chunk has so many bytes.
SMALL_BYTES: Final = 8 << 20
CHUNK_BYTES: Final = 1 << 20


def write_arrays(pool: Path, generation: int, state: State) -> None:
    """Write all arrays that are in memory only, and settle them; blocks."""
    every = [array for array in state.arrays() if array.size]
    new: defaultdict[str, list[StoredArray]] = defaultdict(list)
    parts: defaultdict[tuple[str, str], list[StoredArray]] = defaultdict(list)
    for array in every:
        if array.place is None:
            new[array.dtype].append(array)
        else:
            parts[array.dtype, array.place.part].append(array)
    for (dtype, _), arrays in parts.items():
        if dtype in new and sum(array.size for array in arrays) * _width(dtype) < SMALL_BYTES:
            new[dtype] += arrays
    for dtype, arrays in new.items():
        part = f"{_kind(dtype)}-{generation}"
        _write(pool, part, dtype, arrays)


def read_array(pool: Path, array: StoredArray) -> bytes:
    """The bytes of an array in its part; blocks."""
    import numpy as np

    if array.place is None:
        raise StoreDamaged("an array has neither bytes nor a place")
    if not array.size:
        return b""
    found = _part(pool, array.place.part, array.place.start, array.place.start + array.size)
    if found.size != array.size:
        raise StoreDamaged(f"{pool / array.place.part} is shorter than it was")
    return found.astype(np.dtype(array.dtype)).tobytes()


def _part(pool: Path, part: str, start: int, end: int) -> NDArray[np.generic]:
    import numpy as np
    import zarr

    try:
        array = zarr.open_array(pool / part, mode="r", zarr_format=3)  # pyright: ignore[reportUnknownMemberType]
    except (FileNotFoundError, ValueError) as exc:
        raise StoreDamaged(f"{pool / part} is not there, or damaged") from exc
    return np.asarray(array[start:end])


def _write(pool: Path, part: str, dtype: str, arrays: list[StoredArray]) -> None:
    import numpy as np
    import zarr

    folder = pool / part
    if folder.exists():
        shutil.rmtree(folder)
    pool.mkdir(exist_ok=True)
    pieces = [array.made(array.raw or read_array(pool, array)).ravel() for array in arrays]
    flat = np.concatenate(pieces).astype(np.dtype(dtype).newbyteorder("<"))
    chunk = max(1, CHUNK_BYTES // max(1, flat.dtype.itemsize))
    # Among what zarr takes for a store are things of packages without types.
    target = zarr.create_array(  # pyright: ignore[reportUnknownMemberType]
        folder, shape=flat.shape, chunks=(min(chunk, flat.size),), dtype=flat.dtype, zarr_format=3
    )
    target[:] = flat
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
    for path in (folder, pool, pool.parent):
        sync_folder(path)
    start = 0
    for array in arrays:
        array.settle(Place(part, start))
        start += array.size


def _width(dtype: str) -> int:
    return int(dtype[2:])


def _kind(dtype: str) -> str:
    return {"<": "little", ">": "big", "|": "byte"}[dtype[0]] + dtype[1:]
