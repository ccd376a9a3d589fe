"""One Slurm for all tests of this folder; they are skipped, with the reason, where there is none."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from support.slurm import Slurm, cluster, why_not

_SERVICE = """\
[[environments]]
name = "Cluster"
group = "HPC"
executor = "slurm"
node_groups = ["emod_abcd", "emod_short", "nowhere"]

[environments.slurm]
partitions = {{ emod_abcd = "all", emod_short = "short", nowhere = "no-such-partition" }}
poll_interval_s = {poll_s}
sbatch_arguments = ["--mem=1"]

[[environments]]
name = "Shared"
group = "HPC"
executor = "slurm"

[environments.slurm]
simulations_per_task = 10
poll_interval_s = {poll_s}
sbatch_arguments = ["--mem=1"]

[[environments]]
name = "Local"
group = "HPC"
"""


@pytest.fixture(scope="session")
def slurm() -> Generator[Slurm]:
    """The cluster."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with cluster() as running:
        yield running


@pytest.fixture
def configuration(slurm: Slurm, tmp_path: Path) -> Generator[Path]:
    """A configuration file of a service with two environments on the cluster and one on this machine.

    Whatever a failed test has left on the cluster is ended, so that the next one has room.
    """
    file = tmp_path / "service.toml"
    file.write_text(_SERVICE.format(poll_s=0.25))
    yield file
    slurm.tool("scancel", "--quiet", "-u", "root")
