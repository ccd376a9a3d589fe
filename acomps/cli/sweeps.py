"""`acomps submit`: a sweep that is described in a file."""

from pathlib import Path
from typing import Annotated

import anyio.to_thread
import platformdirs
from cyclopts import Parameter

import acomps
from acomps.cli.ids import find_id
from acomps.cli.meter import metering
from acomps.cli.options import USUAL, Common
from acomps.cli.output import out
from acomps.cli.server import session
from acomps.cli.values import size
from acomps.entities import EntityKind
from acomps.sweep.plan import Plan, read_plan

__all__ = ["submit"]


async def submit(
    file: Annotated[Path, Parameter(help="The sweep file; acomps.sweep.plan describes it.")],
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Say how much it is, and send nothing.")] = False,
    create_only: Annotated[bool, Parameter(negative="", help="Do not have the simulations run.")] = False,
    experiment: Annotated[
        str | None,
        Parameter(help="Add to this experiment; what an interrupted submit has saved there is not repeated."),
    ] = None,
    common: Common = USUAL,
) -> None:
    """Submit a sweep that is described in a TOML file: an experiment, what runs, and the points.

    Example: acomps submit sweep.toml --dry-run
    """
    plan = await anyio.to_thread.run_sync(read_plan, file)
    if dry_run:
        out.format = common.format
        out.fields(await anyio.to_thread.run_sync(_size, plan))
        return
    points = len(plan.sweep())  # what is wrong in the parameters is said before anything is sent
    async with session(common) as comps:
        target = await _experiment(comps, plan, experiment)
        journal = _journal(target)
        await anyio.to_thread.run_sync(lambda: journal.parent.mkdir(parents=True, exist_ok=True))
        out.resume = f"acomps submit {file} --experiment {target.id}"
        with metering(out, "saving", "simulations", points) as meter:
            report = await comps.simulations.save_all(plan.sweep(target), journal=journal, on_progress=meter.sink)
        report.raise_for_failures()
        if not create_only:
            await comps.experiments.commission(target)
        await anyio.to_thread.run_sync(lambda: journal.unlink(missing_ok=True))
        out.note(
            f"Submitted {len(report.saved):,} simulations with {size(report.bytes_sent)}; "
            f"next: acomps watch {target.id}"
        )
        out.fields({"experiment": target.id, "simulations": len(report.saved)}, ids=[target.saved_id])


async def _experiment(comps: acomps.Session, plan: Plan, reference: str | None) -> acomps.Experiment:
    """The experiment to add to, or a new one, with the assets that go with it."""
    if reference is not None:
        return await comps.experiments.get(await find_id(comps, EntityKind.EXPERIMENT, reference))
    if plan.assets is None:
        return await comps.experiments.save(plan.experiment)
    with metering(out, "assets", "bytes") as meter:
        assets = await comps.asset_collections.from_directory(plan.assets, on_progress=meter.sink)
    return await comps.experiments.save(plan.with_assets(assets))


def _size(plan: Plan) -> dict[str, object]:
    found = plan.size()
    hours = (
        "unknown: say minutes_per_simulation in [estimate]" if found.core_hours is None else round(found.core_hours, 3)
    )
    return {
        "experiment": plan.experiment.name,
        "simulations": found.simulations,
        "bytes": found.own_bytes + found.shared_bytes,
        "bytes_of_simulations": found.own_bytes,
        "bytes_shared": found.shared_bytes,
        "core_hours": hours,
    }


def _journal(experiment: acomps.Experiment) -> Path:
    """Where the confirmed part of a submit is noted, so that it can go on after whatever ends it."""
    return Path(platformdirs.user_state_dir("acomps", appauthor=False)) / "submits" / f"{experiment.id}.journal"
