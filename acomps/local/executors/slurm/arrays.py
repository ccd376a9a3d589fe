"""From tasks to job arrays: what can share one, and what sbatch is told about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.entities.states import Priority
from acomps.local.executors import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acomps.local.executors.options import SlurmOptions

__all__ = ["Array", "arrays"]

#: Each priority below the highest makes a job that much nicer; to be less nice than others needs an operator's rights.
NICE_STEP: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """Tasks of an array, each a list of simulations, and the arguments of sbatch."""

    tasks: Sequence[Sequence[Task]]
    arguments: Sequence[str]
    #: A task of the array runs as many simulations at once as this goes into its cores; 0 lets it run one at a time.
    cores_for_one: int


def arrays(tasks: Sequence[Task], options: SlurmOptions, most: int) -> Iterator[Array]:
    """Arrays of at most `most` tasks; those of higher priority come first."""
    alike: dict[tuple[str, ...], list[Task]] = {}
    for task in sorted(tasks, key=lambda task: -task.rank):
        alike.setdefault(_arguments(task, options), []).append(task)
    for arguments, together in alike.items():
        each = options.simulations_per_task
        alone = together[0].exclusive or together[0].processes > 1 or (together[0].nodes or 1) > 1
        for first in range(0, len(together), each * most):
            some = together[first : first + each * most]
            yield Array(
                tasks=[some[at : at + each] for at in range(0, len(some), each)],
                arguments=arguments,
                cores_for_one=0 if alone else together[0].cores,
            )


def _arguments(task: Task, options: SlurmOptions) -> tuple[str, ...]:
    """What sbatch is told about a task; tasks of which it is told the same can share an array."""
    partition = options.partition(task.node_group)
    return (
        "--no-requeue",
        f"--ntasks={task.processes}",
        f"--cpus-per-task={task.cores}",
        f"--nice={(Priority.HIGHEST.code - task.rank) * NICE_STEP}",
        *([f"--nodes={task.nodes}"] if task.nodes is not None else []),
        *(["--exclusive"] if task.exclusive else []),
        *([f"--partition={partition}"] if partition else []),
        *options.sbatch_arguments,
        *task.sbatch,
    )
