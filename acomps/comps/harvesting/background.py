"""An async iterator whose items are made by tasks in the background, and that leaves none of them behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from anyio.streams.memory import MemoryObjectSendStream

__all__ = ["produced"]

T = TypeVar("T")

#: An event loop holds its tasks only weakly. An abandoned iterator and all that hangs on it would be collected in one
#: go, unclosed; what is reachable from here waits until the iterator has closed it.
_running: Final[dict[asyncio.Task[None], object]] = {}

#: What a cancelled producer may take to clean up; nothing of it waits for a network.
_END_S: Final = 10.0


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
        async for item in receive:
            yield item
        await producer
    finally:
        try:
            await _ended(producer)
        finally:
            receive.close()
            del _running[producer]


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with anyio.move_on_after(_END_S, shield=True):
        await asyncio.wait([task])
    if task.done() and not task.cancelled():
        # Whoever left early does not want its error, and asyncio would complain of one that nobody took.
        task.exception()
