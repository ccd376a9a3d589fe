"""pyCOMPS doing one job of a comparison, in an interpreter that has idm-pycomps; the job comes on stdin.

It imports nothing of acomps, and of pyCOMPS only what its own users would.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: The files of a simulation that is saved: one of its own, and one that all share.
OWN_BYTES: Final = 2_000
SHARED_BYTES: Final = 10_000
#: The outputs of a simulation that are harvested.
HARVESTED: Final = ("InsetChart.json", "Summary.json")


def peak_mib() -> float:
    """The most memory that this process has had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def cpu_s() -> float:
    """What this process has computed, and the processes that it has started and that have ended."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def upload(path: Path) -> None:
    """Bring one large file to the server: adding it to a collection does so."""
    data: Any = importlib.import_module("COMPS.Data")
    collection = data.AssetCollection()
    collection.add_asset(data.AssetCollectionFile(file_name=path.name), file_path=str(path))


def collection(path: Path) -> None:
    """Save a folder as a collection, with its own utility that asks before it sends."""
    utility: Any = importlib.import_module("COMPS.utils.create_asset_collection")
    utility.create_asset_collection(str(path), "")


def download(simulation_id: str, output: str, to: Path) -> None:
    """Bring one output file to the disk."""
    data: Any = importlib.import_module("COMPS.Data")
    [content] = data.Simulation.get(id=simulation_id).retrieve_output_files([output])
    to.write_bytes(content)


def harvest(experiment_id: str) -> None:
    """Bring two files of every simulation to the working directory, with its own utility: one process per core."""
    utility: Any = importlib.import_module("COMPS.utils.get_output_files_for_experiment")
    utility.get_files(experiment_id, [*HARVESTED])


def save(count: int) -> None:
    """Save simulations with three tags, a file of their own and one that all share."""
    data: Any = importlib.import_module("COMPS.Data")
    run = uuid.uuid4().hex
    experiment = data.Experiment("benchmark")
    experiment.save()
    shared = run.encode().ljust(SHARED_BYTES)
    for number in range(count):
        simulation = data.Simulation(f"simulation {number}", experiment.id)
        simulation.set_tags({"number": number, "Base_Infectivity_Constant": number / count, "model": "SEIR"})
        content = f"{run} {number}".encode().ljust(OWN_BYTES)
        simulation.add_file(data.SimulationFile("config.json", "input"), data=content)
        simulation.add_file(data.SimulationFile("campaign.json", "input"), data=shared)
    data.Simulation.save_all(save_batch_callback=None)


def listing(experiment_id: str, count: int) -> None:
    """Fetch the simulations of an experiment with all their children."""
    data: Any = importlib.import_module("COMPS.Data")
    query = data.QueryCriteria().select_children(["tags", "configuration", "files", "hpc_jobs"])
    found = len(data.Experiment.get(experiment_id).get_simulations(query))
    if found != count:
        raise ValueError(f"{found} simulations came, not {count}")


def status(experiment_id: str) -> None:
    """How many simulations of an experiment are in each state, with its own utility."""
    utility: Any = importlib.import_module("COMPS.utils.get_status")
    utility.get_status("Experiment", experiment_id, repeat=0)


def do(job: dict[str, str]) -> None:
    """The work of the job; a login is all of it when there is nothing else."""
    works: dict[str, Callable[[], None]] = {
        "login": lambda: None,
        "save": lambda: save(int(job["count"])),
        "list": lambda: listing(job["experiment"], int(job["count"])),
        "long-list": lambda: listing(job["experiment"], int(job["count"])),
        "status": lambda: status(job["experiment"]),
        "harvest": lambda: harvest(job["experiment"]),
        "upload": lambda: upload(Path(job["path"])),
        "upload-again": lambda: upload(Path(job["path"])),
        "download": lambda: download(job["id"], job["output"], Path(job["folder"], "large")),
        "collection": lambda: collection(Path(job["path"])),
    }
    works[job["workload"]]()


def main() -> None:
    """Log in, do the job, say what it cost."""
    job: dict[str, str] = json.load(sys.stdin)
    client: Any = importlib.import_module("COMPS.Client").Client
    prompts: Any = importlib.import_module("COMPS.CredentialPrompt")

    class Prompt(prompts.CredentialPrompt):  # type: ignore[misc] # mypy: a class of another interpreter
        def prompt(self) -> dict[str, str]:
            return {"Username": job["username"], "Password": job["password"]}

    wall, cpu = time.perf_counter(), cpu_s()
    client.login(job["url"], Prompt())
    if job["workload"] != "login":
        wall, cpu = time.perf_counter(), cpu_s()
    do(job)
    cost = {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu, "peak_mib": peak_mib()}
    sys.stdout.write("\n" + json.dumps(cost))


if __name__ == "__main__":
    main()
