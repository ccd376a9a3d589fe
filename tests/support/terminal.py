"""The command line as a person has it: a folder to work in, a home of its own, and a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from acomps.comps.child import Service

#: A test run in the background ignores Ctrl-C, and so would its children.
MAIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from acomps.cli import main; main()"
HOMES = {"XDG_RUNTIME_DIR": "run", "XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state"}
DEADLINE_S = 100
NO_MORE: Mapping[str, str] = MappingProxyType({})

#: A model that takes no time, and fails when it is told to.
MODEL = """
import json, pathlib
base = json.loads(pathlib.Path("config.json").read_text())
rate, seed = base["Rate"], base["Run_Number"]
print(f"rate {rate}, run {seed}")
if rate < 0:
    raise SystemExit("a negative rate")
pathlib.Path("output").mkdir()
data = [rate * day + seed for day in range(5)]
chart = {"Header": {"Timesteps": 5}, "Channels": {"Infected": {"Units": "people", "Data": data}}}
pathlib.Path("output/InsetChart.json").write_text(json.dumps(chart))
"""
SWEEP = """
name = "infectivity"
tags = { study = "test" }

[configuration]
environment_name = "Local"
executable_path = "python3"
simulation_input_args = "Assets/model.py"

[assets]
folder = "model"

[simulation]
base = "config.json"

[parameters]
Rate = [RATES]
Run_Number = { from = 1, to = 2 }

[estimate]
minutes_per_simulation = 15
"""


@dataclass(frozen=True, slots=True)
class Terminal:
    """Commands in one folder, against one service unless `--server` says another."""

    folder: Path
    service: Service | None
    home: Path

    def __call__(
        self, *words: str, code: int = 0, stdin: str | None = None, environment: Mapping[str, str] = NO_MORE
    ) -> subprocess.CompletedProcess[str]:
        """Run one command, which must end with `code`."""
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *words],
            cwd=self.folder,
            env=self.variables(environment),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == code, f"acomps {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin one command."""
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *words],
            cwd=self.folder,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def variables(self, more: Mapping[str, str] = NO_MORE) -> dict[str, str]:
        """The environment of a command, with all homes in a folder of the test."""
        found = {name: value for name, value in os.environ.items() if not name.startswith(("ACOMPS_", "COMPS_"))}
        for name, folder in HOMES.items():
            (self.home / folder).mkdir(exist_ok=True)
            found[name] = str(self.home / folder)
        if self.service is not None:
            found["COMPS_SERVER"] = self.service.url
        return {**found, "COLUMNS": "400", **more}

    def log_in(self) -> None:
        """Log in to the service."""
        assert self.service is not None
        words = ("login", self.service.url, "--username", self.service.username, "--password-stdin")
        self(*words, stdin=f"{self.service.password}\n")

    def prepare(self, rates: str = "0.5, 1.0") -> None:
        """Write a sweep of two runs for each rate, and what it needs."""
        (self.folder / "model").mkdir(exist_ok=True)
        (self.folder / "model" / "model.py").write_text(MODEL)
        (self.folder / "config.json").write_text(json.dumps({"Rate": 0.0, "Run_Number": 0}))
        (self.folder / "sweep.toml").write_text(SWEEP.replace("RATES", rates))

    def submit(self, rates: str = "0.5, 1.0", *options: str) -> str:
        """Submit that sweep; the id of its experiment."""
        self.prepare(rates)
        return self("submit", "sweep.toml", "--format", "ids", *options).stdout.strip()

    def ids(self, *words: str) -> list[str]:
        """What a command says with `--format ids`."""
        return self(*words, "--format", "ids").stdout.split()

    def stop_local(self) -> None:
        """End the shared local service that a command has started in this home."""
        known = self.home / "data" / "acomps" / "local" / "service.json"
        if known.exists():
            os.kill(json.loads(known.read_bytes())["pid"], signal.SIGTERM)
