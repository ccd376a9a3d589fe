"""`acomps getexpout` and `acomps getwiout`: output files by their names, in the folders that pyCOMPS's scripts know."""

from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

import acomps
from acomps.cli.ids import find_id
from acomps.cli.meter import metering
from acomps.cli.options import USUAL, Common, Reference
from acomps.cli.output import out
from acomps.cli.server import session
from acomps.comps.named_outputs import NamedOutputs, fetch_named
from acomps.entities import EntityKind, SimulationState
from acomps.streams import spread

__all__ = ["get_output_files_for_experiment", "get_output_files_for_workitem"]

Filename = Annotated[str, Parameter(help="Names of files in any folder, with commas between them.")]
Overwrite = Annotated[
    bool, Parameter(name=("--overwrite", "-ow"), negative="", help="Overwrite files that are there (default: skip).")
]
CaseSensitive = Annotated[
    bool, Parameter(name=("--casesensitive", "-cs"), negative="", help="Capitals in the names matter.")
]
_AT_ONCE: Final = 32


async def get_output_files_for_experiment(
    experiment_id: Reference,
    filename: Filename,
    /,
    *,
    overwrite: Overwrite = False,
    casesensitive: CaseSensitive = False,
    common: Common = USUAL,
) -> None:
    """Download output files from each simulation in an experiment, to ./<exp-id>/<sim-id>/<filename>.

    Example: acomps getexpout latest stdout.txt,InsetChart.json --overwrite
    """
    names = _names(filename)
    done: list[NamedOutputs] = []
    async with session(common) as comps:
        experiment = await find_id(comps, EntityKind.EXPERIMENT, experiment_id)
        out.resume = f"acomps getexpout {experiment} {filename}"
        query = acomps.Query().select("id", "state")
        simulations = [each async for each in comps.simulations.of(await comps.experiments.get(experiment), query)]
        valid = [each for each in simulations if _has_outputs(each)]
        out.note(f"{len(simulations)} simulations in experiment {experiment}")
        if len(valid) < len(simulations):
            out.note(f"Only {len(valid)} of them are commissioned, so that they can have output.")

        async def get(simulation: acomps.Simulation) -> None:
            folder = Path(str(experiment), str(simulation.id))
            found = await fetch_named(
                comps.outputs, simulation, names, folder, overwrite=overwrite, case_sensitive=casesensitive
            )
            _tell(found, simulation.described)
            done.append(found)
            meter.advance()

        with metering(out, "fetching", "simulations", len(valid)) as meter:
            await spread(valid, get, _AT_ONCE)
    _conclude(done)


async def get_output_files_for_workitem(
    workitem_id: Reference,
    filename: Filename,
    /,
    *,
    overwrite: Overwrite = False,
    casesensitive: CaseSensitive = False,
    common: Common = USUAL,
) -> None:
    """Download output files from a work item, to ./<workitem-id>/<filename>.

    Example: acomps getwiout latest stdout.txt --overwrite
    """
    async with session(common) as comps:
        item = await comps.work_items.get(await find_id(comps, EntityKind.WORK_ITEM, workitem_id))
        folder, names = Path(str(item.id)), _names(filename)
        found = await fetch_named(comps.outputs, item, names, folder, overwrite=overwrite, case_sensitive=casesensitive)
    _tell(found, item.described)
    _conclude([found])


def _names(filename: str) -> list[str]:
    return [name for name in filename.split(",") if name]


def _has_outputs(simulation: acomps.Simulation) -> bool:
    return simulation.state is not None and simulation.state.code >= SimulationState.COMMISSIONED.code


def _tell(found: NamedOutputs, described: str) -> None:
    for path in found.fetched:
        out.data(str(path))
    for path in found.kept:
        out.note(f"{path} is there already: skipped")
    if not found.complete:
        out.note(found.reason or f"{described} has not all of the files")


def _conclude(done: list[NamedOutputs]) -> None:
    if any(not found.complete for found in done):
        out.note("Not all files were found: perhaps a name is misspelled, or is that of an asset.")
    if any(found.kept for found in done):
        out.note("Some files were there already; --overwrite fetches them again.")
