"""Running a command in an image, with podman or docker. Everything here blocks."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Engine", "find_engine"]

_NAMES: Final = ("podman", "docker")
#: An engine that does not say something about itself in this time is not there.
ANSWER_S: Final = 10.0
REMOVE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine that answers: the path of its program."""

    program: str

    def command(
        self,
        name: str,
        image: str,
        line: str,
        *,
        directory: Path,
        variables: Mapping[str, str],
        readable: Iterable[Path] = (),
        writable: Iterable[Path] = (),
    ) -> tuple[str, ...]:
        """The command that runs a line of shell in the image.

        Folders have the same path inside as outside, so that links and paths in files hold; the service is reached on
        the machine's own network, and what is written belongs to whoever runs the service.
        """
        user = ("--user", f"{os.getuid()}:{os.getgid()}")
        if self.program.endswith("podman") and os.getuid() != 0:
            user = ("--userns", "keep-id")
        volumes = [f"{path}:{path}:ro" for path in readable] + [f"{path}:{path}" for path in (directory, *writable)]
        return (
            *(self.program, "run", "--rm", "--name", name, "--network", "host", *user, "--workdir", str(directory)),
            *(word for volume in volumes for word in ("--volume", volume)),
            *(word for key, value in variables.items() for word in ("--env", f"{key}={value}")),
            *("--entrypoint", "/bin/sh", image, "-c", line),
        )

    def remove(self, name: str) -> None:
        """End and remove a container that may have outlived the command that ran it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([self.program, "rm", "--force", name], capture_output=True, check=False, timeout=REMOVE_S)  # noqa: S603 - an engine found on the service's own PATH


def find_engine(search_path: str) -> Engine | None:
    """The first engine on the path that answers, or None: a program without its service is of no use."""
    for name in _NAMES:
        program = shutil.which(name, path=search_path)
        if program is None:
            continue
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            said = subprocess.run([program, "info"], capture_output=True, check=False, timeout=ANSWER_S)  # noqa: S603 - as above
            if said.returncode == 0:
                return Engine(program)
    return None
