"""A service with a configuration of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Generator
from pathlib import Path

from support.local_service import DEADLINE_S, Record, command, record, until

__all__ = ["serving"]


@contextlib.contextmanager
def serving(folder: Path, configuration: str) -> Generator[Record]:
    """A service with the text as its configuration file; what its ready file says."""
    ready = folder / "ready.json"
    (folder / "service.toml").write_text(configuration)
    options = [
        "--config",
        str(folder / "service.toml"),
        "--ready-file",
        str(ready),
        "--stop-with-stdin",
        "--cores",
        "2",
    ]
    with subprocess.Popen(command(folder / "data", *options), stdin=subprocess.PIPE) as process:
        try:
            until(lambda: ready.exists() or process.poll() is not None, "the service becomes ready")
            yield record(json.loads(ready.read_text()))
        finally:
            process.terminate()
            process.wait(DEADLINE_S)
