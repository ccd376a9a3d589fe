"""Counts with their rate and the time left."""

from __future__ import annotations

import io

from rich.console import Console

from acomps.cli.meter import Count, Meter, metering
from acomps.cli.output import Out
from acomps.cli.progress import duration
from acomps.cli.values import size
from acomps.events import Event, Harvesting, Saved, Uploaded


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_count_tells_its_rate_and_the_time_left() -> None:
    clock = Clock()
    count = Count("simulations", 1_000, clock)
    assert count.words() == "0 of 1,000 simulations"
    clock.now, count.done = 10.0, 200
    assert count.words() == "200 of 1,000 simulations, 20.0/s, 40 s left"
    count.done = 1_000
    assert count.words() == "1,000 of 1,000 simulations, 100.0/s"


def test_bytes_are_written_in_their_units() -> None:
    clock = Clock()
    count = Count("bytes", 4 * 1024 * 1024, clock)
    clock.now, count.done = 4.0, 1024 * 1024
    assert count.words() == "1.0 MiB of 4.0 MiB, 256.0 KiB/s, 12 s left"


def test_a_meter_understands_the_events_of_long_calls() -> None:
    events: list[Event] = [
        Saved(entities=100, total=100, bytes_sent=1),
        Uploaded(name="x", bytes=50),
        Uploaded(name="x", bytes=-20),
        Harvesting(files=140, bytes=1, skipped=2, errors=1),
    ]
    for unit, expected in (("things", [100, 143]), ("bytes", [50, 30])):
        told: list[float] = []
        meter = Meter(Count(unit, None), lambda done, words, told=told: told.append(done))
        for event in events:
            meter.sink(event)
        assert told == expected


def test_on_a_terminal_a_bar_grows() -> None:
    screen = io.StringIO()
    out = Out()
    out.console = Console(file=screen, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    with metering(out, "saving", "simulations", 10) as meter:
        meter.advance(10)
    assert "10 of 10 simulations" in screen.getvalue()


def test_without_a_terminal_a_short_call_says_nothing() -> None:
    screen = io.StringIO()
    out = Out()
    out.console = Console(file=screen)
    with metering(out, "saving", "simulations", 10) as meter:
        meter.advance(10)
    assert screen.getvalue() == ""


def test_without_a_terminal_a_long_call_says_a_line_every_30_seconds() -> None:
    screen, clock = io.StringIO(), Clock()
    out = Out()
    out.console = Console(file=screen, soft_wrap=True)
    with metering(out, "saving", "simulations", 100, clock) as meter:
        for clock.now in range(1, 91):
            meter.advance()
    assert screen.getvalue().splitlines() == [
        f"saving: {done} of 100 simulations, 1.0/s, {duration(100 - done)} left" for done in (30, 60, 90)
    ]


def test_times_and_sizes_are_for_people() -> None:
    assert [duration(seconds) for seconds in (0, 59.6, 61, 3_700, 200_000)] == [
        "0 s", "1 min 0 s", "1 min 1 s", "1 h 1 min", "2 d 7 h",
    ]  # fmt: skip
    assert [size(count) for count in (0, 1_023, 1_024, 5 * 1024**3, 3_000 * 1024**4)] == [
        "0 bytes", "1023 bytes", "1.0 KiB", "5.0 GiB", "3000.0 TiB",
    ]  # fmt: skip
