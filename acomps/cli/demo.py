"""`acomps demo`: a whole sweep on this machine, from parameters to a picture.

What it does with the library is in five functions, in this order: submit, follow, harvest, report, judge.
"""

import importlib.util
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import anyio
import anyio.to_thread
from cyclopts import Parameter

import acomps
from acomps.cli.exits import Exit
from acomps.cli.output import out
from acomps.cli.progress import ahead, described, following
from acomps.comps.child import start_service
from acomps.results import Outcome, chart, read_inset_chart, write_summary

__all__ = ["demo"]

INFECTIVITY: Final = "Base_Infectivity_Constant"
SEED: Final = "Run_Number"
#: 20 infectivities (contacts per day; with 4 infectious days the epidemic begins above 0.25) and 10 seeds of each.
POINTS: Final = {INFECTIVITY: [round(0.05 * step, 2) for step in range(1, 21)], SEED: range(1, 11)}
BASE: Final = {
    "parameters": {
        INFECTIVITY: 0.6,
        "Incubation_Period_Constant": 2,
        "Infectious_Period_Exponential": 4,
        "Initial_Population": 2000,
        "Initial_Infected_Fraction": 0.01,
        SEED: 1,
        "Simulation_Duration": 120,
        "Simulation_Timestep": 1,
    }
}
OUTPUT: Final = "output/InsetChart.json"
LAYOUT: Final = f"infectivity-{{tags[{INFECTIVITY}]:.2f}}/run-{{tags[{SEED}]:02}}.json"
CHANNELS: Final = ("Infected", "New Infections", "Recovered Population")

#: So long nothing may happen before the demo goes on without the simulations that did not end.
PATIENCE_S: Final = 300.0


async def demo(
    *,
    into: Annotated[Path, Parameter(help="The folder for the results; what an earlier demo left is replaced.")] = Path(
        "results"
    ),
    keep: Annotated[bool, Parameter(negative="", help="Keep the data of the local service.")] = False,
) -> Exit:
    """Run 200 simulations of a small epidemic model on this machine, and draw what comes out.

    Starts a local service of its own, submits a sweep of 20 infectivities with 10 seeds each, waits for it, fetches
    every output, writes summary.csv and draws infected.png. Nothing is left running.

    Example: acomps demo --into results
    """
    _require_plots()
    into.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    async with _session(keep=keep) as comps:
        experiment = await submit(comps)
        await follow(comps, experiment)
        outcomes = await harvest(comps, experiment, into)
    await anyio.to_thread.run_sync(report, outcomes, into)
    out.note(f"Done in {time.monotonic() - started:.1f} s; nothing is left running.")
    return judge(outcomes)


async def submit(comps: acomps.Session) -> acomps.Experiment:
    """Send the model as an asset, make the experiment and its simulations, and have them run."""
    from acomps.local.models import seir_path  # needs the extra "local", as the service does

    model = acomps.AssetCollectionFile.from_path(seir_path())
    assets = await comps.asset_collections.save(acomps.AssetCollection(assets=(model,)))
    experiment = await comps.experiments.save(
        acomps.Experiment(
            name="acomps demo",
            configuration=acomps.Configuration(
                environment_name="Local",
                executable_path=shlex.quote(sys.executable),
                simulation_input_args=f"Assets/{model.file_name} --config config.json",
                asset_collection_id=assets.id,
            ),
        )
    )
    saved = await comps.simulations.save_all(acomps.sweep(BASE, POINTS, experiment=experiment))
    saved.raise_for_failures()
    await comps.experiments.commission(experiment)
    out.note(f"Submitted {len(saved.saved)} simulations in {saved.requests} requests ({saved.bytes_sent:,} bytes).")
    return experiment


async def follow(comps: acomps.Session, experiment: acomps.Experiment) -> None:
    """Show how far the simulations are, until all have come to an end."""
    total = await comps.simulations.count(acomps.Query().where(experiment_id=experiment.id))
    last: acomps.Progress | None = None
    with following(out, total) as show, anyio.move_on_after(PATIENCE_S) as patience:
        async for progress in comps.watch(experiment):
            show(progress.counts, ahead(progress))
            if last is None or progress.counts != last.counts:
                patience.deadline = anyio.current_time() + PATIENCE_S
            last = progress
    if last is not None and not last.final:
        out.note(f"Nothing has moved for {PATIENCE_S:.0f} s; going on with {described(last.counts)}.")


async def harvest(comps: acomps.Session, experiment: acomps.Experiment, into: Path) -> list[Outcome]:
    """Fetch the chart of every simulation; in the order of the sweep's points, those that failed without one."""
    outcomes: list[Outcome] = []
    async for file in comps.harvest(experiment, OUTPUT, into=into / "runs", layout=LAYOUT):
        simulation, path = file.simulation, file.local
        if simulation.state != acomps.SimulationState.SUCCEEDED:
            outcomes.append(Outcome(simulation=simulation))
        elif path is None:
            raise file.error or acomps.NotFound(f"{simulation.described} has left no {OUTPUT}", status=404)
        else:
            found = await anyio.to_thread.run_sync(partial(read_inset_chart, path, channels=CHANNELS))
            outcomes.append(Outcome(simulation=simulation, chart=found))
    return sorted(outcomes, key=lambda outcome: _point(outcome.simulation))


def report(outcomes: list[Outcome], into: Path) -> None:
    """Write the table, draw the picture, and say where they are."""
    fetched = sum(outcome.chart is not None for outcome in outcomes)
    out.data(f"{into / 'runs'}: {fetched} times {OUTPUT}")
    rows = write_summary(outcomes, into / "summary.csv", tags=list(POINTS))
    out.data(f"{into / 'summary.csv'}: {rows} rows, one for each simulation")
    if fetched:
        title = "Infected, by infectivity"
        picture = chart(outcomes, channel="Infected", by=INFECTIVITY, to=into / "infected.png", title=title)
        out.data(f"{picture}: median and interquartile range over time for each infectivity")


def judge(outcomes: list[Outcome]) -> Exit:
    """Whether all went well; if not, the first failure is told."""
    failed = [outcome.simulation for outcome in outcomes if outcome.chart is None]
    if not failed:
        return Exit.DONE
    first = failed[0]
    out.fail(
        f"{len(failed)} of {len(outcomes)} simulations did not succeed; the first is {first.described}: "
        f"{first.error_message or first.state}",
        "run acomps demo --keep, and look at stderr.txt in its working directory",
    )
    return Exit.FAILED


@asynccontextmanager
async def _session(*, keep: bool) -> AsyncGenerator[acomps.Session]:
    """A session with a local service of its own; service and data vanish with it."""
    folder = Path(tempfile.mkdtemp(prefix="acomps-demo-"))
    # The token is of no use to anybody later: keep it out of the user's own cache.
    settings = acomps.Settings(token_cache_dir=folder / "tokens")
    try:
        async with (
            start_service(folder / "data") as service,
            acomps.connect(
                service.url, username=service.username, password=service.password, settings=settings
            ) as comps,
        ):
            out.note(f"Local service at {service.url}, data in {folder}.")
            yield comps
    finally:
        if keep:
            out.note(f"The data is kept in {folder}; to look at it again: acomps serve --data-dir {folder / 'data'}")
        else:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


def _point(simulation: acomps.Simulation) -> tuple[float, int]:
    """Where a simulation is in the sweep; the server gives all tags back as texts."""
    return float(str(simulation.tags[INFECTIVITY])), int(str(simulation.tags[SEED]))


def _require_plots() -> None:
    """Better to know now than after the simulations."""
    if importlib.util.find_spec("matplotlib") is None:
        raise acomps.ExtraMissing("the demo's picture", "plots")
