"""Input that may be an ordinary or an async iterable, work spread over tasks, and groups that fail with one error."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar, cast

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["each", "opened_in_thread", "spread", "task_group"]

T = TypeVar("T")


async def each(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """The items of either kind of iterable."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


@asynccontextmanager
async def task_group() -> AsyncGenerator[TaskGroup]:
    """A task group of which the first error comes out as it is, not inside of an ExceptionGroup."""
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        error = _first(group)
        raise error from error.__cause__


async def opened_in_thread(make: Callable[[], T], undo: Callable[[T], object]) -> T:
    """What `make` opens in a thread; undone again when the caller is cancelled meanwhile.

    A cancellation of asyncio's own, such as Ctrl-C is, does not wait for a thread, and what comes of it would be lost;
    a task group does wait.
    """
    made: list[T] = []
    try:
        async with task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, lambda: made.append(make()))
    except BaseException:
        for one in made:
            undo(one)
        raise
    return made[0]


async def spread(items: Iterable[T] | AsyncIterable[T], work: Callable[[T], Awaitable[object]], at_once: int) -> None:
    """Do `work` for each item, `at_once` at the same time; the input is read as fast as it is worked off."""
    iterator = each(items)
    lock = anyio.Lock()

    async def worker() -> None:
        while True:
            async with lock:
                try:
                    item = await anext(iterator)
                except StopAsyncIteration:
                    return
            await work(item)

    async with task_group() as tasks:
        for _ in range(at_once):
            tasks.start_soon(worker)


def _first(error: BaseException) -> BaseException:
    """The first error in a group, and in the groups in it."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
