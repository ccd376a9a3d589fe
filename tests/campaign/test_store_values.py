"""What a parameter can hold comes back as it was; what it cannot hold is refused with its type."""

from __future__ import annotations

import enum
import math
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import pytest
from campaign.conftest import GIVEN, at, made, write_empty
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acomps.campaign import JSONPersistentStore, ParameterValue, PersistentStore, WorkflowFolder, ZarrPersistentStore
from acomps.campaign.encoding import decode, encode

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner), max_leaves=4)
KEYS = st.text(alphabet="abcd", max_size=3) | st.integers()
VALUES = st.recursive(
    SCALARS | st.sets(HASHABLE, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        | st.dictionaries(st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


NESTED: list[object] = [
    (1, {2, 3}),
    ((1, 2), [(3,), {(4, 5)}]),
    {"a": ({1: (2, {3})},)},
    {2010: (1,), "2011": 2, None: 3, 2.5: 4, True: 5},
    2**70,
    -(2**70),
    math.inf,
    "\ud800 a lone surrogate",
    [[]],
    (),
    set(),
    {},
    None,
]


class Point(ParameterValue):
    def to_dict(self) -> dict[str, object]:
        return {"at": (1, 2)}


@settings(deadline=None)
@given(VALUES)
def test_any_nesting_of_lists_tuples_sets_and_dicts_comes_back(value: object) -> None:
    found = decode(encode(value).text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("value", NESTED, ids=repr)
async def test_values_survive_reopening(kind: type[PersistentStore], folder: Path, value: object) -> None:
    await write_empty(kind, folder)
    async with kind(WorkflowFolder(folder)) as store:
        index = await store.add_parameter_data(value, GIVEN.to_dict())
        assert await store.get_parameter_data(index) == (True, value)
    async with kind(WorkflowFolder(folder)) as store:
        assert await store.get_parameter_data(index) == (True, value)
        await store.add_parameter_data(0, GIVEN.to_dict())
    async with kind(WorkflowFolder(folder)) as store:
        assert await store.get_parameter_data(index) == (True, value)


async def test_not_a_number_survives_reopening(kind: type[PersistentStore], folder: Path) -> None:
    await write_empty(kind, folder)
    async with kind(WorkflowFolder(folder)) as store:
        await store.add_parameter_data([math.nan, None], {"type": "local_input", "weight": math.nan})
    async with kind(WorkflowFolder(folder)) as store:
        _, value = await store.get_parameter_data(0)
        number, nothing = cast("list[float | None]", value)
        assert number is not None
        assert math.isnan(number)
        assert nothing is None
        weight = (await store.get_parameter_source(0))["weight"]
        assert isinstance(weight, float)
        assert math.isnan(weight)


def test_numbers_of_numpy_become_those_of_python() -> None:
    found = decode(encode([np.float64(0.5), np.int64(3), np.bool_(True)]).text)
    assert found == [0.5, 3, True]
    assert [type(one) for one in cast("list[object]", found)] == [float, int, bool]


def test_a_value_of_ones_own_class_is_stored_as_its_dict() -> None:
    assert decode(encode([Point()]).text) == [{"at": (1, 2)}]


@pytest.mark.parametrize("value", [b"bytes", 1j, object(), frozenset({1}), np.zeros(2), enum.Enum], ids=repr)
def test_other_types_are_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match=type(value).__name__):
        encode([value])


@pytest.mark.parametrize("value", [{1: 0, "1": 0}, {(1, 2): 0}])
def test_keys_that_cannot_be_told_apart_or_written_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="key"):
        encode(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError, match="50"):
        encode(value)


async def test_set_to_none_is_set(kind: type[PersistentStore], folder: Path) -> None:
    store = await made(kind, folder)
    async with store:
        assert await store.get_parameter_data(2) == (False, None)
        await store.set_parameter(2, None)
        assert await store.get_parameter_data(2) == (True, None)
        assert await store.is_parameter_set(2)


async def test_arrays_come_back_as_arrays_of_ones_own(folder: Path) -> None:
    values: dict[str, NDArray[np.generic]] = {
        "curve": np.linspace(0, 1, 50_000),
        "counts": np.arange(12, dtype="int32").reshape(3, 4),
        "none": np.zeros((0, 3), dtype="uint8"),
        "single": np.array(2 + 1j),
        "big": np.arange(3, dtype=">f8"),
    }
    deep = np.array([True, False])
    await write_empty(ZarrPersistentStore, folder)
    async with ZarrPersistentStore(WorkflowFolder(folder)) as store:
        index = await store.add_parameter_data({**values, "deep": ({"in": [deep]},)}, GIVEN.to_dict())
        _require_same(await store.get_parameter_data(index), values)
        deep[0] = False
        _, found = await store.get_parameter_data(index)
        stored = cast("NDArray[np.bool_]", at(found, "deep", 0, "in", 0))
        assert stored.tolist() == [True, False], "what changed later is not what was stored"
    for _ in range(3):
        async with ZarrPersistentStore(WorkflowFolder(folder)) as store:
            _require_same(await store.get_parameter_data(index), values)
            await store.add_parameter_data(np.arange(3.0), GIVEN.to_dict())
    assert len([*(folder / "arrays").iterdir()]) == 5, "one part for each type, however often it was closed"


Masked: TypeAlias = "np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float64]]"


async def test_masked_arrays_keep_mask_and_fill_value(folder: Path) -> None:
    value = np.ma.MaskedArray([1.0, 2.0], mask=[True, False], fill_value=-9.0)
    await write_empty(ZarrPersistentStore, folder)
    async with ZarrPersistentStore(WorkflowFolder(folder)) as store:
        await store.add_parameter_data((value, np.ma.MaskedArray([1, 2])), GIVEN.to_dict())
    async with ZarrPersistentStore(WorkflowFolder(folder)) as store:
        _, found = await store.get_parameter_data(0)
        some, none = cast("tuple[Masked, Masked]", found)
        assert np.ma.getmaskarray(some).tolist() == [True, False]
        assert some.fill_value == -9.0
        assert np.ma.getmaskarray(none).tolist() == [False, False]


async def test_a_json_store_refuses_arrays(folder: Path) -> None:
    async with await made(JSONPersistentStore, folder) as store:
        with pytest.raises(ValueError, match="ndarray"):
            await store.set_parameter(2, np.zeros(3))


def _require_same(found: tuple[bool, object], wanted: dict[str, NDArray[np.generic]]) -> None:
    is_set, value = found
    assert is_set
    arrays = cast("dict[str, NDArray[np.generic]]", value)
    for name, array in wanted.items():
        assert type(arrays[name]) is np.ndarray
        assert arrays[name].dtype == array.dtype
        assert arrays[name].flags.writeable
        np.testing.assert_array_equal(arrays[name], array)
