"""Statistics about the simulations of experiments, as answers hold them (protocol 6.12)."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

from acomps.entities import SimulationState
from acomps.errors import MalformedAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STATE_COUNTS", "decode_state_counts"]

#: The query that has an answer about experiments hold the counts of their simulations per state.
STATE_COUNTS: Final = ("statsoperations", "simulationcount,simulationstatecount")


def decode_state_counts(document: object) -> Mapping[uuid.UUID, Mapping[SimulationState, int]] | None:
    """The counts per state by experiment; None when the server sent no statistics.

    An experiment without simulations may be left out by the server.
    """
    stats = _under(document, "stats")
    if not isinstance(stats, dict):
        return None
    found: dict[uuid.UUID, Mapping[SimulationState, int]] = {}
    try:
        for experiment, figures in cast("dict[str, Any]", stats).items():
            counted = _under(figures, "simulationstatecount")
            if counted is None and _under(figures, "simulationcount") != 0:
                return None
            found[uuid.UUID(experiment)] = _counts(cast("Mapping[str, Any]", counted or {}))
    except (ValueError, TypeError, AttributeError) as exc:
        raise MalformedAnswer(f"the server sent statistics that cannot be read: {exc}") from exc
    return found


def _counts(counted: Mapping[str, Any]) -> Mapping[SimulationState, int]:
    """The counts by state; all states that only a newer acomps knows are one."""
    counts: Counter[SimulationState] = Counter()
    for state, count in counted.items():
        counts[SimulationState(state)] += int(count)
    return counts


def _under(document: object, key: str) -> object:
    """What is under a key of an object, whatever the case of the key; None when there is no such key."""
    if isinstance(document, dict):
        for name, value in cast("dict[str, Any]", document).items():
            if name.lower() == key:
                return value
    return None
