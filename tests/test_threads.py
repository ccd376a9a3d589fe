"""Blocking work in threads: its order, its failures, and what happens when one job holds up the others."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import anyio
import pytest

from acomps.threads import Threads

DEADLINE_S = 20.0


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(4)
    yield threads
    threads.close()


async def test_what_the_work_returns_or_raises_comes_back(threads: Threads) -> None:
    def fail(text: str) -> None:
        raise ValueError(text)

    assert await threads.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ValueError, match="on purpose"):
        await threads.run(fail, "on purpose")
    assert await threads.run(threading.current_thread) is not threading.main_thread()


async def test_jobs_begin_in_the_order_of_their_arrival() -> None:
    threads = Threads(1)
    begun: list[int] = []
    try:
        await asyncio.gather(*(threads.run(begun.append, number) for number in range(500)))
    finally:
        threads.close()
    assert begun == [*range(500)]


async def test_jobs_that_are_held_up_do_not_hold_up_the_others(threads: Threads) -> None:
    release = threading.Event()
    held = [asyncio.create_task(threads.run(release.wait, DEADLINE_S)) for _ in range(3)]
    try:
        with anyio.fail_after(DEADLINE_S):
            # What was done before the thread was held up is told meanwhile, and what came after is done by another.
            assert await asyncio.gather(*(threads.run(abs, -number) for number in range(50))) == [*range(50)]
    finally:
        release.set()
    assert await asyncio.gather(*held) == [True, True, True]


async def test_no_more_threads_work_than_are_allowed() -> None:
    threads = Threads(2)
    at_once = most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.05)  # The job is what takes long here; nothing waits for it by the clock.
        with lock:
            at_once -= 1

    try:
        await asyncio.gather(*(threads.run(work) for _ in range(20)))
    finally:
        threads.close()
    assert most == 2


async def test_a_cancelled_caller_waits_for_the_end_of_its_work(threads: Threads) -> None:
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait(DEADLINE_S)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, work)
        await anyio.to_thread.run_sync(begun.wait, DEADLINE_S)
        tasks.cancel_scope.cancel()
        release.set()
    assert ended.is_set()


async def test_threads_that_were_let_go_are_made_anew(threads: Threads) -> None:
    assert await threads.run(abs, -1) == 1
    threads.close()
    assert await threads.run(abs, -2) == 2


def test_on_another_loop_than_asyncios_the_work_is_done_as_well() -> None:
    pytest.importorskip("trio")
    assert anyio.run(Threads(1).run, abs, -3, backend="trio") == 3


def test_a_loop_that_is_closed_while_work_goes_on_is_left_alone(threads: Threads) -> None:
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait(DEADLINE_S)
        ended.set()

    loop = asyncio.new_event_loop()
    task = loop.create_task(threads.run(work))
    loop.run_until_complete(asyncio.to_thread(begun.wait, DEADLINE_S))
    # Once, and it waits for the work; twice, as by an impatient Ctrl-C, and it does not.
    task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    release.set()
    assert ended.wait(DEADLINE_S)
