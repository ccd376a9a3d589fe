"""A picture of channels over time: every run, or for each value of a tag the median and the quartiles of its runs."""

# matplotlib's own stubs leave every **kwargs untyped, which makes nearly all of its methods "partially unknown".
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from acomps.errors import ExtraMissing, UsageError
from acomps.results.outcome import Outcome
from acomps.results.publish import publishing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

    from acomps.results.bands import Band, Bands

    Colour: TypeAlias = tuple[float, float, float, float]

__all__ = ["chart"]

SUFFIXES: Final = (".png", ".svg", ".pdf")
#: Up to so many groups are told apart by a legend, more of numbers by a colour bar.
LEGEND_GROUPS: Final = 6
#: A legend of more rows gets another column.
LEGEND_ROWS: Final = 12
#: The bright end of viridis is hard to see on white.
BRIGHTEST: Final = 0.92
SIZE_INCHES: Final = (8.0, 4.8)
PANEL_INCHES: Final = (4.2, 2.9)
#: Beside the panels, for the key to the colours.
KEY_INCHES: Final = 1.0
PAD_INCHES: Final = 0.07
DPI: Final = 150
#: Above so many points, lines in SVG and PDF are pixels, or no reader would open the file.
POINTS: Final = 200_000


def chart(
    outcomes: Outcome | Iterable[Outcome],
    *,
    channel: str | Sequence[str] | None,
    to: Path | str,
    by: str | None = None,
    style: Literal["band", "lines"] = "band",
    title: str | None = None,
) -> Path:
    """Draw one channel, or several in a panel each, as PNG, SVG or PDF (the suffix of `to`); returns the path.

    `channel` None means all channels. Outcomes, of which there may be only one, are grouped by the tag `by`, each
    group in a colour; "band" draws its median and interquartile range, "lines" every run. Outcomes without a chart
    are left out. Needs the extra "plots".
    """
    target = Path(to)
    if target.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{target.name!r} must end in one of {', '.join(SUFFIXES)}")
    if style not in {"band", "lines"}:
        raise UsageError(f"there is no style {style!r}: it is 'band' or 'lines'")
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        from acomps.results.bands import banded_each
    except ImportError as error:
        raise ExtraMissing("a picture", "plots") from error
    several = [outcomes] if isinstance(outcomes, Outcome) else outcomes
    panels = banded_each(several, channels=[channel] if isinstance(channel, str) else channel, by=by)
    figure = Figure(figsize=_size(len(panels)), layout=ConstrainedLayoutEngine(w_pad=PAD_INCHES, h_pad=PAD_INCHES))
    picture = _Picture(figure, panels, style, (by or "").replace("_", " "))
    picture.draw(title)
    with publishing(target) as draft:
        figure.savefig(draft, dpi=DPI, format=target.suffix[1:].lower())
    return target


def _columns(panels: int) -> int:
    """About as many as rows, and such that the last row is as full as can be."""
    square = math.ceil(math.sqrt(panels))
    return min((square, square + 1), key=lambda columns: -panels % columns) if panels > 3 else panels


def _size(panels: int) -> tuple[float, float]:
    if panels == 1:
        return SIZE_INCHES
    across = _columns(panels)
    return PANEL_INCHES[0] * across + KEY_INCHES, PANEL_INCHES[1] * math.ceil(panels / across) + 0.4


class _Picture:
    """Panels with the same groups in the same colours, and one key to them."""

    def __init__(self, figure: Figure, panels: Sequence[Bands], style: str, by: str) -> None:
        from matplotlib import colormaps
        from matplotlib.colors import LinearSegmentedColormap, Normalize

        self._figure, self._panels, self._style, self._by = figure, panels, style, by
        self._groups = panels[0].bands
        self._many = len(self._groups) > LEGEND_GROUPS
        viridis = colormaps["viridis"]
        self._shades: Colormap = LinearSegmentedColormap.from_list(
            "shades", [viridis(step / 255 * BRIGHTEST) for step in range(256)]
        )
        self._numbers = (panels[0].numbers if self._many else ()) or tuple(map(float, range(len(self._groups))))
        # A single group is in the middle of the colours.
        alone = len(self._groups) == 1
        self._scale: Normalize = Normalize(-1, 1) if alone else Normalize(min(self._numbers), max(self._numbers))

    def draw(self, title: str | None) -> None:
        """Everything."""
        across = _columns(len(self._panels))
        grid = self._figure.subplots(math.ceil(len(self._panels) / across), across, squeeze=False, sharex=True)
        places: list[Axes] = [*grid.flat]
        for axes, panel in zip(places, self._panels, strict=False):
            self._panel(axes, panel)
        for axes in places[len(self._panels) :]:
            axes.remove()
        drawn = places[: len(self._panels)]
        for axes in drawn[-across:]:
            axes.set_xlabel("time (days)")
            axes.tick_params(labelbottom=True)
        if len(drawn) == 1:
            drawn[0].set_title(title or self._panels[0].channel, loc="left", fontweight="bold")
            drawn[0].set_title(self._described(), loc="right", fontsize="small", color="0.4")
        else:
            if title:
                self._figure.suptitle(title, x=0.01, horizontalalignment="left", fontweight="bold")
            self._figure.supxlabel(self._described(), x=0.01, horizontalalignment="left", fontsize="small", color="0.4")
        self._key(drawn)

    def _panel(self, axes: Axes, panel: Bands) -> None:
        for number, band in zip(self._numbers, panel.bands, strict=True):
            colour = self._shades(self._scale(number))
            if self._style == "lines" or band.runs == 1:
                self._lines(axes, panel, band, colour)
            else:
                self._band(axes, panel, band, colour)
        if len(self._panels) > 1:
            axes.set_title(panel.channel, loc="left", fontsize="medium", fontweight="bold")
        axes.set_ylabel(panel.units or panel.channel)
        axes.set_ylim(bottom=min(0.0, *(self._lowest(band) for band in panel.bands)))
        axes.margins(x=0)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)

    def _band(self, axes: Axes, panel: Bands, band: Band, colour: Colour) -> None:
        days = panel.days(band)
        axes.fill_between(days, band.lower, band.upper, color=colour, alpha=0.15 if self._many else 0.25, linewidth=0)
        axes.plot(days, band.median, color=colour, linewidth=1.4 if self._many else 1.8, label=band.label)

    def _lines(self, axes: Axes, panel: Bands, band: Band, colour: Colour) -> None:
        """Every run, the fainter the more there are; nothing where a run had ended."""
        import numpy as np
        from matplotlib.collections import LineCollection

        days = panel.days(band)
        drawn = sum(each.runs for each in self._groups)
        axes.add_collection(
            LineCollection(
                [list(zip(days, run, strict=True)) for run in band.table],
                colors=[colour],
                linewidths=1.8 if drawn == 1 else 0.9,
                alpha=max(0.08, min(1.0, 3.0 / drawn**0.5)),
                rasterized=drawn * len(days) > POINTS,
            )
        )
        # For the key, and for the limits of the axes, which a collection does not change.
        axes.plot([], [], color=colour, linewidth=1.8, label=band.label)
        axes.update_datalim([(days[0], np.nanmin(band.table)), (days[-1], np.nanmax(band.table))])
        axes.autoscale_view()

    def _lowest(self, band: Band) -> float:
        import numpy as np

        lines = self._style == "lines" or band.runs == 1
        return float(np.nanmin(band.table) if lines else band.lower.min())

    def _key(self, drawn: Sequence[Axes]) -> None:
        """What the colours mean: a bar for many numbers, else a legend; nothing for a single group."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.lines import Line2D

        if self._many and self._panels[0].numbers:
            bar = self._figure.colorbar(
                ScalarMappable(self._scale, self._shades), ax=[*drawn], label=self._by, pad=0.02
            )
            bar.outline.set_visible(False)
        elif len(self._groups) > 1:
            columns = 1 + (len(self._groups) - 1) // LEGEND_ROWS
            small = "small" if self._many else None
            if len(drawn) == 1:
                drawn[0].legend(title=self._by, alignment="left", frameon=False, ncols=columns, fontsize=small)
            else:
                handles, labels = drawn[0].get_legend_handles_labels()
                # In one row with the title, if that is short.
                self._figure.legend(
                    [Line2D([], [], linewidth=0), *handles],
                    [f"{self._by}:", *labels],
                    loc="outside upper right",
                    frameon=False,
                    ncols=min(len(labels) + 1, LEGEND_GROUPS + 1),
                    fontsize=small,
                )

    def _described(self) -> str:
        """What is drawn of how many runs; nothing for a single one."""
        fewest, most = (choose(band.runs for band in self._groups) for choose in (min, max))
        if most == 1:
            return ""
        runs = f"{most} runs" if fewest == most else f"{fewest} to {most} runs"
        each = " each" if len(self._groups) > 1 else ""
        return f"{runs}{each}" if self._style == "lines" else f"median and interquartile range of {runs}{each}"
