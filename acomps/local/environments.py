"""The environments that simulations run in, and the folders that their macros stand for (protocol 10.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from acomps.local.errors import Refused

__all__ = ["DEFAULT_ROOT", "Environment", "Environments", "local_environment"]

#: Where simulations work when their configuration does not say it.
DEFAULT_ROOT: Final = "$COMPS_PATH(USER)/output"

_MACRO: Final = re.compile(r"\$COMPS_PATH\((\w+)\)", re.IGNORECASE)
_USER: Final = re.compile(r"\$\(User\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A name that configurations give, the group that sees it, and its folders by macro."""

    name: str
    group: str
    macros: Mapping[str, str]
    #: Nothing is written outside this folder.
    boundary: Path

    def expand(self, root: str, user: str) -> Path:
        """The folder behind a WorkingDirectoryRoot; one that leaves the environment's boundary is refused."""
        path = self.substitute(root, user).replace("\\", "/")
        folder = PurePosixPath(path)
        if ".." in folder.parts or "\0" in path or not folder.is_relative_to(self.boundary.as_posix()):
            raise Refused(
                400,
                f"WorkingDirectoryRoot {root!r} is outside the data folder of this service; "
                f"begin it with one of {', '.join(f'$COMPS_PATH({name})' for name in self.macros)}",
            )
        return Path(folder)

    def substitute(self, text: str, user: str) -> str:
        """`text` with its macros replaced by their folders."""
        unknown = next((name for name in _MACRO.findall(text) if name.upper() not in self.macros), None)
        if unknown is not None:
            raise Refused(400, f"environment {self.name} has no macro {unknown}; it has {', '.join(self.macros)}")
        path = _MACRO.sub(lambda found: self.macros[found[1].upper()], text)
        return _USER.sub(lambda _: user, path)

    def document(self) -> dict[str, object]:
        """The environment as clients see it."""
        return {"EnvironmentName": self.name, "GroupName": self.group, "Macros": dict(self.macros)}


class Environments:
    """All environments, found without regard to case."""

    def __init__(self, environments: tuple[Environment, ...]) -> None:
        self._environments = {environment.name.lower(): environment for environment in environments}

    def all(self) -> tuple[Environment, ...]:
        """Every environment."""
        return tuple(self._environments.values())

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


def local_environment(data_dir: Path) -> Environment:
    """The one environment of a fresh service; its folders lie in the data folder."""
    root = data_dir / "environments" / "Local"
    for name in ("home", "public", "bin", "input"):
        (root / name).mkdir(parents=True, exist_ok=True)
    folders = {
        "USER": f"{root}/home/$(User)",
        "HOME": f"{root}/home",
        "PUBLIC": f"{root}/public",
        "BIN": f"{root}/bin",
        "INPUT": f"{root}/input",
    }
    return Environment(name="Local", group="LOCAL", macros=folders, boundary=root)
