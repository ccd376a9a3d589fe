"""How far simulations are, told without and with a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from acomps.cli.output import Out
from acomps.cli.progress import PlainLines, following
from acomps.entities import SimulationState

if TYPE_CHECKING:
    from acomps.cli.progress import Counts


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def counts(created: int, running: int, succeeded: int, failed: int = 0) -> Counts:
    return {
        SimulationState.FAILED: failed,
        SimulationState.SUCCEEDED: succeeded,
        SimulationState.RUNNING: running,
        SimulationState.CREATED: created,
    }


def test_plain_lines_come_first_then_every_quarter_and_last() -> None:
    lines: list[str] = []
    progress = PlainLines(lines.append, 200, Clock())
    for done in range(201):
        progress.show(counts(200 - done, 0, done))
    assert lines == [
        "0 of 200 done: 200 Created",
        "50 of 200 done: 150 Created, 50 Succeeded",
        "100 of 200 done: 100 Created, 100 Succeeded",
        "150 of 200 done: 50 Created, 150 Succeeded",
        "200 of 200 done: 200 Succeeded",
    ]


def test_a_slow_sweep_gives_a_sign_of_life_every_30_seconds_if_anything_moved() -> None:
    lines: list[str] = []
    clock = Clock()
    progress = PlainLines(lines.append, 200, clock)
    for passed, running in ((0, 1), (29, 2), (30, 2), (60, 2), (90, 3)):
        clock.now = 100.0 + passed
        progress.show(counts(190, running, 0))
    assert [line.partition(": ")[2] for line in lines] == [
        "190 Created, 1 Running",
        "190 Created, 2 Running",
        "190 Created, 3 Running",
    ]


def test_states_are_told_in_the_order_of_a_simulations_life_without_those_that_do_not_occur() -> None:
    lines: list[str] = []
    PlainLines(lines.append, 10, Clock()).show(counts(1, 2, 3, 4))
    assert lines == ["7 of 10 done: 1 Created, 2 Running, 3 Succeeded, 4 Failed"]


def out_with(console: Console) -> Out:
    out = Out()
    out.console = console
    return out


def test_without_a_terminal_there_are_no_control_characters() -> None:
    screen = io.StringIO()
    with following(out_with(Console(file=screen, soft_wrap=True)), 10) as show:
        show(counts(10, 0, 0))
        show(counts(0, 0, 10))
    assert screen.getvalue() == "0 of 10 done: 10 Created\n10 of 10 done: 10 Succeeded\n"


@pytest.mark.parametrize("no_color", [True, False])
def test_on_a_terminal_one_line_is_redrawn_in_colours_unless_they_are_unwanted(no_color: bool) -> None:
    screen = io.StringIO()
    console = Console(
        file=screen,
        force_terminal=True,
        width=100,
        no_color=no_color,
        color_system="standard",
        _environ={"TERM": "xterm"},
    )
    with following(out_with(console), 10) as show:
        show(counts(5, 4, 1))
        show(counts(0, 0, 9, 1))
    drawn = screen.getvalue()
    assert "10/10" in drawn
    assert "9 Succeeded" in drawn.replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert ("\x1b[32m9 Succeeded" in drawn) is not no_color
