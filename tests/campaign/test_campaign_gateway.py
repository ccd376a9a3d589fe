"""A campaign on another kind of gateway: folders in which processes run, jobs taken one by one."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path

import anyio
import pytest
from campaign.small_campaigns import found

import acomps
from acomps.campaign import Campaign, Created, Ended, Gateway, Group, Order, RerunPolicy, Results, Stage
from acomps.sweep import Sweep

SCRIPT = b"""
import json, pathlib
x = json.loads(pathlib.Path("config.json").read_text())["x"]
with open("../../runs", "a") as handle:
    handle.write(f"{x}\\n")
if x == 13:
    raise SystemExit("thirteen")
pathlib.Path("out.json").write_text(json.dumps({"y": x * x}))
"""


class Stopped(Exception):
    """What ends a run in the middle."""


class FolderGateway:
    """Each job is a folder, named by the key and the place of its order, in which a script is run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.create_at_most = 10_000

    @property
    def place(self) -> str:
        return str(self.root)

    async def prepare(self, group: Group, known: str | None) -> str:
        await anyio.Path(self.root, group.key).mkdir(parents=True, exist_ok=True)
        return group.key

    async def create(self, order: Order, note: Callable[[Created], Awaitable[None]]) -> None:
        for job in order.jobs:
            if not self.create_at_most:
                raise Stopped
            self.create_at_most -= 1
            folder = anyio.Path(self.root, order.group, f"{order.key}.{job.place}")
            there = await folder.exists()
            assert order.again or not there
            if not there:
                await folder.mkdir()
                for file in job.files:
                    assert isinstance(file.content, bytes)
                    await (folder / file.name).write_bytes(file.content)
            await note(Created(place=job.place, id=f"{order.group}/{folder.name}"))

    async def commission(self, group: str, jobs: Collection[str]) -> None:
        for job in jobs:
            folder = anyio.Path(self.root, job)
            if not await (folder / "code").exists():
                done = await anyio.run_process([sys.executable, "run.py"], cwd=folder, check=False)
                await (folder / "code").write_text(f"{done.returncode}")

    async def states(self, group: str, jobs: Collection[str], note: Callable[[Ended], Awaitable[None]]) -> None:
        while jobs:
            for job in list(jobs):
                code = anyio.Path(self.root, job, "code")
                text = await code.read_text() if await code.exists() else ""
                if text:
                    await note(Ended(id=job, succeeded=text == "0", error=f"exit code {text}" if text != "0" else ""))
            await anyio.sleep(0.01)

    async def outputs(self, job: str, paths: Sequence[str]) -> Mapping[str, bytes]:
        return {path: await anyio.Path(self.root, job, path).read_bytes() for path in paths}

    async def cancel(self, group: str, jobs: Collection[str]) -> None:
        """Jobs are over at once."""


def sweep(*values: int) -> Sweep:
    return acomps.sweep(
        {"x": 0}, {"x": list(values)}, files=[acomps.SimulationFile(file_name="run.py", content=SCRIPT)]
    )


def square(files: Mapping[str, bytes]) -> dict[str, object]:
    return {"y": json.loads(files["out.json"])["y"]}


def largest(results: Results) -> Sweep:
    return sweep(*(int(str((one.outputs or {})["y"])) for one in results.succeeded))


def campaign(folder: Path) -> Campaign:
    stages = [Stage(name="a", sweep=sweep(2, 3, 13)), Stage(name="b", sweep=largest)]
    policy = RerunPolicy(attempts=2)
    return Campaign(folder, name="folders", stages=stages, outputs=["out.json"], read=square, policy=policy)


async def test_a_campaign_runs_on_any_gateway_of_the_protocol(tmp_path: Path) -> None:
    gateway = FolderGateway(tmp_path / "jobs")
    assert isinstance(gateway, Gateway)
    status = await campaign(tmp_path / "campaign").run(gateway)
    assert (status.succeeded, status.failed, status.complete) == (4, 1, True)
    assert found(await campaign(tmp_path / "campaign").results()) == {2: 4, 3: 9, 13: "exit code 1", 4: 16, 9: 81}
    assert sorted((tmp_path / "jobs" / "runs").read_text().split()) == ["13", "13", "2", "3", "4", "9"]


@pytest.mark.parametrize("created", range(5))
async def test_jobs_that_were_made_before_a_stop_are_found_by_their_keys(created: int, tmp_path: Path) -> None:
    gateway = FolderGateway(tmp_path / "jobs")
    gateway.create_at_most = created
    with pytest.raises(Stopped):
        await campaign(tmp_path / "campaign").run(gateway)
    gateway.create_at_most = 10_000
    status = await campaign(tmp_path / "campaign").run(gateway)
    assert (status.succeeded, status.failed, status.complete) == (4, 1, True)
    assert sorted((tmp_path / "jobs" / "runs").read_text().split()) == ["13", "13", "2", "3", "4", "9"]


async def test_on_comps_a_campaign_needs_an_experiment(tmp_path: Path, comps: acomps.Session) -> None:
    with pytest.raises(acomps.UsageError, match="needs an experiment"):
        await campaign(tmp_path / "campaign").run(comps)
