"""The table [cybergis] of the configuration file: what it says, and how mistakes in it are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from acomps.local.configuration import configured
from acomps.local.cybergis.settings import DEFAULT_HPC, CybergisSettings
from acomps.local.errors import CannotServe
from acomps.local.executors.options import ProcessOptions, SlurmOptions

WHOLE = """
[cybergis]
hub = "hub.example.org"
data_folders = ["/srv/data"]
[[cybergis.templates]]
name = "flood"
git = "https://example.org/flood.git"
ref = "main"
[[cybergis.templates]]
name = "heat"
folder = "/srv/heat"
[[cybergis.hpcs]]
name = "cluster"
description = "the big one"
executor = "slurm"
job_pool_capacity = 7
root = "/shared/jobs"
allowlist = ["ann@hub.example.org"]
init_script = ["module purge"]
[cybergis.hpcs.slurm]
default_partition = "gis"
[cybergis.hpcs.ceilings]
time = "2:00:00"
num_of_task = 8
[[cybergis.hpcs]]
name = "desk"
"""


def read(folder: Path, text: str) -> CybergisSettings:
    (folder / "service.toml").write_text(text)
    return configured(folder / "service.toml", folder / "data").cybergis


def test_the_whole_table_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    cluster, desk = found.hpcs
    assert isinstance(cluster.executor, SlurmOptions)
    assert (cluster.executor.default_partition, cluster.job_pool_capacity) == ("gis", 7)
    assert (cluster.root, dict(cluster.ceilings)) == (Path("/shared/jobs"), {"time": "2:00:00", "num_of_task": 8})
    assert isinstance(desk.executor, ProcessOptions)
    assert [(one.name, one.git, one.folder, one.ref) for one in found.templates] == [
        ("flood", "https://example.org/flood.git", None, "main"),
        ("heat", None, Path("/srv/heat"), "HEAD"),
    ]
    assert (found.hub, found.data_folders) == ("hub.example.org", (Path("/srv/data"),))


def test_without_the_table_there_is_this_machine(tmp_path: Path) -> None:
    assert [hpc.name for hpc in read(tmp_path, "").hpcs] == [DEFAULT_HPC]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cybergis]\nhpc = 1", "cybergis.hpc: there is no such key; did you mean hpcs?"),
        ('[cybergis]\nhub = "http://x"', "cybergis.hub: write the name of a host"),
        ('[cybergis]\ndata_folders = ["data"]', "the whole path of a folder"),
        ('[[cybergis.hpcs]]\nname = "local_hpc"', "choose another name"),
        ('[[cybergis.hpcs]]\nname = "a b"', "small letters"),
        ('[[cybergis.hpcs]]\nname = "a"\n[[cybergis.hpcs]]\nname = "a"', "rename one"),
        ('[[cybergis.hpcs]]\nname = "a"\njob_pool_capacity = 0', "from 1 to 1000"),
        ('[[cybergis.hpcs]]\nname = "a"\n[cybergis.hpcs.ceilings]\ntime = "soon"', "time must be a time"),
        ('[[cybergis.hpcs]]\nname = "a"\n[cybergis.hpcs.ceilings]\ncores = 5', "there is no ceiling 'cores'"),
        ('[[cybergis.hpcs]]\nname = "a"\nexecutor = "pbs"', 'write "process" or "slurm"'),
        ('[[cybergis.templates]]\nname = "a"', "either a folder or the address"),
        ('[[cybergis.templates]]\nname = "a"\ngit = "ext::sh -c x"', "write an address"),
        ('[[cybergis.templates]]\nname = "a"\ngit = "--upload-pack=x"', "write an address"),
        ('[[cybergis.templates]]\nname = "a"\ngit = "https://x/y"\nref = "--all"', "name of a branch"),
        ('[[cybergis.templates]]\nname = "../a"\nfolder = "/x"', "small letters"),
        ('[[cybergis.templates]]\nname = "hello_world"\nfolder = "/x"', "comes with the service"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CannotServe) as refusal:
        read(tmp_path, text)
    assert said in str(refusal.value)
    assert str(tmp_path / "service.toml") in str(refusal.value)
