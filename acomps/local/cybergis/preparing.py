"""The folders of a job, made before it runs: its program, its data, its result, and what `stages.bash` reads.

Everything here blocks. Programs find their folders through the variables; there is no container with /job in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from acomps.local.cybergis.manifests import read_manifest
from acomps.local.cybergis.parameters import check_parameters, value_text
from acomps.local.cybergis.resources import Resources, read_resources
from acomps.local.cybergis.trees import copy_tree
from acomps.local.executors import Task
from acomps.local.executors.options import SlurmOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from acomps.local.cybergis.documents import Job
    from acomps.local.cybergis.manifests import Manifest
    from acomps.local.cybergis.settings import Hpc

__all__ = ["Prepared", "job_folder", "prepare"]

_SCRIPT: Final = Path(__file__).with_name("stages.bash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A job that can be handed to its executor."""

    task: Task
    #: Path, and path for transfers, by role.
    folders: Mapping[str, tuple[str, str]]
    resources: Resources


def job_folder(hpc: Hpc, root: Path, job: Job) -> Path:
    """Where everything of a job lies."""
    return (hpc.root or root) / job.id


def prepare(job: Job, hpc: Hpc, folder: Path, template: Path, data: Path | None, user_id: str) -> Prepared:
    """Make the job's folders anew; a Refused says why that cannot be."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    executable, result = folder / "executable", folder / "result"
    copy_tree(template, executable, without=(".git",))
    # The files and the stages are of the same moment.
    manifest = read_manifest(executable)
    check_parameters(job.param, manifest.param_rules)
    resources = read_resources(job.slurm, hpc.ceilings)
    if data is not None:
        copy_tree(data, folder / "data", without=(".git",))
    (result / "slurm_log").mkdir(parents=True)
    facts: dict[str, str] = {
        "job_id": job.id,
        "user_id": user_id,
        "maintainer": job.maintainer,
        "hpc": job.hpc,
        "executable_folder": str(executable),
        "data_folder": str(folder / "data"),
        "result_folder": str(result),
    }
    document = {**facts, "param": job.param, "env": job.env}
    # A file of the template may stand in its place, or a link to one elsewhere.
    (executable / "job.json").unlink(missing_ok=True)
    (executable / "job.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    _write_words(folder, job, manifest, facts, resources.modules)
    # On a cluster nothing but the job's own folder needs to be seen by the nodes.
    shutil.copyfile(_SCRIPT, folder / _SCRIPT.name)
    (folder / "init").write_text("".join(f"{line}\n" for line in hpc.init_script), encoding="utf-8")
    roles = ("executable", *(["data"] if data is not None else []), "result")
    return Prepared(
        task=_task(job, hpc, folder, resources),
        folders={role: (str(folder / role), f"/{job.id}/{role}") for role in roles},
        resources=resources,
    )


def _write_words(folder: Path, job: Job, manifest: Manifest, facts: Mapping[str, str], modules: Iterable[str]) -> None:
    kinds = [("raw" if one.raw else "spread" if one.spread else "stage", one.command) for one in manifest.stages]
    exported = [f"{name}={value_text(value)}" for name, value in job.env.items()]
    variables = [
        *(f"param_{name}={value_text(value)}" for name, value in job.param.items()),
        *(f"env_{name}={value_text(value)}" for name, value in job.env.items()),
        *(f"{name}={value}" for name, value in facts.items()),
    ]
    for name, words in (
        ("stages", [word for kind in kinds for word in kind]),
        ("exported", exported),
        ("variables", variables),
        ("modules", modules),
    ):
        (folder / name).write_bytes(b"".join(os.fsencode(word) + b"\0" for word in words))


def _task(job: Job, hpc: Hpc, folder: Path, resources: Resources) -> Task:
    slurm = isinstance(hpc.executor, SlurmOptions)
    how = ("srun" if slurm else "processes", str(resources.tasks), str(resources.cores), str(job.number))
    return Task(
        job_id=job.id,
        directory=folder,
        command=("/bin/bash", str(folder / _SCRIPT.name), str(folder), *how),
        cores=resources.cores,
        processes=resources.tasks,
        nodes=resources.nodes,
        sbatch=resources.sbatch,
    )
