"""Cancels a call at its n-th suspension, counting those of all tasks that it starts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, aclosing
from contextvars import ContextVar
from typing import TypeAlias, TypeVar, cast

import anyio

import acomps

__all__ = ["Call", "cancelled_at", "counting_tasks", "outcome"]

T = TypeVar("T")

#: What the namespaces give: something to await, to iterate, or to enter.
Call: TypeAlias = "Awaitable[object] | AsyncIterator[object] | AbstractAsyncContextManager[object]"


class _Ledger:
    """The suspensions of one call; at the chosen one, it is cancelled."""

    def __init__(self, at: int | None, cancel: Callable[[], object]) -> None:
        self.at, self.cancel, self.count = at, cancel, 0

    def suspended(self) -> None:
        self.count += 1
        if self.count == self.at:
            self.cancel()


_current: ContextVar[_Ledger | None] = ContextVar("_current", default=None)


class _Counted(Awaitable[T]):
    """A coroutine, step by step."""

    def __init__(self, coroutine: Coroutine[object, object, T], ledger: _Ledger) -> None:
        self._coroutine, self._ledger = coroutine, ledger

    def __await__(self) -> Generator[object, object, T]:
        given: object = None
        error: BaseException | None = None
        while True:
            try:
                waits_for = self._coroutine.send(given) if error is None else self._coroutine.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            self._ledger.suspended()
            given, error = None, None
            try:
                given = yield waits_for
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as exc:
                error = exc


async def _run(counted: _Counted[T]) -> T:
    return await counted


def _task(loop: asyncio.AbstractEventLoop, coroutine: object, **how: object) -> asyncio.Task[object]:
    ledger = _current.get()
    if ledger is not None and asyncio.iscoroutine(coroutine):
        coroutine = _run(_Counted(coroutine, ledger))
    return asyncio.Task(coroutine, loop=loop, **how)  # type: ignore[arg-type]  # as the loop has it


@contextlib.contextmanager
def counting_tasks() -> Generator[None]:
    """The tasks that a counted call starts are counted too."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(_task)  # type: ignore[arg-type]  # the loop's own protocol is generic
    try:
        yield
    finally:
        loop.set_task_factory(before)


async def outcome(call: Call) -> None:
    """Do the whole of it; refusals are as good as results here."""
    with contextlib.suppress(acomps.AcompsError):
        if isinstance(call, Awaitable):
            await call
        elif isinstance(call, AbstractAsyncContextManager):
            async with call as inside:
                if isinstance(inside, AsyncIterator):
                    await _exhaust(cast("AsyncIterator[object]", inside))
        else:
            async with aclosing(cast("AsyncGenerator[object]", call)) as items:
                await _exhaust(items)


async def _exhaust(items: AsyncIterator[object]) -> None:
    async for _ in items:
        pass


async def cancelled_at(
    call: Callable[[], Call], at: int | None, *, by_scope: bool = False, kill: Callable[[], object] | None = None
) -> int:
    """Run a call and cancel it at its n-th suspension, as asyncio does or by a scope of anyio; how many it had.

    With `kill` that is done in the place of a cancellation.
    """
    scope = anyio.CancelScope()
    task: asyncio.Task[None] | None = None

    def cancel() -> None:
        if by_scope:
            scope.cancel()
        elif task is not None:
            task.cancel()

    ledger = _Ledger(at, kill or cancel)

    async def run() -> None:
        with scope:
            await outcome(call())

    token = _current.set(ledger)
    try:
        task = asyncio.get_running_loop().create_task(run())
    finally:
        _current.reset(token)
    await asyncio.wait({task}, timeout=60)
    assert task.done(), "it goes on after it was cancelled"
    if at is not None and kill is None and not by_scope and ledger.count >= at:
        assert task.cancelled(), f"a cancellation was swallowed: {task.exception()!r}"
    elif not task.cancelled():
        task.result()
    return ledger.count
