"""Outcomes -> summary.csv: one row per simulation."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.entities import TagValue
from acomps.results.publish import publishing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from acomps.results.insetchart import InsetChart
    from acomps.results.outcome import Outcome

__all__ = ["Summary", "summarise", "write_summary"]

#: Tags that acomps itself puts on simulations begin with this; they say nothing about the model.
OWN_TAGS: Final = "acomps_"
FIGURES: Final = ("total_new_infections", "peak_infected", "peak_day", "final_recovered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One simulation in a few figures; those that its chart does not have are None."""

    id: uuid.UUID | None
    state: str
    tags: Mapping[str, TagValue]
    total_new_infections: float | None = None
    peak_infected: float | None = None
    peak_day: float | None = None
    final_recovered: float | None = None


def summarise(outcome: Outcome) -> Summary:
    """The figures of one outcome. The peak is the first time step at which most are infected."""
    simulation, chart = outcome.simulation, outcome.chart
    new, infected, recovered = (_data(chart, name) for name in ("New Infections", "Infected", "Recovered Population"))
    peak = max(infected, default=None)
    return Summary(
        id=simulation.id,
        state=simulation.state.text if simulation.state else "",
        tags=simulation.tags,
        total_new_infections=sum(new) if new else None,
        peak_infected=peak,
        peak_day=chart.day(infected.index(peak)) if chart and peak is not None else None,
        final_recovered=recovered[-1] if recovered else None,
    )


def write_summary(outcomes: Iterable[Outcome], to: Path, *, tags: Sequence[str] | None = None) -> int:
    """Write one row per outcome, in order, and return how many; `tags` are the columns to have (default: all).

    Columns: id, state, the tags, total_new_infections, peak_infected (fraction), peak_day, final_recovered
    (fraction). The tag of a name that is a column already is `tag_<name>`. What is not known is empty.
    """
    rows = [summarise(outcome) for outcome in outcomes]
    names = list(tags) if tags is not None else _tag_names(rows)
    taken = {"id", "state", *FIGURES}
    with publishing(to) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "state", *(f"tag_{name}" if name in taken else name for name in names), *FIGURES])
        for row in rows:
            figures = (row.total_new_infections, row.peak_infected, row.peak_day, row.final_recovered)
            table.writerow([row.id, row.state, *(row.tags.get(name) for name in names), *map(_short, figures)])
    return len(rows)


def _data(chart: InsetChart | None, name: str) -> tuple[float, ...]:
    return chart[name].data if chart is not None and name in chart.channels else ()


def _tag_names(rows: Iterable[Summary]) -> list[str]:
    """All tags that occur, in the order of their first appearance, without acomps's own."""
    names = dict.fromkeys(name for row in rows for name in row.tags)
    return [name for name in names if not name.startswith(OWN_TAGS)]


def _short(figure: float | None) -> str:
    """A figure without the noise of binary fractions; empty when it is not known."""
    return "" if figure is None else f"{figure:.12g}"
