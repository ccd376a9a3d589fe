"""What the CyberGIS side of a service works with: its computing resources and its job templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from acomps.local.executors.options import ExecutorChoice, ProcessOptions

__all__ = ["DEFAULT_HPC", "DEFAULT_TEMPLATE", "CybergisSettings", "Hpc", "TemplateSource"]

#: The one computing resource of a fresh service. Clients treat the name local_hpc in a way of their own.
DEFAULT_HPC: Final = "this_machine"
#: The template that every service has.
DEFAULT_TEMPLATE: Final = "hello_world"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpc:
    """A computing resource that jobs name: how they run there, how many at once, and how much each may ask for."""

    name: str
    description: str = "none"
    executor: ExecutorChoice = field(default_factory=ProcessOptions)
    #: Jobs that are prepared or run at the same time; the others wait in its queue.
    job_pool_capacity: int = 4
    #: Where its jobs have their folders (every node must see it); None is a folder in the data folder.
    root: Path | None = None
    #: The most that a job may ask for, by the name of the slurm field, in the form in which jobs give it.
    ceilings: Mapping[str, str | float] = field(default_factory=dict[str, str | float])
    #: Users who may submit; empty is everybody who is not denied.
    allowlist: tuple[str, ...] = ()
    denylist: tuple[str, ...] = ()
    #: Lines of bash that every job runs first.
    init_script: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSource:
    """Where a job template comes from: a folder of this machine, or a git repository."""

    name: str
    folder: Path | None = None
    git: str | None = None
    #: The branch, tag or commit of the repository.
    ref: str = "HEAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class CybergisSettings:
    """The CyberGIS side of a service; the template hello_world is there without being named."""

    #: What stands after the @ in the ids of users, and a host that tokens may name.
    hub: str = "localhost"
    hpcs: tuple[Hpc, ...] = (Hpc(name=DEFAULT_HPC, description="The machine of the local service."),)
    templates: tuple[TemplateSource, ...] = ()
    #: Folders of this machine out of which jobs may take their data.
    data_folders: tuple[Path, ...] = ()
