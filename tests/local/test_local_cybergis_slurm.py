"""Jobs of CyberGIS-Compute on a real Slurm: what it is asked for, how tasks are spread, cancelling, adopting."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.local_service import Running, record, records, running, text, until
from support.slurm import Slurm, cluster, why_not
from support.v2_calls import V2, refused, template

SHOW = """\
import json, os
path = f"{os.environ['result_folder']}/task-{os.environ['SLURM_PROCID']}.json"
open(path, "w").write(json.dumps(dict(os.environ)))
"""
WAIT = 'touch "$result_folder/began"; until [ -e "$result_folder/go" ]; do sleep 0.05; done; exit 7'
Start = Callable[[], AbstractContextManager[tuple[Running, V2]]]


@pytest.fixture(scope="module")
def slurm() -> Generator[Slurm]:
    """The cluster."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with cluster() as started:
        yield started


@pytest.fixture
def start(slurm: Slurm, tmp_path: Path) -> Start:
    """Starts a service on the cluster, each time on the same data."""
    del slurm
    show = template(tmp_path / "show", {"execution_stage": "python3 show.py"}, {"show.py": SHOW})
    wait = template(tmp_path / "wait", {"execution_stage": WAIT})
    (tmp_path / "service.toml").write_text(
        f'[[cybergis.templates]]\nname = "show"\nfolder = "{show}"\n'
        f'[[cybergis.templates]]\nname = "wait"\nfolder = "{wait}"\n'
        f'[[cybergis.hpcs]]\nname = "cluster"\nexecutor = "slurm"\nroot = "{tmp_path / "shared"}"\n'
        'init_script = ["export FROM_INIT=yes"]\n'
        '[cybergis.hpcs.slurm]\npoll_interval_s = 0.25\nsbatch_arguments = ["--comment=ours"]\n'
        '[cybergis.hpcs.ceilings]\ntime = "0:30:00"\n'
    )

    @contextmanager
    def started() -> Generator[tuple[Running, V2]]:
        options = ("--config", str(tmp_path / "service.toml"), "--cores", "2", "--cancel-grace", "0.5")
        with running(tmp_path / "data", *options) as service, V2(service) as v2:
            yield service, v2

    return started


def test_slurm_gets_what_the_job_asks_for_and_spreads_its_tasks(start: Start, slurm: Slurm, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    evil = f'"; touch {trap}; $(touch {trap})\n'
    asked = {"num_of_task": 3, "time": "0:12:00", "memory": "20M", "partition": "all", "modules": ["gcc"]}
    with start() as (_, v2):
        job = v2.run("show", param={"evil": evil}, env={"MINE": evil}, slurm=asked)
        assert job["exitCode"] == 0, job
        result = v2.folder(job, "Result")
        assert result.is_relative_to(tmp_path / "shared")
        seen = [record(json.loads((result / f"task-{rank}.json").read_text())) for rank in range(3)]
        assert {(one["param_evil"], one["MINE"], one["env_MINE"], one["FROM_INIT"]) for one in seen} == {
            (evil, evil, evil, "yes")
        }
        assert not trap.exists()
        assert "module gcc is not loaded" in text(records(job["logs"])[-1], "message")
        number = text(job, "slurmId")
        told = slurm.tool("scontrol", "show", "job", number)
        for fact in ("TimeLimit=00:12:00", "NumTasks=3", "MinMemoryNode=20M", "Partition=all", "Comment=ours"):
            assert fact in told
        assert v2.events(text(job, "id"))[-4:] == ["SLURM_SUBMIT", "SLURM_SUBMIT_SUCCESS", "JOB_INIT", "JOB_ENDED"]
        over = v2.job("show", slurm={"time": "0:31:00"})
        refused(v2.call("POST", f"/job/{over}/submit"), 402, "time exceeds the threshold of 0:30:00")


def test_a_job_on_slurm_outlives_the_service_and_can_be_cancelled(start: Start, slurm: Slurm) -> None:
    def began(v2: V2, job: str) -> Path:
        result = v2.folder(v2.wait(job, "JOB_INIT"), "Result")
        until((result / "began").exists, "the program runs")
        return result

    with start() as (service, v2):
        first, second = v2.submitted("wait"), v2.submitted("wait")
        result, _ = began(v2, first), began(v2, second)
        assert service.stop() == 0
    (result / "go").touch()
    with start() as (_, v2):
        assert v2.wait(first)["exitCode"] == 7
        v2.ask("PUT", f"/job/{second}/cancel")
        over = v2.wait(second)
        assert (over["isCanceled"], over["isFailed"]) == (True, False)
        until(lambda: not slurm.pids_of_jobs(), "nothing of the jobs is left")
        assert "JOB_RETRY" not in v2.events(first)


def test_what_slurm_does_not_take_fails_with_its_words(start: Start) -> None:
    with start() as (_, v2):
        job = v2.run("show", slurm={"partition": "nowhere"})
        assert job["isFailed"] is True
        assert "Slurm does not take it" in text(records(job["events"])[-1], "message")
