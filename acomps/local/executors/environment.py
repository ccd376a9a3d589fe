"""The environment variables of simulations: enough to run anything, nothing that is none of their business."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["simulation_environment"]

_PASSED_ON: Final = frozenset(
    {
        "DYLD_FALLBACK_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "HOME",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "LOGNAME",
        "SHELL",
        "TEMP",
        "TERM",
        "TMP",
        "TMPDIR",
        "TZ",
        "USER",
    }
)
_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def simulation_environment(own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The service's environment without what may be secret; `python3` is the service's own Python."""
    passed = {name: value for name, value in own.items() if name in _PASSED_ON or name.startswith("LC_")}
    folders = [own.get("PATH") or _DEFAULT_PATH]
    if sys.executable:
        folders.insert(0, str(Path(sys.executable).parent))
    return {**passed, "PATH": os.pathsep.join(folders)}
