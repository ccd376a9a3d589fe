"""`acomps campaign`: stages of simulations that run to their end, whatever interrupts them."""

from contextlib import contextmanager
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from anyio import to_thread
from cyclopts import App, Parameter

import acomps
from acomps.campaign import CampaignStatus
from acomps.campaign.runner.points import read_results
from acomps.campaign.runner.snapshot import snapshot
from acomps.campaign.runner.status import read_status
from acomps.cli.campaign_files import campaign_folder, read_campaign
from acomps.cli.exits import Exit
from acomps.cli.meter import metering
from acomps.cli.options import USUAL, Common
from acomps.cli.output import out
from acomps.cli.server import session
from acomps.cli.values import in_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["app"]

app = App(
    name="campaign",
    help="""Run stages of simulations to their end, whatever interrupts them, and keep what they found.

    A campaign is in a file: a sweep file with a table [campaign], or a Python file with a variable `campaign`.
    """,
)

File = Annotated[Path, Parameter(help="The file of the campaign: .toml (acomps.cli.campaign_files) or .py.")]
Where = Annotated[Path, Parameter(help="The campaign's folder, or its file.")]


@app.command
async def run(file: File, /, *, common: Common = USUAL) -> Exit:
    """Do what is left to do of a campaign; the exit code is 1 if points have failed.

    Example: acomps campaign run sweep.toml
    """
    campaign = await to_thread.run_sync(read_campaign, file)
    out.resume = f"acomps campaign run {file}"
    async with session(common) as comps:
        with _following() as show:
            status = await campaign.run(comps, on_progress=show)
    return _ended(status, file)


@app.command
async def rerun(file: File, /, *, common: Common = USUAL) -> Exit:
    """Try every failed point of a campaign once more, then do what is left to do.

    Example: acomps campaign rerun sweep.toml
    """
    campaign = await to_thread.run_sync(read_campaign, file)
    out.resume = f"acomps campaign run {file}"
    async with session(common) as comps:
        with _following() as show:
            status = await campaign.rerun(comps, on_progress=show)
    return _ended(status, file)


@app.command
async def status(where: Where, /, *, common: Common = USUAL) -> None:
    """How far a campaign is, also while it runs.

    Example: acomps campaign status sweep.campaign
    """
    out.format = common.format
    found = await read_status(await snapshot(await to_thread.run_sync(campaign_folder, where)))
    if out.format == "table":
        columns = (
            "name",
            "rounds",
            "points",
            "waiting",
            "sent",
            "succeeded",
            "failed",
            "attempts",
            "complete",
            "errors",
        )
        out.table(found.stages, {name: attrgetter(name) for name in columns})
    else:
        out.fields({"name": found.name, "complete": found.complete, "stages": found.stages}, ids=[found.name])


@app.command
async def results(where: Where, /, *, common: Common = USUAL) -> None:
    """What a campaign has found so far; with --format json all of it, else without lists and documents.

    Example: acomps campaign results sweep.campaign --format json
    """
    out.format = common.format
    found = await read_results(await snapshot(await to_thread.run_sync(campaign_folder, where)))
    if out.format == "json":
        out.json([*found])
    elif out.format == "ids":
        out.ids(one.id for one in found if one.id)
    else:
        table = await to_thread.run_sync(found.frame)
        plain = [name for name, kind in table.schema.items() if not kind.is_nested()]
        out.table(table.iter_rows(named=True), {name: itemgetter(name) for name in plain})


@app.command
async def export(where: Where, to: Path, /, *, common: Common = USUAL) -> None:
    """Write what a campaign has found to a .parquet, .csv or .json file; in a .csv lists are JSON texts.

    Example: acomps campaign export sweep.campaign results.parquet
    """
    out.format = common.format
    if to.suffix.lower() not in {".parquet", ".csv", ".json"}:
        raise acomps.UsageError(f"{to.name!r} must end in .parquet, .csv or .json")
    found = await read_results(await snapshot(await to_thread.run_sync(campaign_folder, where)))
    await to_thread.run_sync(found.write, to)
    out.fields({"file": to, "points": len(found), "succeeded": len(found.succeeded)}, ids=[to])


@contextmanager
def _following() -> "Generator[Callable[[CampaignStatus], None]]":
    """What shows how many points are settled."""
    done = 0
    with metering(out, "campaign", "points") as meter:

        def show(found: CampaignStatus) -> None:
            nonlocal done
            settled = found.succeeded + found.failed
            meter.advance(settled - done)
            done = settled

        yield show


def _ended(found: CampaignStatus, file: Path) -> Exit:
    out.note(str(found))
    if out.format != "table":
        out.json(in_json(found))
    if found.failed:
        first = next((error for stage in found.stages for error in stage.errors), "unknown")
        out.fail(f"{found.failed} points have failed, the first with: {first}", f"acomps campaign rerun {file}")
        return Exit.FAILED
    return Exit.DONE
