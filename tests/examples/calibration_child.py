"""Runs the calibration example until it is done, or until so many lines of the runner and of the saving have run.

Prints the number of lines when it is done; killed, it prints nothing.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import anyio

import acomps

EXAMPLE = Path(__file__).parents[2] / "examples" / "calibration.py"
HOUSE = Path(acomps.__file__).parent
#: Where a kill is of interest: whatever decides what is asked, what is noted, and in which order.
TRACED = (str(HOUSE / "campaign"), str(HOUSE / "comps" / "saving.py"), str(HOUSE / "comps" / "delivery.py"))


def example() -> ModuleType:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("calibration", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Lines:
    """Counts lines, and kills this process at one of them."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last

    def trace(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        """What the interpreter calls for each new frame."""
        return self._line if frame.f_code.co_filename.startswith(TRACED) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._line


async def run(folder: str, url: str, username: str, password: str, lines: Lines) -> None:
    """The campaign of the example against a service that outlives this process."""
    campaign = example().calibration(Path(folder))
    settings = acomps.Settings(token_cache_dir=Path(folder).with_name("tokens"))
    async with acomps.connect(url, username=username, password=password, settings=settings) as comps:
        sys.settrace(lines.trace)
        status = await campaign.run(comps)
        sys.settrace(None)
    assert status.complete
    sys.stdout.write(str(lines.count))


if __name__ == "__main__":
    _, where, address, user, secret, upto = sys.argv
    anyio.run(run, where, address, user, secret, Lines(int(upto)))
