"""`acomps run-info`: what somebody who helps wants to know, without secrets."""

import dataclasses
import platform
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

import acomps
from acomps.cli.options import USUAL, Common
from acomps.cli.output import out
from acomps.cli.server import chosen

__all__ = ["run_info"]

#: May hold passwords.
_SECRET: Final = frozenset({"proxy"})


def run_info(*, common: Common = USUAL) -> None:
    """Versions, server and settings, for a report of a problem; nothing secret, and nothing is asked of the server.

    Example: acomps run-info --format json
    """
    out.format = common.format
    choice = chosen(common.server)
    settings = {name: value for name, value in dataclasses.asdict(acomps.Settings()).items() if name not in _SECRET}
    out.fields(
        {
            "acomps": version("acomps"),
            "python": platform.python_version(),
            "executable": sys.executable,
            "system": platform.platform(),
            "server": choice.server,
            "server_because_of": choice.reason,
            "packages": _packages(),
            "settings": settings,
        }
    )


def _packages() -> dict[str, str]:
    """What acomps can use, as far as it is installed."""
    names = {_name(requirement) for requirement in requires("acomps") or []} - {"acomps"}
    found: dict[str, str] = {}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _name(requirement: str) -> str:
    return requirement.split(";")[0].split("[")[0].split("<")[0].split(">")[0].split("=")[0].split("!")[0].strip()
