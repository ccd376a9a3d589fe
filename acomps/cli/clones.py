"""`acomps clonesim` and `acomps rerunsims`: simulations once more."""

from typing import Annotated

from cyclopts import Parameter

from acomps.cli.ids import find_id
from acomps.cli.meter import metering
from acomps.cli.options import USUAL, Common, Reference
from acomps.cli.output import out
from acomps.cli.server import session
from acomps.entities import EntityKind

__all__ = ["clone_simulation", "rerun_failed_simulations_for_experiment"]


async def clone_simulation(
    simulation_id: Reference,
    /,
    *,
    experiment_id: Annotated[
        str | None,
        Parameter(
            name=("--experiment_id", "--experiment-id", "-eid"),
            help="The experiment to put it in (default: the original's, or a new one if that is not yours).",
        ),
    ] = None,
    common: Common = USUAL,
) -> None:
    """Clone an existing simulation, including all tags and files, but not its state.

    Example: acomps clonesim latest
    """
    async with session(common) as comps:
        found = await find_id(comps, EntityKind.SIMULATION, simulation_id)
        target = None if experiment_id is None else await find_id(comps, EntityKind.EXPERIMENT, experiment_id)
        clone = await comps.clone(found, experiment=target)
        out.note(f"Created new simulation {clone.id}; next: acomps commission {clone.id}")
        out.records([clone], {"id": lambda each: each.id, "experiment": lambda each: each.experiment_id})


async def rerun_failed_simulations_for_experiment(
    experiment_id: Reference,
    /,
    *,
    createonly: Annotated[
        bool, Parameter(name=("--createonly", "-co"), negative="", help="Create the simulations, but do not run them.")
    ] = False,
    deleteold: Annotated[
        bool, Parameter(name=("--deleteold", "-del"), negative="", help="Delete the failed ones (default: tag them).")
    ] = False,
    common: Common = USUAL,
) -> None:
    """Rerun failed simulations of an experiment as new simulations, in a new experiment if it is not yours.

    Example: acomps rerunsims latest --createonly
    """
    async with session(common) as comps:
        found = await find_id(comps, EntityKind.EXPERIMENT, experiment_id)
        with metering(out, "cloning", "simulations") as meter:
            rerun = await comps.rerun_failed(
                found, commission=not createonly, delete_old=deleteold, on_progress=meter.sink
            )
        if not rerun.clones:
            out.note(f"No simulation of experiment {found} has failed.")
            return
        if rerun.experiment.id != found:
            out.note(f"The experiment is not yours; the new simulations are in experiment {rerun.experiment.id}.")
        doing = "created" if createonly else "commissioned"
        out.note(f"{len(rerun.clones)} simulations {doing}; next: acomps watch {rerun.experiment.id}")
        out.records(rerun.clones, {"id": lambda each: each.id, "name": lambda each: each.name})
