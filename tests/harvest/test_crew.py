"""A crew does all there is to do, what was found first, with a fixed number of tasks."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from acomps.comps.harvesting.crew import Crew
from acomps.streams import each

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.timeout(30)


async def some_turns(chance: random.Random) -> None:
    for _ in range(chance.randrange(4)):
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("most", [1, 2, 7])
@pytest.mark.parametrize("seed", range(8))
async def test_everything_is_done_once_and_no_more_than_allowed_at_the_same_time(most: int, seed: int) -> None:
    chance = random.Random(seed)
    done: list[tuple[int, int]] = []
    under_way = highest = 0

    async def survey(item: int) -> list[tuple[int, int]]:
        await busy()
        return [(item, number) for number in range(item % 5)]

    async def work(errand: tuple[int, int]) -> None:
        await busy()
        done.append(errand)

    async def busy() -> None:
        nonlocal under_way, highest
        under_way += 1
        highest = max(highest, under_way)
        await some_turns(chance)
        under_way -= 1

    async def items() -> AsyncIterator[int]:
        for item in range(60):
            await some_turns(chance)
            yield item

    await Crew(survey, work, most).run(items())
    assert sorted(done) == [(item, number) for item in range(60) for number in range(item % 5)]
    assert highest <= most


async def test_what_was_found_is_done_while_the_source_is_silent() -> None:
    all_fetched = anyio.Event()
    fetched: list[int] = []

    async def items() -> AsyncIterator[str]:
        yield "first"
        await all_fetched.wait()
        yield "second"

    async def survey(item: str) -> range:
        return range(5) if item == "first" else range(0)

    async def work(number: int) -> None:
        fetched.append(number)
        if len(fetched) == 5:
            all_fetched.set()

    await Crew(survey, work, 3).run(items())
    assert sorted(fetched) == [0, 1, 2, 3, 4]


async def test_what_one_survey_finds_is_shared_out() -> None:
    together = anyio.Event()
    waiting = 0

    async def survey(item: int) -> range:
        return range(4)

    async def work(number: int) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 4:
            together.set()
        await together.wait()

    await Crew(survey, work, 4).run(each([1]))
    assert waiting == 4


async def test_found_things_come_before_further_items() -> None:
    order: list[str] = []

    async def survey(item: int) -> list[str]:
        order.append(f"survey {item}")
        return [f"{item}a", f"{item}b"]

    async def work(errand: str) -> None:
        order.append(errand)

    await Crew(survey, work, 1).run(each([1, 2]))
    assert order == ["survey 1", "1a", "1b", "survey 2", "2a", "2b"]


@pytest.mark.parametrize("where", ["source", "survey", "work"])
async def test_an_error_ends_it(where: str) -> None:
    async def items() -> AsyncIterator[int]:
        yield 1
        if where == "source":
            raise LookupError("source")
        await anyio.sleep_forever()

    async def survey(item: int) -> list[int]:
        if where == "survey":
            raise LookupError("survey")
        return [1, 2, 3]

    async def work(errand: int) -> None:
        if where == "work":
            raise LookupError("work")
        await anyio.sleep_forever()

    with pytest.raises(LookupError, match=where):
        await Crew(survey, work, 2).run(items())


async def test_the_source_is_read_only_a_little_ahead() -> None:
    read = 0
    held = anyio.Event()

    async def items() -> AsyncIterator[int]:
        nonlocal read
        for item in range(1_000):
            read += 1
            if read == 4:
                held.set()
            yield item

    async def survey(item: int) -> list[int]:
        await anyio.sleep_forever()
        return []

    async def work(errand: int) -> None: ...

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Crew(survey, work, 2).run, items())
        await held.wait()
        await anyio.wait_all_tasks_blocked()
        assert read <= 5
        tasks.cancel_scope.cancel()


async def test_nothing_to_do_is_done_at_once() -> None:
    async def never(item: int) -> list[int]:
        raise AssertionError(item)

    await Crew(never, never, 3).run(each([]))
