"""Small campaigns of shell scripts, which leave a line in a log each time that one runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import acomps
from acomps.campaign import Campaign, RerunPolicy, Results, Stage
from acomps.sweep import Sweep

SCRIPT = """x=$(sed -n 's/.*"x":\\([-0-9.]*\\).*/\\1/p' config.json)
echo "$x" >> "{log}"
{lines}
mkdir output
echo "{{\\"y\\": $x}}" > output/result.json
"""


class Small:
    """A folder with the campaign, and with the log of what ran."""

    def __init__(self, folder: Path, lines: str = "") -> None:
        self.folder = folder
        self.log = folder / "log"
        self.script = SCRIPT.format(log=self.log, lines=lines)

    def sweep(self, *values: float) -> Sweep:
        """A simulation for each value of x."""
        script = acomps.SimulationFile(file_name="run.sh", content=self.script.encode())
        return acomps.sweep({"x": 0}, {"x": list(values)}, files=[script])

    def campaign(self, *stages: Stage, attempts: int = 2, errors: tuple[str, ...] = ("",), **changes: str) -> Campaign:
        """A campaign of these stages; `changes` are other words in its definition."""
        return Campaign(
            self.folder / "campaign",
            name=changes.get("name", "small"),
            experiment=acomps.Experiment(
                name="small",
                configuration=acomps.Configuration(
                    environment_name="Local",
                    executable_path="/bin/sh",
                    simulation_input_args=changes.get("arguments", "run.sh"),
                ),
            ),
            stages=stages,
            outputs=["output/result.json"],
            read=read_y,
            policy=RerunPolicy(attempts=attempts, errors=errors),
            store="zarr" if changes.get("store") == "zarr" else "json",
        )

    def runs(self) -> Counter[float]:
        """How often each x has run."""
        return Counter(map(float, self.log.read_text().split())) if self.log.exists() else Counter()


def read_y(files: Mapping[str, bytes]) -> dict[str, object]:
    """Keeps the number that a script has written."""
    return {"y": json.loads(files["output/result.json"])["y"]}


def found(results: Results) -> dict[float, object]:
    """What was found, by x; the error where nothing was."""
    return {float(str(one.inputs["x"])): one.error if one.outputs is None else one.outputs["y"] for one in results}
