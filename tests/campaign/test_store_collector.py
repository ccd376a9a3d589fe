"""The records of a store do not bring nearer the collector's look at everything there is."""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from campaign import conftest

from acomps.campaign import JSONPersistentStore, RunMetadata
from acomps.collector import EVERY, made, settle


@contextmanager
def uncollected() -> Generator[None]:
    """Without a collection in between, which would move things on its own."""
    limits = gc.get_threshold()
    gc.set_threshold(100_000_000)
    try:
        yield
    finally:
        gc.set_threshold(*limits)


def test_what_is_made_goes_to_the_oldest_generation_but_for_the_newest() -> None:
    with uncollected():
        settle()
        records = made([number] for number in range(3 * EVERY + 1))
        assert records == [[number] for number in range(3 * EVERY + 1)]
        young = [one for one in gc.get_objects(generation=0) if any(one is record for record in records)]
        assert young == [[3 * EVERY]]


async def test_what_a_batch_sets_goes_to_the_oldest_generation(tmp_path: Path) -> None:
    points = 2 * EVERY
    store = await conftest.made(JSONPersistentStore, tmp_path / "w", points=points)
    try:
        with uncollected():
            settle()
            async with store.batch_update():
                for point in range(points):
                    await store.set_EAR_start(0, point, 0, 0)
                young = sum(isinstance(one, RunMetadata) for one in gc.get_objects(generation=0))
                assert young < EVERY
    finally:
        await store.aclose()


def test_what_a_program_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        settle()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_a_collector_that_is_off_is_left_alone() -> None:
    gc.disable()
    try:
        record: list[int] = []
        settle()
        assert any(one is record for one in gc.get_objects(generation=0))
    finally:
        gc.enable()
