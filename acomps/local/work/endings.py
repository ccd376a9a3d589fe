"""What the end of an attempt means for its simulation (protocol 10.1)."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.entities.states import JobState, SimulationState

if TYPE_CHECKING:
    from acomps.local.executors import Ending

__all__ = ["History", "Verdict", "judge"]

#: An attempt that the service lost is repeated whatever the retries say, but not for ever: a simulation that takes the
#: machine down with it must not do so each time.
MAX_LOST: Final = 3
#: A shell reports a signal as this plus the signal's number.
SHELL_SIGNAL_BASE: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is on record about the simulation when an attempt ends."""

    state: SimulationState
    retries: int
    #: Attempts before this one that failed, and that were lost.
    failed: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is put on record."""

    job: JobState
    simulation: SimulationState
    error: str | None = None
    lost: bool = False


def judge(ending: Ending, history: History, last_words: str) -> Verdict:
    """What becomes of a simulation whose attempt has ended; `last_words` is the end of its stderr."""
    if ending.canceled or history.state is SimulationState.CANCEL_REQUESTED:
        return Verdict(job=JobState.CANCELED, simulation=SimulationState.CANCELED)
    if ending.stopped:
        why = ending.reason or "the service was stopped while this attempt ran"
        error = f"{why}; the simulation went back into the queue"
        return Verdict(job=JobState.CANCELED, simulation=SimulationState.COMMISSION_REQUESTED, error=error)
    if ending.exit_code == 0:
        return Verdict(job=JobState.FINISHED, simulation=SimulationState.SUCCEEDED)
    error = _reason(ending, last_words)
    again = history.lost < MAX_LOST if ending.lost else history.failed < history.retries
    return Verdict(
        job=JobState.FAILED,
        simulation=SimulationState.RETRY if again else SimulationState.FAILED,
        error=error,
        lost=ending.lost,
    )


def _reason(ending: Ending, last_words: str) -> str:
    if ending.exit_code is None:
        error = ending.reason or "nobody knows how the process ended"
    else:
        error = f"the process ended with exit code {ending.exit_code}{_signal(ending.exit_code)}"
    return f"{error}; the end of stderr.txt: {last_words}" if last_words else error


def _signal(exit_code: int) -> str:
    try:
        return f" (signal {signal.Signals(exit_code - SHELL_SIGNAL_BASE).name})"
    except ValueError:
        return ""
