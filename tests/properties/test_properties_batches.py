"""Batch planning: never over the limits, in order, nothing lost, and each content once per request."""

from __future__ import annotations

import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

import acomps
from acomps.comps.batches import Batch, Prepared, Preparer, batches
from acomps.comps.report import SaveFailure
from acomps.transfer import measured

KIB = 1024
SHARED = [bytes([number]) * (number * 7 * KIB + 1) for number in range(5)]


def simulation(number: int, own: int, shared: frozenset[int]) -> acomps.Simulation:
    contents = [number.to_bytes(4, "big") + bytes(own), *(SHARED[one] for one in sorted(shared))]
    files = tuple(acomps.SimulationFile(file_name=f"{place}", content=data) for place, data in enumerate(contents))
    return acomps.Simulation(name=f"{number}", files=files)


SIZES = st.tuples(st.integers(0, 90 * KIB), st.frozensets(st.integers(0, len(SHARED) - 1), max_size=3))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    sizes=st.lists(SIZES, max_size=40),
    entities=st.integers(1, 100),
    size=st.integers(64 * KIB, 200 * KIB),
    stored=st.frozensets(st.integers(0, len(SHARED) - 1)),
)
def test_batches_hold_the_limits_keep_the_order_and_lose_nothing(
    sizes: list[tuple[int, frozenset[int]]], entities: int, size: int, stored: frozenset[int]
) -> None:
    limits = acomps.Settings(batch_entities=entities, batch_bytes=size)
    there = {str(measured(SHARED[one]).md5) for one in stored}
    simulations = [simulation(number, own, shared) for number, (own, shared) in enumerate(sizes)]
    prepared = [
        one
        for one in Preparer("me", lambda index: f"{index}").prepare(enumerate(simulations))
        if isinstance(one, Prepared)
    ]
    assert len(prepared) == len(simulations)
    planned = list(batches(prepared, "Simulations", limits, lambda part: part.name in there))
    packed = [item for one in planned if isinstance(one, Batch) for item in one.items]
    refused = [one for one in planned if isinstance(one, SaveFailure)]
    assert sorted([item.index for item in packed] + [one.index for one in refused]) == list(range(len(simulations)))
    assert [item.index for item in packed] == sorted(item.index for item in packed)
    for one in planned:
        if isinstance(one, Batch):
            assert 0 < len(one.items) <= entities
            assert one.body.length < size
            names = [part.name for part in one.parts]
            assert len(names) == len(set(names)), "a content is in it twice"
            wanted = {part.name for item in one.items for part in item.parts} - there
            assert set(names) == wanted, "a content is missing, or one that nobody needs is sent"
    for one in refused:
        alone = list(batches([prepared[one.index]], "Simulations", acomps.Settings(), lambda part: part.name in there))
        assert isinstance(alone[0], Batch)
        assert alone[0].body.length >= size


@settings(max_examples=50, derandomize=True, deadline=None)
@given(sizes=st.lists(st.integers(0, 500), min_size=1, max_size=60), entities=st.integers(1, 20))
def test_no_two_neighbours_would_have_fitted_into_one_request(sizes: list[int], entities: int) -> None:
    limits = acomps.Settings(batch_entities=entities)
    simulations = [simulation(number, own, frozenset()) for number, own in enumerate(sizes)]
    prepared = [one for one in Preparer("me", None).prepare(enumerate(simulations)) if isinstance(one, Prepared)]
    planned = list(batches(prepared, "Simulations", limits, lambda part: False))
    assert len(planned) == -(-len(sizes) // entities)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(count=st.integers(1, 300), at_a_time=st.integers(1, 100))
def test_a_key_tells_its_place_and_no_two_are_the_same(count: int, at_a_time: int) -> None:
    from acomps.comps.keys import RunKeys

    run = uuid.UUID(int=count).hex
    keys = RunKeys(None, "Simulations", run)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - asks nobody
    made = [keys.key(index) for index in range(count)]
    assert len(set(made)) == count
    group = at_a_time % (count // 100 + 1)
    prefix = f"{run}.{group}."
    assert {index for index, key in enumerate(made) if key.startswith(prefix)} == {
        index for index in range(count) if keys.group(index) == group
    }
