from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest
from support.transport_session import FakeTime

from acomps.errors import (
    AcompsError,
    AnswerTimedOut,
    AuthenticationFailed,
    Conflict,
    ConnectTimedOut,
    MalformedAnswer,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    ServerFailed,
    TooLarge,
    ValidationFailed,
)
from acomps.events import Event, Retrying
from acomps.settings import RetrySettings
from acomps.transport import Replay
from acomps.transport.failures import Unreachable
from acomps.transport.refusals import retry_after
from acomps.transport.retry import RetryPolicy

ALL = frozenset(Replay)
SAFE_ONLY = frozenset({Replay.SAFE})
NONE: frozenset[Replay] = frozenset()


class Failing:
    """A call that fails `times` times, then gives its count of attempts."""

    def __init__(self, error: Callable[[], BaseException], times: int = 1_000) -> None:
        self.error, self.times, self.attempts = error, times, 0

    async def __call__(self) -> int:
        self.attempts += 1
        if self.attempts <= self.times:
            raise self.error()
        return self.attempts


def server_failed(status: int) -> ServerFailed:
    return ServerFailed(f"it failed: {status}", status=status)


def limited(seconds: float | None) -> RateLimited:
    return RateLimited("too many", status=429, retry_after_s=seconds)


FAULTS: list[tuple[Callable[[], AcompsError], frozenset[Replay]]] = [
    (lambda: NotSent("refused"), ALL),
    (lambda: ConnectTimedOut("slow"), ALL),
    (lambda: Unreachable("no such host"), NONE),
    (lambda: OutcomeUnknown("reset"), SAFE_ONLY),
    (lambda: AnswerTimedOut("silent"), SAFE_ONLY),
    (lambda: limited(None), ALL),
    (lambda: server_failed(503), ALL),
    (lambda: server_failed(500), SAFE_ONLY),
    (lambda: server_failed(502), SAFE_ONLY),
    (lambda: server_failed(504), SAFE_ONLY),
    (lambda: server_failed(501), NONE),
    (lambda: ValidationFailed("bad", status=400), NONE),
    (lambda: AuthenticationFailed("who", status=401), NONE),
    (lambda: PermissionDenied("no", status=403), NONE),
    (lambda: NotFound("none", status=404), NONE),
    (lambda: Conflict("state", status=409), NONE),
    (lambda: TooLarge("large", status=413), NONE),
    (lambda: MalformedAnswer("not JSON"), NONE),
]


@pytest.mark.parametrize("replay", Replay)
@pytest.mark.parametrize(("error", "repeated"), FAULTS)
async def test_each_fault_is_repeated_only_where_that_is_safe(
    error: Callable[[], AcompsError], repeated: frozenset[Replay], replay: Replay
) -> None:
    call = Failing(error)
    with pytest.raises(type(error())):
        await RetryPolicy(RetrySettings(attempts=4), clock=FakeTime().clock).around("x", replay, call)
    assert call.attempts == (4 if replay in repeated else 1)


async def test_a_call_that_works_in_the_end_gives_its_result_and_announces_each_wait() -> None:
    events: list[Event] = []
    time = FakeTime()
    call = Failing(lambda: server_failed(503), times=3)
    policy = RetryPolicy(RetrySettings(first_wait_s=1, longest_wait_s=3), events.append, time.clock)
    assert await policy.around("save it", Replay.SAFE, call) == 4
    assert time.slept == [1, 2, 3]
    assert events == [
        Retrying(operation="save it", attempt=attempt, wait_s=wait, reason="it failed: 503")
        for attempt, wait in ((2, 1), (3, 2), (4, 3))
    ]


async def test_the_jitter_is_full() -> None:
    time = FakeTime(jitter=0.25)
    policy = RetryPolicy(RetrySettings(first_wait_s=1), clock=time.clock)
    await policy.around("x", Replay.SAFE, Failing(lambda: NotSent("x"), times=2))
    assert time.slept == [0.25, 0.5]


async def test_the_last_error_says_how_often_it_was_tried() -> None:
    policy = RetryPolicy(RetrySettings(attempts=3), clock=FakeTime().clock)
    with pytest.raises(NotSent, match=r"^refused \(gave up after 3 attempts\)$"):
        await policy.around("x", Replay.SAFE, Failing(lambda: NotSent("refused")))


async def test_a_call_that_is_not_to_be_repeated_is_tried_once() -> None:
    call = Failing(lambda: NotSent("refused"))
    with pytest.raises(NotSent, match=r"^refused$"):
        await RetryPolicy(RetrySettings(), clock=FakeTime().clock).around("x", Replay.SAFE, call, repeat=False)
    assert call.attempts == 1


async def test_the_total_time_bounds_the_repeats() -> None:
    time = FakeTime()
    settings = RetrySettings(attempts=100, total_s=10, first_wait_s=1, longest_wait_s=2)
    call = Failing(lambda: NotSent("refused"))
    with pytest.raises(NotSent, match="gave up after 9 s"):
        await RetryPolicy(settings, clock=time.clock).around("x", Replay.SAFE, call)
    assert sum(time.slept) <= 10
    assert call.attempts == 6


async def test_the_time_of_a_slow_attempt_counts() -> None:
    time = FakeTime()

    async def slow() -> None:
        time.advance(seconds=50)
        raise OutcomeUnknown("lost")

    with pytest.raises(OutcomeUnknown, match="2 attempts"):
        await RetryPolicy(RetrySettings(total_s=100, first_wait_s=1), clock=time.clock).around("x", Replay.SAFE, slow)


async def test_retry_after_is_waited_for_with_the_jitter_on_top() -> None:
    time = FakeTime()
    policy = RetryPolicy(RetrySettings(first_wait_s=1), clock=time.clock)
    await policy.around("x", Replay.NEVER, Failing(lambda: limited(7), times=1))
    assert time.slept == [8]


async def test_a_retry_after_beyond_the_time_left_fails_at_once_and_says_so() -> None:
    time = FakeTime()
    call = Failing(lambda: limited(300))
    with pytest.raises(RateLimited, match="asks to wait 300 s, and 120 s"):
        await RetryPolicy(RetrySettings(total_s=120), clock=time.clock).around("x", Replay.SAFE, call)
    assert (call.attempts, time.slept) == (1, [])


async def test_a_retry_after_that_just_fits_is_waited_for_without_jitter() -> None:
    time = FakeTime()
    policy = RetryPolicy(RetrySettings(total_s=120, first_wait_s=5), clock=time.clock)
    await policy.around("x", Replay.SAFE, Failing(lambda: limited(119), times=1))
    assert time.slept == [120]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("nan", None),
        ("٣", None),
        ("Wed, 99 Nope 2031 00:00:00 GMT", None),
        (format_datetime(FakeTime().start + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(FakeTime().start - timedelta(hours=1), usegmt=True), 0.0),
        ("Wed, 01 Jan 2031 00:00:30 -0000", 30.0),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date_and_garbage_is_ignored(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value, FakeTime().wall) == seconds


def test_an_absurdly_long_retry_after_is_just_too_long() -> None:
    asked = retry_after("9" * 5_000, FakeTime().wall)
    assert asked is not None
    assert asked > 1e9


async def test_the_budget_of_the_session_ends_a_storm() -> None:
    settings = RetrySettings(attempts=6, budget_ratio=0.1, budget_reserve=5)
    policy = RetryPolicy(settings, clock=FakeTime().clock)
    calls = [Failing(lambda: server_failed(503)) for _ in range(100)]
    for call in calls:
        with pytest.raises(ServerFailed):
            await policy.around("x", Replay.SAFE, call)
    assert sum(call.attempts - 1 for call in calls) == 5 + 100 * 0.1


async def test_an_error_for_lack_of_budget_says_so() -> None:
    policy = RetryPolicy(RetrySettings(budget_ratio=0, budget_reserve=0), clock=FakeTime().clock)
    with pytest.raises(ServerFailed, match="budget"):
        await policy.around("x", Replay.SAFE, Failing(lambda: server_failed(503)))


async def test_what_was_never_sent_does_not_spend_the_budget() -> None:
    policy = RetryPolicy(RetrySettings(attempts=3, budget_ratio=0, budget_reserve=0), clock=FakeTime().clock)
    call = Failing(lambda: NotSent("refused"))
    with pytest.raises(NotSent):
        await policy.around("x", Replay.SAFE, call)
    assert call.attempts == 3


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, RuntimeError, OSError])
async def test_cancellation_and_foreign_errors_pass_through_at_once(error: type[BaseException]) -> None:
    call = Failing(error)
    with pytest.raises(error):
        await RetryPolicy(RetrySettings(), clock=FakeTime().clock).around("x", Replay.SAFE, call)
    assert call.attempts == 1


async def test_cancellation_during_a_repeat_or_a_wait_passes_through() -> None:
    time = FakeTime()
    errors = iter([NotSent("refused"), asyncio.CancelledError()])
    call = Failing(lambda: next(errors))
    with pytest.raises(asyncio.CancelledError):
        await RetryPolicy(RetrySettings(), clock=time.clock).around("x", Replay.SAFE, call)
    assert call.attempts == 2
