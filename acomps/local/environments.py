"""The environments that simulations run in, and the folders that their macros stand for (protocol 10.6)."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused
from acomps.local.executors.options import ExecutorChoice, ProcessOptions

if TYPE_CHECKING:
    from acomps.local.accounts.viewers import Viewer

__all__ = ["DEFAULT_ROOT", "Environment", "Environments", "Limits", "folder_macros", "local_environment"]

#: Where simulations work when their configuration does not say it.
DEFAULT_ROOT: Final = "$COMPS_PATH(USER)/output"

_MACRO: Final = re.compile(r"\$COMPS_PATH\((\w+)\)", re.IGNORECASE)
_USER: Final = re.compile(r"\$\(User\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an environment gives at most; None is as much as the machine or the cluster has."""

    #: Of one simulation.
    max_cores: int | None = None
    #: Simulations that run at the same time.
    max_simulations: int | None = None
    #: Commands of work items may run on the service's own machine, outside of containers.
    allow_host_workers: bool = True
    #: Container images that work items may name, with * and ?; None allows all.
    images: tuple[str, ...] | None = None

    def allows_image(self, image: str) -> bool:
        """True when work items may run in this container image."""
        return self.images is None or any(fnmatchcase(image, pattern) for pattern in self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A name that configurations give, the group that sees it, its folders by macro, and how simulations run in it."""

    name: str
    group: str
    macros: Mapping[str, str]
    #: Nothing is written outside this folder.
    boundary: Path
    #: The names that configurations may give as NodeGroupName; empty allows any.
    node_groups: tuple[str, ...] = ()
    executor: ExecutorChoice = field(default_factory=ProcessOptions)
    limits: Limits = field(default_factory=Limits)

    def expand(self, root: str, user: str) -> Path:
        """The folder behind a WorkingDirectoryRoot; one that leaves the environment's boundary is refused."""
        path = self.substitute(root, user).replace("\\", "/")
        folder = PurePosixPath(path)
        if ".." in folder.parts or "\0" in path or not folder.is_relative_to(self.boundary.as_posix()):
            raise Refused(
                400,
                f"WorkingDirectoryRoot {root!r} is outside the data folder of environment {self.name}; "
                f"begin it with one of {', '.join(f'$COMPS_PATH({name})' for name in self._inside(user))}"[:1000],
            )
        return Path(folder)

    def _inside(self, user: str) -> list[str]:
        """The macros whose folders can be written to."""
        folders = {name: PurePosixPath(_USER.sub(lambda _: user, folder)) for name, folder in self.macros.items()}
        return [name for name, folder in folders.items() if folder.is_relative_to(self.boundary.as_posix())]

    def substitute(self, text: str, user: str) -> str:
        """`text` with its macros replaced by their folders."""
        unknown = next((name for name in _MACRO.findall(text) if name.upper() not in self.macros), None)
        if unknown is not None:
            raise Refused(
                400, f"environment {self.name} has no macro {unknown}; it has {', '.join(self.macros)}"[:1000]
            )
        path = _MACRO.sub(lambda found: self.macros[found[1].upper()], text)
        return _USER.sub(lambda _: user, path)

    def check(self, *, node_group: str | None, min_cores: int | None) -> None:
        """Refuse what this environment can never run."""
        if node_group and self.node_groups and node_group.lower() not in {name.lower() for name in self.node_groups}:
            raise Refused(
                400,
                f"environment {self.name} has no node group {node_group!r}; "
                f"NodeGroupName is one of {', '.join(self.node_groups)}"[:1000],
            )
        if min_cores is not None and self.limits.max_cores is not None and min_cores > self.limits.max_cores:
            raise Refused(
                400,
                f"MinCores is {min_cores}, and a simulation has at most {self.limits.max_cores} cores "
                f"in environment {self.name}",
            )

    def make_folders(self) -> None:
        """Make those folders of the macros that lie inside and are everybody's."""
        self.boundary.mkdir(parents=True, exist_ok=True)
        for folder in self.macros.values():
            inside = PurePosixPath(folder).is_relative_to(self.boundary.as_posix()) and ".." not in folder
            if inside and _USER.search(folder) is None:
                Path(folder).mkdir(parents=True, exist_ok=True)

    def document(self) -> dict[str, object]:
        """The environment as clients see it."""
        document: dict[str, object] = {
            "EnvironmentName": self.name,
            "GroupName": self.group,
            "Macros": dict(self.macros),
        }
        if self.node_groups:
            document["NodeGroups"] = list(self.node_groups)
        return document


class Environments:
    """All environments, found without regard to case."""

    def __init__(self, environments: tuple[Environment, ...]) -> None:
        self._environments = {environment.name.lower(): environment for environment in environments}

    def hold(self, directory: str) -> bool:
        """True when a folder, all links followed, lies inside one of the environments. This blocks."""
        return _real_path(directory).startswith(self._insides)

    @cached_property
    def _insides(self) -> tuple[str, ...]:
        return tuple(os.path.join(os.path.realpath(one.boundary), "") for one in self.all())

    def all(self) -> tuple[Environment, ...]:
        """Every environment."""
        return tuple(self._environments.values())

    def of(self, viewer: Viewer) -> Environments:
        """Those of the viewer's groups."""
        if viewer.peers is None:
            return self
        return Environments(tuple(one for one in self.all() if viewer.belongs_to(one.group)))

    def get(self, name: str) -> Environment | None:
        """The environment of that name, or None."""
        return self._environments.get(name.lower())

    def named(self, name: str) -> Environment:
        """The environment of that name; without one the request is refused in the words that clients know."""
        found = self.get(name)
        if found is None:
            raise Refused(400, f"invalid environment-name: {name}"[:400])
        return found

    def groups(self) -> tuple[str, ...]:
        """The groups of all environments."""
        return tuple(dict.fromkeys(environment.group for environment in self._environments.values()))


def folder_macros(root: Path) -> dict[str, str]:
    """The macros that every environment has, as folders under `root`."""
    return {
        "USER": f"{root}/home/$(User)",
        "HOME": f"{root}/home",
        "PUBLIC": f"{root}/public",
        "BIN": f"{root}/bin",
        "INPUT": f"{root}/input",
    }


def local_environment(data_dir: Path) -> Environment:
    """The one environment of a fresh service; its folders lie in the data folder."""
    root = data_dir / "environments" / "Local"
    return Environment(name="Local", group="LOCAL", macros=folder_macros(root), boundary=root)


def _real_path(folder: str) -> str:
    """`os.path.realpath`, which looks at every folder on the way, in three calls where the system can tell at once."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            try:
                return os.readlink(f"/proc/self/fd/{handle}")
            finally:
                os.close(handle)
    return os.path.realpath(folder)
