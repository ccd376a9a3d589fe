"""A picture of one channel over time: for each value of a tag, the median and the interquartile band of its runs."""

# matplotlib's own stubs leave every **kwargs untyped, which makes nearly all of its methods "partially unknown".
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from acomps.errors import ExtraMissing, UsageError
from acomps.results.publish import publishing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from acomps.results.bands import Bands
    from acomps.results.outcome import Outcome

__all__ = ["chart"]

SUFFIXES: Final = (".png", ".svg", ".pdf")
#: Up to so many groups are told apart by a legend, more of numbers by a colour bar.
LEGEND_GROUPS: Final = 6
#: A legend of more rows gets another column.
LEGEND_ROWS: Final = 12
#: The bright end of viridis is hard to see on white.
BRIGHTEST: Final = 0.92
SIZE_INCHES: Final = (8.0, 4.8)
DPI: Final = 150


def chart(outcomes: Iterable[Outcome], *, channel: str, by: str, to: Path, title: str | None = None) -> Path:
    """Draw `channel` of all outcomes, grouped by the tag `by`, as PNG, SVG or PDF (the suffix of `to`); returns `to`.

    Outcomes without a chart are left out. Needs the extra "plots".
    """
    if to.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{to.name!r} must end in one of {', '.join(SUFFIXES)}")
    try:
        from matplotlib.figure import Figure

        from acomps.results.bands import banded
    except ImportError as error:
        raise ExtraMissing("a picture", "plots") from error
    bands = banded(outcomes, channel=channel, by=by)
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    _draw(figure, axes, bands, by.replace("_", " "))
    _label(axes, bands, title or channel, bands.units or channel)
    with publishing(to) as draft:
        figure.savefig(draft, dpi=DPI, format=to.suffix[1:].lower())
    return to


def _draw(figure: Figure, axes: Axes, bands: Bands, by: str) -> None:
    """A line and a band for each group, coloured by its number or place, and the key to the colours."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    many = len(bands.bands) > LEGEND_GROUPS
    viridis = colormaps["viridis"]
    shades = LinearSegmentedColormap.from_list("shades", [viridis(step / 255 * BRIGHTEST) for step in range(256)])
    places = tuple(range(len(bands.bands)))
    numbers = (bands.numbers if many else ()) or places
    scale = Normalize(min(numbers), max(numbers))
    for number, band in zip(numbers, bands.bands, strict=True):
        colour, days = shades(scale(number)), bands.days(band)
        axes.fill_between(days, band.lower, band.upper, color=colour, alpha=0.15 if many else 0.25, linewidth=0)
        axes.plot(days, band.median, color=colour, linewidth=1.4 if many else 1.8, label=band.label)
    if many and bands.numbers:
        bar = figure.colorbar(ScalarMappable(scale, shades), ax=axes, label=by, pad=0.02)
        bar.outline.set_visible(False)
    elif len(bands.bands) > 1:
        columns = 1 + (len(bands.bands) - 1) // LEGEND_ROWS
        axes.legend(title=by, frameon=False, ncols=columns, fontsize="small" if many else None)


def _label(axes: Axes, bands: Bands, title: str, units: str) -> None:
    fewest, most = (choose(band.runs for band in bands.bands) for choose in (min, max))
    runs = f"{most} runs" if fewest == most else f"{fewest} to {most} runs"
    axes.set_title(title, loc="left", fontweight="bold")
    if most > 1:
        axes.set_title(f"median and interquartile range of {runs} each", loc="right", fontsize="small", color="0.4")
    axes.set_xlabel("time (days)")
    axes.set_ylabel(units)
    axes.set_ylim(bottom=min(0.0, *(float(band.lower.min()) for band in bands.bands)))
    axes.margins(x=0)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
