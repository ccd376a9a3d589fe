"""Which executor an environment uses, and how it is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ["DEFAULT_JOB_FOLDER", "ExecutorChoice", "ProcessOptions", "SlurmOptions"]

#: Relative job folders lie in the data folder.
DEFAULT_JOB_FOLDER: Final = Path("slurm")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions:
    """Simulations run as processes of the service's own machine, bounded by its cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmOptions:
    """Simulations run as tasks of Slurm job arrays, submitted with the scheduler's own tools."""

    #: The partition behind each node group, by the group's name in lower case.
    partitions: Mapping[str, str] = field(default_factory=dict[str, str])
    #: For simulations without a node group; None leaves the choice to Slurm.
    default_partition: str | None = None
    #: So many simulations share one task of an array, one after the other.
    simulations_per_task: int = 1
    #: More arguments of every sbatch call, such as --account=lab.
    sbatch_arguments: tuple[str, ...] = ()
    #: Seconds between two looks at the queue.
    poll_interval_s: float = 5.0
    #: Where scripts and status files lie; every node must see it. A relative path begins in the data folder.
    job_folder: Path = DEFAULT_JOB_FOLDER

    def __post_init__(self) -> None:
        if self.simulations_per_task < 1:
            raise ValueError(f"simulations_per_task must be at least 1, not {self.simulations_per_task}")
        if not self.poll_interval_s > 0:
            raise ValueError(f"poll_interval_s must be more than 0 seconds, not {self.poll_interval_s}")
        lowered = {group.lower(): partition for group, partition in self.partitions.items()}
        object.__setattr__(self, "partitions", lowered)

    def partition(self, node_group: str | None) -> str | None:
        """The partition for a node group in any case; a group that is not mapped gets the default one."""
        return self.partitions.get((node_group or "").lower(), self.default_partition)


#: One of the executors, with its options.
ExecutorChoice: TypeAlias = ProcessOptions | SlurmOptions
