"""Jobs of CyberGIS-Compute outlive the service: adopted while they run, judged when they ended without it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.local_service import Running, running, text, until
from support.v2_calls import V2, template

WAIT = 'echo "$SLURM_JOB_ID" > "$result_folder/began"; until [ -e "$result_folder/go" ]; do sleep 0.02; done; exit 5'
Start = Callable[[], AbstractContextManager[tuple[Running, V2]]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts a service, each time on the same data."""
    folder = template(tmp_path / "wait", {"execution_stage": WAIT})
    (tmp_path / "service.toml").write_text(
        f'[[cybergis.templates]]\nname = "wait"\nfolder = "{folder}"\n[[cybergis.hpcs]]\nname = "one"\n'
        "job_pool_capacity = 1\n"
    )

    @contextmanager
    def started() -> Generator[tuple[Running, V2]]:
        options = ("--config", str(tmp_path / "service.toml"), "--cores", "2", "--cancel-grace", "0.5")
        with running(tmp_path / "data", *options) as service, V2(service) as v2:
            yield service, v2

    return started


def began(v2: V2, job: str) -> Path:
    """The result folder of a job whose program runs."""
    result = v2.folder(v2.wait(job, "JOB_INIT"), "Result")
    until((result / "began").exists, "the program runs")
    return result


def test_a_job_that_runs_is_adopted_and_those_behind_it_follow(start: Start) -> None:
    with start() as (service, v2):
        first, second = v2.submitted("wait"), v2.submitted("wait")
        result = began(v2, first)
        service.kill()
    with start() as (_, v2):
        assert v2.read(first)["finishedAt"] is None
        assert v2.events(second) == ["JOB_QUEUED"]
        (result / "go").touch()
        assert v2.wait(first)["exitCode"] == 5
        (began(v2, second) / "go").touch()
        assert v2.wait(second)["exitCode"] == 5
        assert v2.events(first).count("JOB_INIT") == 1
        assert "JOB_RETRY" not in v2.events(first)


def test_the_end_of_a_job_that_ended_without_the_service_is_read_from_what_it_left(start: Start) -> None:
    with start() as (service, v2):
        job = v2.submitted("wait")
        result = began(v2, job)
        service.kill()
    (result / "go").touch()
    traces = result.parents[2] / "running" / job
    until(lambda: len(traces.read_text().splitlines()) == 2, "the program ends")
    with start() as (_, v2):
        over = v2.wait(job)
        assert (over["exitCode"], over["isFailed"]) == (5, False)
        assert v2.events(job)[-1] == "JOB_ENDED"
        until(lambda: not traces.exists(), "what is on record is forgotten")


def test_a_job_can_be_cancelled_after_a_restart(start: Start) -> None:
    with start() as (service, v2):
        job = v2.submitted("wait")
        began(v2, job)
        service.kill()
    with start() as (_, v2):
        v2.ask("PUT", f"/job/{job}/cancel")
        assert v2.wait(job)["isCanceled"] is True


def test_a_service_that_is_stopped_runs_its_jobs_again_when_it_is_back(start: Start) -> None:
    with start() as (service, v2):
        job = v2.submitted("wait")
        result = began(v2, job)
        assert service.stop() == 0
    (result / "began").unlink()
    with start() as (_, v2):
        until(lambda: v2.events(job).count("JOB_INIT") == 2, "the job runs again")
        (began(v2, job) / "go").touch()
        over = v2.wait(job)
        assert over["exitCode"] == 5
        assert v2.events(job).count("JOB_RETRY") == 1
        assert text(over, "createdAt") < text(over, "initializedAt")
