"""The one place that decides whether, when and how often a request is repeated."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, TypeVar

import tenacity

from acomps.errors import NotSent, OutcomeUnknown, RateLimited, Refused, ServerFailed, TransportError
from acomps.events import Retrying, ignore
from acomps.transport.clock import Clock
from acomps.transport.failures import Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from acomps.events import Sink
    from acomps.settings import RetrySettings

__all__ = ["Replay", "RetryPolicy", "in_doubt", "repeatable"]

T = TypeVar("T")

#: 503 promises that nothing was done; of the others nobody knows.
_NOTHING_DONE: Final = 503
_PERHAPS_DONE: Final = frozenset({500, 502, 504})


class Replay(enum.Enum):
    """What may be done after an outcome that is unknown."""

    SAFE = "safe"
    """Doing it twice is the same as doing it once: it is repeated."""

    CHECKED = "checked"
    """The caller looks for its own key first, then decides: the error goes to the caller."""

    NEVER = "never"
    """It is never repeated, and the error goes to the caller."""


def in_doubt(error: BaseException | None) -> bool:
    """Whether the server may have acted, though no answer says so."""
    return isinstance(error, OutcomeUnknown) or (isinstance(error, ServerFailed) and error.status in _PERHAPS_DONE)


def repeatable(error: BaseException | None, replay: Replay) -> bool:
    """Whether the error allows another try; what was surely not done may be repeated whatever `replay` says."""
    match error:
        case Unreachable():
            return False
        case NotSent() | RateLimited():
            return True
        case ServerFailed() if error.status == _NOTHING_DONE:
            return True
        case _:
            return replay is Replay.SAFE and in_doubt(error)


class RetryPolicy:
    """Repeats calls within the limits of the settings, and within one budget for all the calls of a session."""

    def __init__(self, settings: RetrySettings, sink: Sink = ignore, clock: Clock | None = None) -> None:
        self.settings, self.sink, self.clock = settings, sink, clock or Clock()
        self._calls = self._repeats = 0

    async def around(
        self,
        operation: str,
        replay: Replay,
        attempt: Callable[[], Awaitable[T]],
        *,
        repeat: bool = True,
        on_event: Sink | None = None,
    ) -> T:
        """The result of `attempt`, which is called again after errors that allow it; else its last error.

        Emits Retrying before each wait, to the session's sink and to `on_event`. `repeat=False` makes it one attempt.
        """
        self._calls += 1
        started = self.clock.monotonic()
        try:
            return await attempt()
        except (TransportError, Refused) as error:
            if not repeat or not repeatable(error, replay):
                raise
            first = error
        return await self._go_on(attempt, first, _Course(self, operation, replay, started, on_event))

    async def _go_on(self, attempt: Callable[[], Awaitable[T]], first: TransportError | Refused, course: _Course) -> T:
        # Almost every call succeeds at once, so tenacity is built only here; the failure that has already happened
        # is its first attempt.
        past: list[TransportError | Refused] = [first]

        async def once() -> T:
            if past:
                raise past.pop()
            return await attempt()

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(course.repeatable),
            wait=course.wait,
            stop=course.stop,
            before_sleep=course.announce,
            retry_error_callback=course.give_up,
            sleep=self.clock.sleep,
        )
        result: T = await retrying(once)
        return result

    def can_spend(self) -> bool:
        """Whether the session's budget allows one more repeat."""
        return self._repeats < self.settings.budget_reserve + self.settings.budget_ratio * self._calls

    def spend(self) -> None:
        """Count one repeat."""
        self._repeats += 1


class _Course:
    """One call on its way through its repeats."""

    def __init__(
        self, policy: RetryPolicy, operation: str, replay: Replay, started: float, on_event: Sink | None
    ) -> None:
        self._policy, self._operation, self._replay, self._started = policy, operation, replay, started
        self._on_event = on_event
        self._reason = ""

    def repeatable(self, error: BaseException) -> bool:
        """Whether this call may go on after the error."""
        return repeatable(error, self._replay)

    def _left(self) -> float:
        policy = self._policy
        return policy.settings.total_s - (policy.clock.monotonic() - self._started)

    def wait(self, state: tenacity.RetryCallState) -> float:
        """Full jitter; after a Retry-After, that long and the jitter on top, as far as the time allows."""
        settings = self._policy.settings
        highest: float = min(settings.longest_wait_s, settings.first_wait_s * 2 ** min(state.attempt_number - 1, 60))
        jitter = self._policy.clock.jitter() * highest
        asked = _asked(state)
        return jitter if asked is None else max(asked, min(asked + jitter, self._left()))

    def stop(self, state: tenacity.RetryCallState) -> bool:
        """Whether this was the last attempt; keeps the reason for the message."""
        settings, asked, left = self._policy.settings, _asked(state), self._left()
        if state.attempt_number >= settings.attempts:
            self._reason = f"gave up after {settings.attempts} attempts" if settings.attempts > 1 else ""
        elif asked is not None and asked > left:
            self._reason = (
                f"not repeated: the server asks to wait {asked:.0f} s, and {max(left, 0):.0f} s of "
                f"RetrySettings.total_s are left"
            )
        elif state.upcoming_sleep > left:
            self._reason = f"gave up after {settings.total_s - left:.0f} s and {state.attempt_number} attempts"
        elif not isinstance(_error(state), NotSent) and not self._policy.can_spend():
            self._reason = "not repeated: too many requests of this session failed lately (RetrySettings.budget_*)"
        else:
            return False
        return True

    def announce(self, state: tenacity.RetryCallState) -> None:
        """Count the repeat that comes, and tell the sink."""
        error = _error(state)
        # What never left this machine adds no load to a server in trouble.
        if not isinstance(error, NotSent):
            self._policy.spend()
        event = Retrying(
            operation=self._operation,
            attempt=state.attempt_number + 1,
            wait_s=state.upcoming_sleep,
            reason=str(error),
        )
        self._policy.sink(event)
        if self._on_event is not None:
            self._on_event(event)

    def give_up(self, state: tenacity.RetryCallState) -> None:
        """Raise the last error, with the reason why it is the last."""
        error = _error(state)
        if self._reason:
            error.args = (f"{error} ({self._reason})",)
        raise error


def _error(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome is not None else None
    if error is None:
        raise RuntimeError("tenacity asked about an attempt that did not fail")
    return error


def _asked(state: tenacity.RetryCallState) -> float | None:
    error = _error(state)
    return error.retry_after_s if isinstance(error, Refused) else None
