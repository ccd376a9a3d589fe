"""A calibration in two stages that survives whatever interrupts it: a coarse sweep, then two rounds around the best.

    pip install '.[local,data,plots]'
    python examples/calibration.py

Fits the infectivity and the infectious period of the SEIR model to the weekly cases of an outbreak in a town of 2,000
(calibration.csv, made with the same model, then scattered). Stop it with Ctrl-C or kill -9, run it again:
it goes on, and nothing is simulated twice. At the end there are results.csv and fit.png in the folder.
"""

# matplotlib's own stubs leave every **kwargs untyped, which makes nearly all of its methods "partially unknown".
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import argparse
import csv
import math
import shlex
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio
import anyio.to_thread

import acomps
from acomps.campaign import Campaign, CampaignStatus, Channels, Result, Results, Stage
from acomps.comps.child import start_service
from acomps.local.models import seir_path

if TYPE_CHECKING:
    from acomps.sweep import Sweep

INFECTIVITY, PERIOD, SEED = "Base_Infectivity_Constant", "Infectious_Period_Exponential", "Run_Number"
CASES = "New Infections"
BASE = {
    "parameters": {
        INFECTIVITY: 0.5,
        PERIOD: 4.0,
        "Incubation_Period_Constant": 3,
        "Initial_Population": 2000,
        "Initial_Infected_Fraction": 0.005,
        SEED: 1,
        "Simulation_Duration": 112,
    }
}
#: Infectious contacts per day, and days; three seeds of each pair.
COARSE = {INFECTIVITY: [0.2, 0.4, 0.6, 0.8], PERIOD: [2.0, 4.0, 6.0], SEED: range(1, 4)}
STEPS = {INFECTIVITY: 0.1, PERIOD: 1.0}


def observed() -> list[float]:
    """The cases of each week."""
    with Path(__file__).with_name("calibration.csv").open(newline="") as handle:
        return [float(row["cases"]) for row in csv.DictReader(handle)]


def weekly(result: Result) -> list[float]:
    """The cases of each week in a simulation."""
    days = cast("dict[str, list[float]]", result.outputs)[CASES]
    return [sum(days[first : first + 7]) for first in range(0, len(days), 7)]


def misfit(result: Result) -> float:
    """How far a simulation is from the data: squares of differences of roots, as counts scatter with their root."""
    pairs = zip(weekly(result), observed(), strict=True)
    return sum((math.sqrt(model) - math.sqrt(seen)) ** 2 for model, seen in pairs)


def pair(result: Result) -> tuple[float, float]:
    """The parameters that are fitted."""
    return cast("float", result.inputs[INFECTIVITY]), cast("float", result.inputs[PERIOD])


def ranked(results: Results) -> list[tuple[float, tuple[float, float]]]:
    """The mean misfit over the seeds of each pair of parameters, the best first."""
    found: dict[tuple[float, float], list[float]] = defaultdict(list)
    for result in results.succeeded:
        found[pair(result)].append(misfit(result))
    return sorted((statistics.fmean(scores), parameters) for parameters, scores in found.items())


def refine(results: Results) -> Sweep:
    """The eight neighbours of the best pair so far and the pair itself; in each round half as far away."""
    rounds = 1 + max((one.round for one in results.of("fine")), default=-1)
    _, (infectivity, period) = ranked(results)[0]
    near = [side * 0.5**rounds for side in (-1, 0, 1)]
    points = {
        INFECTIVITY: [round(infectivity + step * STEPS[INFECTIVITY], 4) for step in near],
        PERIOD: [round(period + step * STEPS[PERIOD], 4) for step in near],
        SEED: range(1, 5),
    }
    return acomps.sweep(BASE, points)


def calibration(folder: Path, python: str = sys.executable) -> Campaign:
    """The campaign; its definition is this function and what it names."""
    return Campaign(
        folder,
        name="SEIR calibration",
        experiment=acomps.Experiment(
            name="SEIR calibration",
            configuration=acomps.Configuration(
                environment_name="Local",
                executable_path=shlex.quote(python),
                simulation_input_args="Assets/seir.py --config config.json",
            ),
        ),
        assets=acomps.AssetCollection(assets=(acomps.AssetCollectionFile.from_path(seir_path()),)),
        stages=[
            Stage(name="coarse", sweep=acomps.sweep(BASE, COARSE)),
            Stage(name="fine", sweep=refine, rounds=2),
        ],
        outputs=["output/InsetChart.json"],
        read=Channels(CASES),
    )


#: What `acomps campaign run examples/calibration.py` runs.
campaign = calibration(Path("calibration", "campaign"))


def draw(results: Results, to: Path) -> None:
    """The data, and the simulations of the best pair."""
    from matplotlib.figure import Figure

    score, best = ranked(results)[0]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    weeks = range(1, len(observed()) + 1)
    for result in results.succeeded:
        if pair(result) == best:
            axes.plot(weeks, weekly(result), color="tab:blue", alpha=0.5, label="simulated")
        elif result.stage == "coarse":
            axes.plot(weeks, weekly(result), color="0.9", zorder=0)
    axes.plot(weeks, observed(), "o", color="tab:red", label="observed")
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(handles.values(), handles.keys(), frameon=False)
    axes.set(xlabel="week", ylabel="cases", title=f"infectivity {best[0]:g}, {best[1]:g} days: misfit {score:.1f}")
    figure.savefig(to)


def told(status: CampaignStatus) -> None:
    """A line of progress."""
    print(status, file=sys.stderr, flush=True)


async def main() -> None:
    """Run on a local service of its own, whose data is in the folder too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=Path("calibration"), help="the folder for everything")
    into: Path = parser.parse_args().into
    fitted = calibration(into / "campaign")
    async with (
        start_service(into / "service") as service,
        acomps.connect(service.url, username=service.username, password=service.password) as comps,
    ):
        status = await fitted.run(comps, on_progress=told)
    results = await fitted.results()
    await anyio.to_thread.run_sync(results.frame().drop(CASES).write_csv, into / "results.csv")
    await anyio.to_thread.run_sync(draw, results, into / "fit.png")
    score, (infectivity, period) = ranked(results)[0]
    print(f"{status.succeeded} simulations; best fit: infectivity {infectivity:g}, {period:g} days, misfit {score:.1f}")


if __name__ == "__main__":
    try:
        anyio.run(main)
    except KeyboardInterrupt:
        sys.exit(f"stopped; go on with: {shlex.join([sys.executable, *sys.argv])}")
