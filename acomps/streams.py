"""Items that come one after another: from either kind of iterable, spread over tasks, or made ahead by a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

__all__ = ["each", "opened_in_thread", "produced", "put", "spread", "taken", "task_group"]

T = TypeVar("T")

#: An event loop holds its tasks only weakly. An abandoned iterator and all that hangs on it would be collected in one
#: go, unclosed; what is reachable from here waits until the iterator has closed it.
_running: Final[dict[asyncio.Task[None], object]] = {}

#: What a cancelled producer may take to clean up; nothing of it waits for a network.
_END_S: Final = 10.0


async def each(items: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[T]:
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


async def produced(produce: Callable[[MemoryObjectSendStream[T]], Awaitable[None]], ahead: int) -> AsyncGenerator[T]:
    """What `produce` sends, at most `ahead` items before they are asked for; its error comes after the last item.

    A task group must not stay open over a `yield`: the caller may go on in another task, or never. So the producer is
    a task that belongs to this iterator: it begins with the first item, and is cancelled and waited for however
    the iterator ends: at its end, by `aclose`, by a cancellation, or because a `break` left it to the event loop's
    own care for abandoned iterators.
    """
    send, receive = anyio.create_memory_object_stream[T](ahead)

    async def run() -> None:
        async with send:
            await produce(send)

    producer = asyncio.create_task(run())
    _running[producer] = receive
    try:
        async for item in taken(receive):
            yield item
        await producer
    finally:
        try:
            await _ended(producer)
        finally:
            receive.close()
            del _running[producer]


async def put(stream: MemoryObjectSendStream[T], item: T) -> None:
    """Send `item`, at once where there is room: anyio lets all other tasks go first each time."""
    try:
        stream.send_nowait(item)
    except anyio.WouldBlock:
        await stream.send(item)


def taken(stream: MemoryObjectReceiveStream[T]) -> AsyncIterator[T]:
    """What comes in, at once as long as something is there."""
    return _Taken(stream)


class _Taken(Generic[T]):
    """Not a generator: nothing of it is left to be closed when its reader goes away."""

    def __init__(self, stream: MemoryObjectReceiveStream[T]) -> None:
        self._stream = stream

    def __aiter__(self) -> _Taken[T]:
        return self

    async def __anext__(self) -> T:
        try:
            try:
                return self._stream.receive_nowait()
            except anyio.WouldBlock:
                return await self._stream.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


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


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    # Whoever left early does not want its error, and asyncio would complain of one that nobody took.
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    with anyio.move_on_after(_END_S, shield=True):
        await asyncio.wait([task])


def _first(error: BaseException) -> BaseException:
    """The first error in a group, and in the groups in it."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
