"""Values of parameters <-> JSON text: tuples, sets and other keys than texts are noted beside the data.

The record of a value is `{"data": ..., "type_lookup": {"tuples": [path, ...], "sets": [path, ...]}}`, a path being the
keys and positions from the top. When some key is not a text there is also `"keys": [[path, {text: key}], ...]`; a
store that can hold arrays adds `"arrays": [[path, k], ...]` and `"masked_arrays": [[path, [k, k, k]], ...]` (data, mask
and fill value), where k counts the arrays of the value.
"""

from __future__ import annotations

import json
import math
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import orjson

from acomps.campaign.arrays import StoredArray
from acomps.campaign.documents import as_dict, as_list, dump_other, load
from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ParameterValue", "Value", "decode", "encode"]

#: How deep a value may be nested.
MAX_DEPTH: Final = 50
_Path: TypeAlias = list[object]


class ParameterValue(ABC):
    """A value of one's own class; what its `to_dict` gives is stored."""

    @abstractmethod
    def to_dict(self) -> dict[str, object]:
        """The value as a dict of what can be stored."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is stored: its record as JSON text, and its arrays."""

    text: bytes
    arrays: tuple[StoredArray, ...] = ()

    @property
    def stored(self) -> bytes | Value:
        """What a table keeps: the text alone if there are no arrays, for tables are long."""
        return self if self.arrays else self.text


def encode(value: object, *, arrays: bool = False) -> Value:
    """The value as it is stored; UsageError (a ValueError) names a type that has no place there.

    Numbers, texts, None, lists, tuples, sets, dicts and `ParameterValue`s, nested up to 50 levels; numbers of NumPy
    become Python's. With `arrays` also numeric NumPy arrays, masked or not.
    """
    walk = _Walk(arrays=arrays)
    data = walk.plain(value)
    record = {"data": data, "type_lookup": walk.lookup}
    try:
        if walk.finite:
            return Value(orjson.dumps(record), tuple(walk.arrays))
    except TypeError:
        # Integers over 64 bits and lone surrogates are no JSON for orjson.
        pass
    return Value(dump_other(record, "parameter data"), tuple(walk.arrays))


class _Walk:
    """One way through a value."""

    def __init__(self, *, arrays: bool) -> None:
        self._with_arrays = arrays
        self._path: _Path = []
        self.finite = True
        self.arrays: list[StoredArray] = []
        self.lookup: dict[str, list[object]] = {"tuples": [], "sets": []}
        if arrays:
            self.lookup |= {"arrays": [], "masked_arrays": []}

    def plain(self, value: object) -> object:
        """What JSON can say of the value; the rest is noted."""
        if value is None or isinstance(value, str | int):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                self.finite = False
            return float(value)
        if len(self._path) > MAX_DEPTH:
            raise UsageError(f"parameter data is nested over {MAX_DEPTH} levels deep")
        if isinstance(value, list | tuple | set):
            return self._many(cast("Sequence[object] | Set[object]", value))
        if isinstance(value, dict):
            return self._dict(cast("dict[object, object]", value))
        if isinstance(value, ParameterValue):
            return self._dict(cast("dict[object, object]", value.to_dict()))
        return self._numpy(value)

    def _many(self, value: Sequence[object] | Set[object]) -> list[object]:
        path = self._path
        path.append(0)
        items: list[object] = []
        for position, item in enumerate(value):
            path[-1] = position
            items.append(self.plain(item))
        path.pop()
        if isinstance(value, tuple):
            self.lookup["tuples"].append([*path])
        elif isinstance(value, set):
            self.lookup["sets"].append([*path])
        return items

    def _dict(self, value: dict[object, object]) -> dict[str, object]:
        path = self._path
        path.append("")
        items: dict[str, object] = {}
        others: dict[str, object] = {}
        for key, item in value.items():
            text = key if isinstance(key, str) else self._key(key, others)
            if text in items:
                raise UsageError(f"a dict has two keys that are both written {text!r}")
            path[-1] = text
            items[text] = self.plain(item)
        path.pop()
        if others:
            self.lookup.setdefault("keys", []).append([[*path], others])
        return items

    def _key(self, key: object, others: dict[str, object]) -> str:
        if not (key is None or isinstance(key, bool | int | float)):
            raise UsageError(f"parameter data has a dict key of type {type(key)}: texts, numbers and None can be kept")
        text = json.dumps(key)
        others[text] = self.plain(key)
        return text

    def _numpy(self, value: object) -> object:
        if "numpy" in sys.modules:
            import numpy as np

            found = cast("NDArray[np.generic] | np.generic | str", value)
            if isinstance(found, np.generic) and np.asarray(found).dtype.kind in "biuf":
                return self.plain(cast("object", found.item()))
            if self._with_arrays and isinstance(found, np.ndarray) and found.dtype.kind in "biufc":
                self._array(found)
                return None
        raise UsageError(f"parameter data of type {type(value)} cannot be stored here: {value!r:.80}")

    def _array(self, value: NDArray[np.generic]) -> None:
        import numpy as np

        number = len(self.arrays)
        if isinstance(value, np.ma.MaskedArray):
            masked = cast("np.ma.MaskedArray[tuple[int, ...], np.dtype[np.generic]]", value)
            fill = np.asarray(masked.fill_value, dtype=masked.dtype)
            self.arrays += map(StoredArray.of, (np.asarray(masked.data), np.ma.getmaskarray(masked), fill))
            self.lookup["masked_arrays"].append([[*self._path], [number, number + 1, number + 2]])
        else:
            self.arrays.append(StoredArray.of(value))
            self.lookup["arrays"].append([[*self._path], number])


def decode(text: bytes, arrays: Sequence[NDArray[np.generic]] = ()) -> object:
    """The value behind its record, made anew; the innermost parts first, so that a tuple may hold a set."""
    record = as_dict(load(text), "a parameter")
    data = record["data"]
    lookup = as_dict(record["type_lookup"], "a type lookup")
    noted = [(kind, entry) for kind, entries in lookup.items() for entry in as_list(entries, "a type lookup")]
    if not noted:
        return data
    parts = [(_path_of(kind, as_list(entry, "an entry")), kind, as_list(entry, "an entry")) for kind, entry in noted]
    parts.sort(key=lambda part: -len(part[0]))
    root: dict[object, object] | list[object] = [data]
    for path, kind, entry in parts:
        where, last = root, cast("object", 0)
        for step in path:
            where, last = cast("dict[object, object] | list[object]", _at(where, last)), step
        _put(where, last, _restored(kind, entry, _at(where, last), arrays))
    return _at(root, 0)


def _path_of(kind: str, entry: list[object]) -> list[object]:
    return entry if kind in {"tuples", "sets"} else as_list(entry[0], "a path")


def _at(where: dict[object, object] | list[object], step: object) -> object:
    return where[cast("int", step)]


def _put(where: dict[object, object] | list[object], step: object, value: object) -> None:
    where[cast("int", step)] = value


def _restored(kind: str, entry: list[object], found: object, arrays: Sequence[NDArray[np.generic]]) -> object:
    if kind == "tuples":
        return tuple(cast("list[object]", found))
    if kind == "sets":
        return set(cast("list[object]", found))
    if kind == "keys":
        others = as_dict(entry[1], "keys")
        return {others.get(key, key) if key in others else key: item for key, item in as_dict(found, "data").items()}
    if kind == "arrays":
        return arrays[cast("int", entry[1])]
    if kind == "masked_arrays":
        import numpy as np

        values, mask, fill = (arrays[cast("int", number)] for number in as_list(entry[1], "an entry"))
        masked = np.ma.MaskedArray(values, mask=mask.astype(np.bool_), dtype=values.dtype)
        masked.fill_value = fill.item()
        return masked
    raise UsageError(f"parameter data has parts of the kind {kind!r}, which this version does not know")
