"""A sweep with the real EMOD executable: infectivity x seeds, from the first file to a picture.

    pip install '.[all]' emod-generic
    python examples/emod_sweep.py --infectivities 0.3 0.6 1.2 --seeds 10 --into results/emod

EMOD 2.36 runs on Linux x86-64. It needs Debian's package `libmpich12` and the shared library of a CPython 3.13; the
usual places are searched for it, and `--python-lib` names its folder where it lies elsewhere.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import anyio

import acomps
from acomps.comps.child import start_service
from acomps.results import Outcome, chart, read_inset_chart, write_summary

INPUTS = Path(__file__).parent / "emod"
LIBRARY = "libpython3.13.so.1.0"
PLACES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/local/lib",
    "~/.pyenv/versions/3.13*/lib",
    "~/.local/share/uv/python/cpython-3.13*/lib",
    "/opt/*/lib",
)


class EmodMissing(Exception):
    """EMOD cannot run on this machine; the text says what is missing."""


@dataclass(frozen=True)
class Emod:
    """The executable, and the folder of the Python library that it is linked with."""

    executable: bytes
    python_lib: Path


def find_emod(python_lib: Path | None = None) -> Emod:
    """EMOD as it is installed here, tried out; raises EmodMissing with the reason when it cannot run."""
    spec = importlib.util.find_spec("emod_generic")
    if spec is None or spec.origin is None:
        raise EmodMissing("the package emod-generic is not installed: pip install emod-generic")
    archive = zipfile.ZipFile(io.BytesIO((Path(spec.origin).parent / "Eradication.zip").read_bytes()))
    emod = Emod(archive.read("Eradication"), python_lib or _find_library())
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "Eradication"
        program.write_bytes(emod.executable)
        program.chmod(0o755)
        try:
            subprocess.run(
                [program, "--version"],
                env={**os.environ, "LD_LIBRARY_PATH": str(emod.python_lib)},
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
        except subprocess.CalledProcessError as exc:
            reason = (exc.stderr or exc.stdout).strip().splitlines()
            raise EmodMissing(f"EMOD does not start: {reason[-1] if reason else exc}") from exc
        except OSError as exc:
            raise EmodMissing(f"EMOD does not run on this kind of machine: {exc}") from exc
    return emod


def _find_library() -> Path:
    folders = (folder for place in PLACES for folder in sorted(Path("/").glob(os.path.expanduser(place)[1:])))
    for folder in folders:
        if (folder / LIBRARY).exists():
            return folder
    raise EmodMissing(f"{LIBRARY} was not found: name its folder with --python-lib")


def assets(emod: Emod) -> acomps.AssetCollection:
    """What all simulations share: the executable, a line of shell that finds its library, the demographics."""
    start = f'#!/bin/sh\nLD_LIBRARY_PATH="{emod.python_lib}" exec Assets/Eradication "$@"\n'
    return acomps.AssetCollection(
        tags={"Name": "EMOD generic 2.36"},
        assets=(
            acomps.AssetCollectionFile(file_name="Eradication", content=emod.executable),
            acomps.AssetCollectionFile(file_name="emod.sh", content=start.encode()),
            acomps.AssetCollectionFile.from_path(INPUTS / "generic_scenarios_demographics.json"),
        ),
    )


async def run(session: acomps.Session, emod: Emod, infectivities: list[float], seeds: int, into: Path) -> int:
    """The whole line; returns how many simulations failed."""
    collection = await session.asset_collections.save(assets(emod))
    experiment = await session.experiments.save(
        acomps.Experiment(
            name="EMOD infectivity",
            configuration=acomps.Configuration(
                environment_name="Local",
                executable_path="Assets/emod.sh",
                simulation_input_args="--config config.json --input-path '.;Assets' --output-path output",
                asset_collection_id=collection.id,
            ),
        )
    )
    points = acomps.sweep(
        INPUTS / "config.json",
        {"Base_Infectivity_Constant": infectivities, "Run_Number": range(1, seeds + 1)},
        experiment=experiment,
        files=[acomps.SimulationFile.from_path(INPUTS / "campaign.json")],
    )
    report = await session.simulations.save_all(points)
    report.raise_for_failures()
    print(f"submitted {len(report.saved)} simulations", flush=True)
    await session.experiments.commission(experiment)
    async for progress in session.watch(experiment):
        print(progress, flush=True)

    outcomes: list[Outcome] = []
    async for simulation in session.simulations.of(experiment, acomps.Query().children("tags")):
        if simulation.state != acomps.SimulationState.SUCCEEDED:
            print(f"{simulation.name}: {simulation.state}: {simulation.error_message}", file=sys.stderr)
            outcomes.append(Outcome(simulation=simulation))
            continue
        path = into / str(simulation.id) / "InsetChart.json"
        await session.outputs.download(simulation, "output/InsetChart.json", path)
        outcomes.append(Outcome(simulation=simulation, chart=read_inset_chart(path)))
    write_summary(outcomes, into / "summary.csv")
    chart(
        outcomes, channel="Infected", by="Base_Infectivity_Constant", to=into / "infected.png", title="EMOD: infected"
    )
    print(f"wrote {into / 'summary.csv'} and {into / 'infected.png'}")
    return sum(outcome.chart is None for outcome in outcomes)


async def main() -> int:
    """Run the sweep on a local service of its own, or on the server that `--server` names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help="a COMPS server, or 'local'; a service of its own if left out")
    parser.add_argument("--infectivities", type=float, nargs="+", default=[0.1, 0.3, 0.6, 1.2])
    parser.add_argument("--seeds", type=int, default=10, help="how many values of Run_Number")
    parser.add_argument("--into", type=Path, default=Path("results/emod"))
    parser.add_argument("--python-lib", type=Path, help=f"the folder of {LIBRARY}")
    chosen = parser.parse_args()
    try:
        emod = find_emod(chosen.python_lib)
    except EmodMissing as exc:
        print(exc, file=sys.stderr)
        return 1
    if chosen.server is not None:
        async with acomps.connect(chosen.server) as session:
            return await run(session, emod, chosen.infectivities, chosen.seeds, chosen.into)
    with tempfile.TemporaryDirectory(prefix="acomps-emod-") as folder:
        async with (
            start_service(Path(folder)) as service,
            acomps.connect(service.url, username=service.username, password=service.password) as session,
        ):
            return await run(session, emod, chosen.infectivities, chosen.seeds, chosen.into)


if __name__ == "__main__":
    sys.exit(anyio.run(main))
