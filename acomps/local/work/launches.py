"""What an executor needs to know about a job, as it is kept on record."""

from __future__ import annotations

from pathlib import Path

import orjson

from acomps.local.executors import Task
from acomps.local.jsons import dumps

__all__ = ["launch_of", "task_of"]


def launch_of(task: Task) -> str:
    """The record of a task; what has a column of its own is not in it."""
    return dumps(
        {
            "command": task.command,
            "cores": task.cores,
            "processes": task.processes,
            "nodes": task.nodes,
            "mpi": task.mpi,
            "exclusive": task.exclusive,
            "node_group": task.node_group,
            "environment": task.environment,
        }
    )


def task_of(job_id: str, directory: str, rank: int, launch: str) -> Task:
    """The task of a record."""
    kept = orjson.loads(launch)
    return Task(
        job_id=job_id,
        directory=Path(directory),
        rank=rank,
        command=tuple(kept["command"]),
        cores=kept["cores"],
        processes=kept["processes"],
        nodes=kept["nodes"],
        mpi=kept["mpi"],
        exclusive=kept["exclusive"],
        node_group=kept["node_group"],
        environment=kept["environment"],
    )
