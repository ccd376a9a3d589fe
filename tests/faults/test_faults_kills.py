"""A client that is killed at 200 moments and started again: nothing twice, nothing lost, nothing done again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faults.bench import World, md5_of
from faults.killed_jobs import BATCH, COUNT, MIB, Job, Killed
from support.faults import assert_exactly_once
from support.runs import shell_experiment
from support.terminal import HOMES, Terminal

import acomps
from acomps.transport import Replay
from acomps.wire.uploads import decode_spans

#: Chains of kills, each of which ends with a run that is left alone; 200 kills in all.
CHAINS = {"save_all": 20, "upload": 12, "harvest": 18}
KILLS = 4
SEED = 20261120


@dataclass
class Runner:
    """Does jobs in another process."""

    process: subprocess.Popen[str]

    def __call__(self, job: Job) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said


@pytest.fixture(scope="module")
def runner() -> Generator[Runner]:
    command = [sys.executable, str(Path(__file__).with_name("kill_child.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Runner(process)
        process.kill()


class Chain:
    """One piece of work, killed again and again."""

    def __init__(self, world: World, folder: Path, kind: str) -> None:
        self.world, self.folder = world, folder
        self.kind = kind

    def job(self, kill: Killed | None) -> Job:
        service = self.world.service
        return Job(
            kind=self.kind,
            kill=kill,
            url=service.url,
            username=service.username,
            password=service.password,
            tokens=str(self.world.settings.token_cache_dir),
            folder=str(self.folder),
            about=self.about,
        )

    async def begin(self) -> None:
        self.folder.mkdir()
        match self.kind:
            case "save_all":
                self.experiment = await self.world.comps.experiments.save(acomps.Experiment(name="killed"))
                self.about = str(self.experiment.id)
            case "upload":
                self.data = uuid.uuid4().bytes * (5 * MIB // 16)
                (self.folder / "large").write_bytes(self.data)
                self.about = str(self.folder / "large")
            case _:
                self.about = str(self.world.experiment.id)

    async def confirmed(self) -> set[str]:
        """What the client has noted as done, or the service has of it, before the last run."""
        match self.kind:
            case "save_all":
                lines = [json.loads(line) for line in _whole_lines(self.folder / "journal")]
                return {str(index) for line in lines for index, _, _ in line.get("saved", [])}
            case "upload":
                channel = self.world.comps._channel  # pyright: ignore[reportPrivateUsage] - no public way asks this
                path = f"/upload/check/{md5_of(self.data)}"
                try:
                    answer = await channel.call("GET", path, operation="look", replay=Replay.SAFE)
                except acomps.NotFound:
                    return {"0"}
                spans = decode_spans(answer.json(), len(self.data)) if answer.status == 206 else [(0, len(self.data))]
                return {str(sum(end - first for first, end in spans))}
            case _:
                lines = [json.loads(line) for line in _whole_lines(self.folder / "results" / "harvest.jsonl")]
                return {str(self.folder / "results" / line["local"]) for line in lines if "local" in line}

    def verify(self, said: dict[str, Any], confirmed: set[str]) -> None:
        """All is there, right, once; and what was confirmed before was not done again."""
        assert said["status"] == 0, said
        match self.kind:
            case "save_all":
                assert_exactly_once(self.world.folder, self.experiment, COUNT)
                assert said["requests"] <= -(-(COUNT - len(confirmed)) // BATCH)
            case "upload":
                assert self.world.content(md5_of(self.data)) == self.data
                assert not list((self.world.folder / "uploads").glob(f"{md5_of(self.data)}*"))
                [held] = confirmed
                assert said["sent"] <= len(self.data) - int(held)
            case _:
                assert not confirmed & {*said["fetched"]}
                root = self.folder / "results"
                for key, folder in self.world.ran.items():
                    for path in (folder / "output").iterdir():
                        assert (root / str(key) / "output" / path.name).read_bytes() == path.read_bytes()
                assert [path.name for path in root.rglob(".*")] == []


def _whole_lines(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


@pytest.mark.parametrize("kind", CHAINS)
async def test_a_killed_client_goes_on_where_it_was(
    world: World, runner: Runner, tmp_path: Path, kind: str, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(f"{SEED} {kind}")
    whole = Chain(world, tmp_path / "whole", kind)
    await whole.begin()
    measure = runner(whole.job(None))
    whole.verify(measure, {"0"} if kind == "upload" else set())
    killed = 0
    for number in range(CHAINS[kind]):
        chain = Chain(world, tmp_path / f"{number}", kind)
        await chain.begin()
        for _ in range(KILLS):
            by = chance.choice(("step", "step", "call"))
            most = measure[f"{by}s"]
            said = runner(chain.job((by, chance.randint(most // 8, most))))
            killed += said["status"] == -9
            assert said["status"] in {0, -9}, said
        confirmed = await chain.confirmed()
        chain.verify(runner(chain.job(None)), confirmed)
    record_property("killed", killed)
    assert killed >= CHAINS[kind] * KILLS / 4, "hardly anything was killed"


@pytest.mark.parametrize("presses", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("command", ["harvest", "submit"])
async def test_ctrl_c_at_any_stage_ends_a_command_and_the_same_again_goes_on(
    world: World, runner: Runner, tmp_path: Path, command: str, presses: int
) -> None:
    chance = random.Random(f"{SEED} {command} {presses}")
    service = world.service
    terminal = Terminal(tmp_path, service, tmp_path)
    terminal.prepare()
    target = await shell_experiment(world.comps, "interrupted") if command == "submit" else world.experiment
    words = {
        "harvest": ["harvest", str(target.id), "output/*", "--into", "results"],
        "submit": ["submit", "sweep.toml", "--experiment", str(target.id), "--create-only"],
    }[command]
    job = Job(kind="", kill=None, url=service.url, username="", password="", tokens="", folder=str(tmp_path), about="")
    homes = {name: str(tmp_path) for name in HOMES}
    login = ("login", service.url, "--username", service.username, "--password-stdin")
    terminal(*login, stdin=f"{service.password}\n", environment=homes)
    interrupted = 0
    calls = runner({**job, "words": words})["calls"]
    for _ in range(12):
        first = chance.randint(1, calls)
        said = runner({**job, "words": words, "presses": [first, first + chance.randint(1, 40)][:presses]})
        screen = (tmp_path / "screen").read_text()
        assert said["status"] in {0, 130}, screen
        assert "Traceback" not in screen
        assert service.password not in screen
        interrupted += said["status"] == 130
        if said["status"] == 130 and "acomps: interrupted" in screen:
            assert "next: " in screen, "it does not say how to go on"
    assert interrupted, "it was never interrupted"
    assert runner({**job, "words": words})["status"] == 0, (tmp_path / "screen").read_text()
    if command == "harvest":
        assert len([*(tmp_path / "results").rglob("a.json")]) == len(world.ran)
        assert [path.name for path in (tmp_path / "results").rglob(".*")] == []
    else:
        names = [name for name, _ in world.simulations(target)]
        assert names
        assert len(names) % 4 == 0, "a run that was interrupted was not completed by the next"
