"""Rate, estimated end, intervals: what follows from counts and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acomps import SimulationState, UsageError, WatchSettings
from acomps.comps.progress import Progress, ProgressMaker, State
from acomps.transport.patience import Interval

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def course(*finished: tuple[float, int], total: int = 1_000) -> list[Progress]:
    """The progress at some times, with so many finished."""
    maker = ProgressMaker(0.0)
    return [
        maker.at(
            {SimulationState.SUCCEEDED: done, SimulationState.RUNNING: total - done},
            (),
            now=now,
            wall=BEGAN + timedelta(seconds=now),
        )
        for now, done in finished
    ]


def test_a_steady_rate_is_found_and_the_end_follows_from_it() -> None:
    seen = course(*((second, 2 * second) for second in range(60)))
    assert seen[0].rate_per_s == 0
    assert seen[0].estimated_end is None
    assert seen[1].rate_per_s == pytest.approx(2)
    assert seen[-1].rate_per_s == pytest.approx(2)
    assert seen[-1].estimated_end is not None
    assert (seen[-1].estimated_end - BEGAN).total_seconds() == pytest.approx(500)


def test_what_was_finished_before_the_watch_is_no_rate() -> None:
    assert course((0, 900), (1, 900))[-1].rate_per_s == 0


def test_a_new_rate_counts_for_more_than_an_old_one() -> None:
    seen = course(*((second, 10 * min(second, 30) + max(0, second - 30)) for second in range(150)))
    assert seen[30].rate_per_s == pytest.approx(10)
    assert 1 < seen[60].rate_per_s < 6
    assert seen[-1].rate_per_s == pytest.approx(1, rel=0.2)


def test_an_end_that_is_out_of_sight_is_none_and_one_that_is_reached_is_now() -> None:
    [_, slow] = course((0, 0), (3600, 1), total=10**9)
    assert slow.estimated_end is None
    [*_, done] = course((0, 0), (5, 1_000))
    assert done.estimated_end == BEGAN + timedelta(seconds=5)
    assert done.final


def test_the_counts_are_in_the_order_of_a_life_and_have_no_zeros() -> None:
    counts: dict[State, int] = {
        SimulationState.FAILED: 1,
        SimulationState.RUNNING: 2,
        SimulationState.RETRY: 0,
        SimulationState.CREATED: 3,
        SimulationState.CANCEL_REQUESTED: 4,
    }
    progress = ProgressMaker(0.0).at(counts, (), now=1.0, wall=BEGAN)
    assert [str(state) for state in progress.counts] == ["Created", "Running", "Failed", "CancelRequested"]
    assert (progress.total, progress.finished, progress.failed, progress.active) == (10, 1, 1, 2)
    with pytest.raises(TypeError):
        progress.counts[SimulationState.FAILED] = 5  # type: ignore[index]  # that it cannot is what is tested


def test_intervals_grow_while_nothing_moves_and_are_a_hundredth_of_the_time_when_something_does() -> None:
    interval = Interval(WatchSettings(first_s=0.25, longest_s=15))
    assert interval.next_s(moved=True, elapsed_s=0, took_s=0) == 0.25
    idle = [interval.next_s(moved=False, elapsed_s=1, took_s=0) for _ in range(20)]
    assert idle == sorted(idle)
    assert (idle[0], idle[-1]) == (0.375, 15)
    assert interval.next_s(moved=True, elapsed_s=200, took_s=0) == 2
    assert interval.next_s(moved=True, elapsed_s=10_000, took_s=0) == 15


def test_looks_that_take_long_are_further_apart() -> None:
    assert Interval(WatchSettings()).next_s(moved=True, elapsed_s=0, took_s=2) == 8
    assert Interval(WatchSettings()).next_s(moved=True, elapsed_s=0, took_s=60) == 15


@pytest.mark.parametrize(
    "wrong", [{"first_s": 0.0}, {"first_s": 20.0}, {"looks": 0}, {"outage_s": -1.0}, {"failures_at_most": 0}], ids=str
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"WatchSettings"):
        WatchSettings(**wrong)  # type: ignore[arg-type]  # the values are what is tested
