"""`acomps chart`: a channel of many simulations as a picture."""

from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import anyio.to_thread
from cyclopts import Parameter

import acomps
from acomps.cli.harvests import harvest_source
from acomps.cli.meter import metering
from acomps.cli.options import USUAL, Common, Reference
from acomps.cli.output import out
from acomps.cli.server import session

__all__ = ["chart"]


async def chart(
    reference: Reference = "latest",
    /,
    *,
    channel: Annotated[
        tuple[str, ...], Parameter(negative="", show_default=False, help="A channel to draw (default: all).")
    ] = (),
    by: Annotated[str | None, Parameter(help="A tag: each of its values gets a colour.")] = None,
    to: Annotated[Path, Parameter(help="The picture, as .png, .svg or .pdf.")] = Path("chart.png"),
    style: Annotated[Literal["band", "lines"], Parameter(help="Median and quartiles, or every run.")] = "band",
    title: Annotated[str | None, Parameter(help="What to write above it.")] = None,
    path: Annotated[str, Parameter(help="The file of each simulation to read.")] = "output/InsetChart.json",
    common: Common = USUAL,
) -> None:
    """Draw channels of the simulations of an experiment over time, for each value of a tag in a colour.

    Example: acomps chart latest --channel Infected --by Base_Infectivity_Constant --to infected.png
    """
    from acomps.results import Outcome, read_inset_chart
    from acomps.results import chart as draw

    outcomes: list[Outcome] = []
    async with session(common) as comps:
        source = await harvest_source(comps, reference)
        files = comps.harvest([source] if isinstance(source, acomps.Simulation) else source, path)
        with metering(out, "reading", "files") as meter:
            async with aclosing(files):
                async for file in files:
                    if file.content is not None:
                        read = partial(read_inset_chart, file.content, channels=channel or None, name=file.path)
                        found = await anyio.to_thread.run_sync(read)
                        outcomes.append(Outcome(simulation=file.simulation, chart=found))
                    meter.advance()
    if not outcomes:
        raise acomps.NotFound(f"no simulation of {source.described} has left a {path}", status=404)
    picture = partial(draw, outcomes, channel=channel or None, to=to, by=by, style=style, title=title)
    out.data(str(await anyio.to_thread.run_sync(picture)))
    out.note(f"Drawn from {len(outcomes)} simulations of {source.described}.")
