"""Simulations on a Slurm cluster, as tasks of job arrays."""

from __future__ import annotations

from acomps.local.executors.slurm.executor import SlurmExecutor

__all__ = ["SlurmExecutor"]
