"""The real cybergis-compute-client 0.2.6 against the local service: login, listings, jobs from making to results."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from pathlib import Path

import pytest
from support.local_service import Record, Running, record, records, running, text
from support.v2_calls import template

from interop.cybergis_sdk import Sdk, interpreter, started


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter that has the client."""
    found = interpreter()
    if found is None:
        pytest.skip(
            "needs cybergis-compute-client 0.2.6: let ACOMPS_CYBERGIS_PYTHON or ACOMPS_PYCOMPS_PYTHON name "
            "an interpreter that has it (dependency group interop)"
        )
    return found


@pytest.fixture(scope="module")
def service(python: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """The service that the client talks to."""
    del python
    folder = tmp_path_factory.mktemp("cybergis")
    sleep = template(folder / "sleep", {"execution_stage": "sleep 600", "supported_hpc": ["far_away"]})
    fail = template(folder / "fail", {"execution_stage": "echo oh no >&2; exit 3"})
    (folder / "service.toml").write_text(
        f'[[cybergis.templates]]\nname = "sleep"\nfolder = "{sleep}"\n'
        f'[[cybergis.templates]]\nname = "fail"\nfolder = "{fail}"\n'
        '[[cybergis.hpcs]]\nname = "here"\n[[cybergis.hpcs]]\nname = "closed"\nallowlist = ["somebody"]\n'
    )
    options = ("--config", str(folder / "service.toml"), "--cores", "2", "--cancel-grace", "0.5")
    with running(folder / "data", *options) as found:
        yield found


@pytest.fixture(scope="module")
def sdk(python: str, service: Running, tmp_path_factory: pytest.TempPathFactory) -> Generator[Sdk]:
    """The client, logged in with the variables that a JupyterHub sets."""
    with started(python, tmp_path_factory.mktemp("sdk")) as peer:
        told = peer.do("connect", host="127.0.0.1", port=port(service), token=service.password)
        assert told.found == {
            "username": f"{service.username}@localhost",
            "logged in": True,
            "file": ["cybergis_compute_user.json"],
        }
        assert "Logged in as" in told.said
        yield peer


def port(service: Running) -> int:
    return int(service.url.rpartition(":")[2])


def made(sdk: Sdk, git_id: str = "hello_world", **fields: object) -> str:
    """A job of a template, submitted."""
    job = text(record(sdk.do("create", hpc="here").found), "id")
    sdk.do("set_job", localExecutableFolder={"type": "git", "gitId": git_id}, **fields)
    assert "job submitted" in sdk.do("submit").said
    return job


def state(sdk: Sdk) -> Record:
    return record(sdk.do("state").found)


def test_listings_are_data_and_tables(sdk: Sdk) -> None:
    for name, column in (
        ("list_hpc", "is_community_account"),
        ("list_git", "git://hello_world"),
        ("list_maintainer", "community_contribution"),
        ("list_container", "dockerfile"),
        ("list_jupyter_host", "localhost"),
        ("list_job", "remoteResultFolder"),
    ):
        answer = sdk.do("listing", name=name)
        assert isinstance(answer.found, dict)
        assert column in answer.said
    hpcs = record(sdk.do("listing", name="list_hpc").found)
    assert [*hpcs] == ["here", "closed"]
    templates = record(sdk.do("listing", name="list_git").found)
    assert [*templates] == ["sleep", "hello_world", "fail"]
    assert all(record(one)["default_hpc"] in hpcs for one in templates.values())
    assert "hello_world" in sdk.do("info").said


def test_a_job_goes_from_its_making_to_its_results(sdk: Sdk) -> None:
    job = made(sdk, param={"whom": "SDK", "times": 2}, env={"COLOUR": "red"}, slurm={"num_of_task": 2, "time": "5:00"})
    followed = sdk.do("follow")
    assert followed.found is False
    assert "JOB_ENDED" in followed.said
    assert "4 greetings are in all.txt" in followed.said
    found = state(sdk)
    status = record(found["status"])
    assert (status["id"], status["exitCode"], status["isFailed"]) == (job, 0, False)
    assert [text(event, "type") for event in records(found["events"])][-1] == "JOB_ENDED"
    assert "will greet SDK" in text(records(found["logs"])[0], "message")
    assert found["folders"] == ["/", "/greetings", "/slurm_log"]
    assert sdk.do("take", job_id=job).found == job
    assert records(record(sdk.do("listing", name="list_job").found)["job"])[-1]["id"] == job


def test_a_program_that_fails_is_an_ended_job_with_its_exit_code(sdk: Sdk) -> None:
    made(sdk, "fail")
    assert sdk.do("follow").found is False
    found = state(sdk)
    assert record(found["status"])["exitCode"] == 3
    assert [text(log, "message") for log in records(found["logs"])] == ["oh no\n"]


def test_a_job_is_cancelled_as_in_a_notebook(sdk: Sdk) -> None:
    made(sdk, "sleep")
    sdk.do("cancel")
    assert sdk.do("follow").found is False
    assert record(state(sdk)["status"])["isCanceled"] is True


def test_a_result_is_downloaded_to_the_users_own_folder(sdk: Sdk) -> None:
    made(sdk)
    sdk.do("follow")
    home = record(sdk.do("globus_home").found)
    to = {"localPath": f"{home['root_path']}/from_sdk", "localEndpoint": home["endpoint"], "remotePath": "/"}
    assert "download success" in sdk.do("download", **to).said
    assert sorted(os.listdir(f"{home['container_home_path']}from_sdk")) == ["all.txt", "greetings", "slurm_log"]


def test_the_form_of_the_notebook_runs_a_job_and_downloads_its_result(sdk: Sdk) -> None:
    told = record(sdk.do("ui").found)
    assert record(told["offered"])["param"] == {"whom": "world", "times": 1, "tone": "plain"}
    assert record(told["offered"])["slurm"] == {"time": "10:00", "num_of_task": 2, "cpu_per_task": 1, "memory": "1GB"}
    sdk.do("take", job_id=told["job"])
    assert record(state(sdk)["status"])["exitCode"] == 0
    assert "all.txt" in os.listdir(text(told, "path"))


def test_refusals_reach_the_user_with_their_reason(sdk: Sdk) -> None:
    refused = sdk.ask("create", hpc="closed").error
    assert refused is not None
    assert "Not authorized for HPC" in refused
    sdk.do("create", hpc="here")
    cases: tuple[tuple[str, dict[str, object], str], ...] = (
        ("submit", {}, "job missing executable file"),
        ("set_job", {}, "internal error"),
        ("take", {"job_id": "1700000000aaaaa"}, "invalid access"),
        ("request", {"method": "GET", "route": "/nothing", "body": {}}, "is not a call"),
        ("request", {"method": "PUT", "route": "/job/x/pause", "body": {}}, "neither pauses"),
    )
    for scenario, arguments, said in cases:
        error = sdk.ask(scenario, **arguments).error
        assert error is not None
        assert said in error
    sdk.do(
        "set_job",
        localExecutableFolder={"type": "git", "gitId": "hello_world"},
        slurm={"num_of_task": 51},
        param={"times": 99},
    )
    assert "num_of_task exceeds the threshold of 50" in str(sdk.ask("submit").error)
    sdk.do("set_job", slurm={"num_of_task": 1})
    assert "param times must be from 1 to 10" in str(sdk.ask("submit").error)


def test_many_points_are_run_at_once(sdk: Sdk) -> None:
    sdk.do("sweep", points=[{"whom": f"point {number}"} for number in range(3)], hpc="here")
    jobs = records(record(sdk.do("listing", name="list_job").found)["job"])[-3:]
    assert [record(job["param"])["whom"] for job in jobs] == ["point 0", "point 1", "point 2"]
    for job in jobs:
        sdk.do("take", job_id=job["id"])
        assert sdk.do("follow").found is False
    used = record(sdk.do("listing", name="get_slurm_usage").found)
    assert (int(str(used["nodes"])) >= 3, used["memory"]) == (True, "0kb")


def test_the_clients_own_token_file_logs_in_again(sdk: Sdk, service: Running) -> None:
    file = Path(sdk.folder / "cybergis_compute_user.json")
    assert stat.S_ISREG(file.stat().st_mode)
    told = sdk.do("again", host="127.0.0.1", port=port(service))
    assert told.found == f"{service.username}@localhost"
