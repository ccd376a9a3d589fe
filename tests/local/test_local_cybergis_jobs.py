"""Jobs of CyberGIS-Compute on the local service: what they run, what they see, how they end and what they leave."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Generator
from pathlib import Path

import pytest
from support.local_service import Record, alive, record, records, running, text, until
from support.v2_calls import V2, refused, template

SHOW = """\
import json, os, sys
rank = os.environ.get("SLURM_PROCID", "none")
seen = {"variables": dict(os.environ), "folder": os.getcwd()}
open(f"{os.environ.get('result_folder', '.')}/{sys.argv[1]}-{rank}.json", "w").write(json.dumps(seen))
"""
SLEEPER = {
    "execution_stage": 'echo $$ > "$result_folder/pid.tmp"; mv "$result_folder/pid.tmp" "$result_folder/pid"; sleep 600'
}
RULES = {
    "size": {"type": "integer", "default_value": 4, "min": 2, "max": 8, "step": 2},
    "mode": {"type": "string_option", "default_value": "fast", "options": ["fast", "slow"]},
    "note": {"type": "string_input", "default_value": "none"},
    "must": {"type": "string_input", "default_value": "x", "require": True},
}
EVENTS = [
    "JOB_QUEUED",
    "JOB_REGISTERED",
    "SLURM_UPLOAD_EXECUTABLE",
    "SLURM_CREATE_RESULT",
    "SLURM_SUBMIT",
    "SLURM_SUBMIT_SUCCESS",
    "JOB_INIT",
    "JOB_ENDED",
]
KEYS = (
    "id userId secretToken slurmId maintainer hpc remoteExecutableFolder remoteDataFolder remoteResultFolder "
    "localExecutableFolder localDataFolder param env slurm createdAt updatedAt deletedAt initializedAt finishedAt "
    "isFailed events logs exitCode isCanceled"
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where templates and data lie."""
    folder = tmp_path_factory.mktemp("cybergis")
    show = {"pre_processing_stage": "python3 show.py pre", "execution_stage": "python3 show.py run"}
    raw = {"post_processing_stage_in_raw_sbatch": ["python3 show.py raw", "true"]}
    template(folder / "show", {**show, **raw}, {"show.py": SHOW})
    stages = {"pre_processing_stage": "exit 3", "execution_stage": "echo went on", "post_processing_stage": "exit 4"}
    template(folder / "fail", stages)
    template(folder / "talk", {"execution_stage": "yes é | head -n 400; echo bad >&2"})
    template(folder / "sleep", SLEEPER)
    template(folder / "rules", {"execution_stage": "true", "param_rules": RULES})
    files = 'mkdir -p "$result_folder/maps/deep" "$result_folder/.hidden"; echo 1 > "$result_folder/maps/deep/a b.txt"'
    leave = f'{files}; ln -s /etc/passwd "$result_folder/passwd"; ln -s / "$result_folder/root"'
    template(folder / "files", {"execution_stage": leave, "default_result_folder_downloadable_path": "maps"})
    template(folder / "data", {"execution_stage": 'cp "$data_folder"/* "$result_folder"'})
    template(folder / "broken", {"execution_stage": "true", "connector": "SingCVMFSConnector"})
    (folder / "input").mkdir()
    (folder / "input" / "numbers.csv").write_text("1,2\n")
    (folder / "input" / "away").symlink_to("/etc")
    return folder


@pytest.fixture(scope="module")
def v2(room: Path) -> Generator[V2]:
    """The only user of a service with two computing resources."""
    names = ["show", "fail", "talk", "sleep", "rules", "files", "data", "broken"]
    tables = "".join(f'[[cybergis.templates]]\nname = "{name}"\nfolder = "{room / name}"\n' for name in names)
    (room / "service.toml").write_text(
        f'[cybergis]\ndata_folders = ["{room / "input"}"]\n'
        '[[cybergis.hpcs]]\nname = "wide"\njob_pool_capacity = 8\n'
        '[[cybergis.hpcs]]\nname = "narrow"\njob_pool_capacity = 1\n'
        '[cybergis.hpcs.ceilings]\ntime = "1:00"\nnum_of_task = 2\nmemory = "1G"\n' + tables
    )
    options = ("--config", str(room / "service.toml"), "--cores", "4", "--cancel-grace", "0.5")
    with running(room / "data-dir", *options) as service, V2(service) as user:
        yield user


def seen(job: Record, v2: V2, name: str) -> Record:
    return record(json.loads((v2.folder(job, "Result") / f"{name}.json").read_text()))


def test_a_job_has_every_key_and_tells_its_steps_in_their_order(v2: V2) -> None:
    job = v2.run("hello_world", param={"whom": "Ann"})
    assert list(job) == KEYS.split()
    assert v2.events(text(job, "id")) == EVENTS
    assert (job["exitCode"], job["isFailed"], job["isCanceled"]) == (0, False, False)
    assert text(job, "createdAt") <= text(job, "initializedAt") <= text(job, "finishedAt")
    assert (v2.folder(job, "Result") / "all.txt").read_text() == f"hello Ann, says task 0 of job {job['id']}\n"
    assert "greet Ann" in text(records(job["logs"])[0], "message")
    with_folders = records(v2.ask("GET", "/user/job")["job"])[-1]
    assert with_folders == {**job, "events": [], "logs": []}


def test_a_program_sees_the_variables_of_the_reference_and_no_value_is_read_as_shell(v2: V2, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    evil = f"\"; touch {trap}; $(touch {trap}) `touch {trap}` \\ '\nend"
    param = {"evil": evil, "whole": 5, "half": 1.5, "yes": True, "none": None, "list": [1, 2], "object": {"a": 1}}
    job = v2.run("show", param=param, env={"MY_NAME": evil}, slurm={"num_of_task": 2, "cpu_per_task": 2})
    variables = record(seen(job, v2, "run-1")["variables"])
    folders = {f"{role.lower()}_folder": str(v2.folder(job, role)) for role in ("Executable", "Result")}
    assert (
        variables.items()
        >= {
            **{"job_id": job["id"], "user_id": job["userId"], "maintainer": "community_contribution", "hpc": "wide"},
            **{"param_evil": evil, "param_whole": "5", "param_half": "1.5", "param_yes": "true", "param_none": "null"},
            **{"param_list": "1,2", "param_object": "[object Object]", "env_MY_NAME": evil, "MY_NAME": evil},
            **{"SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "0", "SLURM_NTASKS": "2"},
            **{"SLURM_JOB_ID": job["slurmId"], "SLURM_CPUS_PER_TASK": "2"},
            **folders,
        }.items()
    )
    assert str(variables["data_folder"]).endswith("/data")
    assert seen(job, v2, "run-0")["folder"] == folders["executable_folder"]
    assert record(seen(job, v2, "pre-0")["variables"])["param_evil"] == evil
    assert not trap.exists()
    assert "ACOMPS_TEST_SECRET" not in variables
    written = record(json.loads((v2.folder(job, "Executable") / "job.json").read_text()))
    assert (written["param"], written["job_id"], written["result_folder"]) == (
        param,
        job["id"],
        folders["result_folder"],
    )
    raw = json.loads((v2.folder(job, "Executable") / "raw-0.json").read_text())["variables"]
    assert raw["MY_NAME"] == evil
    assert not {name for name in raw if name.startswith(("param_", "env_", "job_", "result_"))}


def test_all_stages_run_and_the_first_bad_exit_code_is_told_without_a_failed_job(v2: V2) -> None:
    job = v2.run("fail")
    assert (job["exitCode"], job["isFailed"]) == (3, False)
    assert [text(log, "message") for log in records(job["logs"])] == ["went on\n"]
    assert v2.events(text(job, "id"))[-1] == "JOB_ENDED"


def test_long_logs_are_cut_and_their_files_are_whole(v2: V2) -> None:
    job = v2.run("talk")
    output, errors = (text(log, "message") for log in records(job["logs"]))
    assert output == "é\n" * 250 + "...[download for full log]"
    assert errors == "bad\n"
    assert (v2.folder(job, "Result") / "slurm_log" / "job.stdout").read_text() == "é\n" * 400
    assert v2.rows(f"/job/{job['id']}/logs") == job["logs"]
    assert v2.rows(f"/job/{job['id']}/events") == job["events"]


@pytest.mark.parametrize(
    ("param", "said"),
    [
        ({}, "must is missing"),
        ({"must": 5}, "must must be a text"),
        ({"must": "x", "size": 9}, "from 2 to 8"),
        ({"must": "x", "size": 3}, "steps of 2"),
        ({"must": "x", "size": "many"}, "a whole number"),
        ({"must": "x", "size": True}, "a whole number"),
        ({"must": "x", "mode": "rapid"}, "one of fast, slow, fast"),
        ({"must": "x", "note": ["a"]}, "a text"),
    ],
)
def test_a_parameter_that_breaks_a_rule_is_refused_at_submission(v2: V2, param: object, said: str) -> None:
    job = v2.job("rules", param=param)
    refused(v2.call("POST", f"/job/{job}/submit"), 402, said)
    assert v2.events(job) == []


def test_parameters_within_the_rules_and_those_without_a_rule_go_through(v2: V2) -> None:
    assert v2.run("rules", param={"must": "", "size": "6", "mode": "slow", "other": 1})["exitCode"] == 0


@pytest.mark.parametrize(
    ("slurm", "said"),
    [
        ({"time": "1:01"}, "slurm config time exceeds the threshold of 1:00 (current value 1:01)"),
        ({"time": "0-1"}, "time exceeds"),
        ({"time": 3600}, "time must be a time"),
        ({"time": "1h --wrap=x"}, "time must be a time"),
        ({"num_of_task": 3}, "num_of_task exceeds the threshold of 2"),
        ({"num_of_task": "3"}, "num_of_task exceeds"),
        ({"num_of_task": 0}, "at least 1"),
        ({"cpu_per_task": -1}, "at least 1"),
        ({"cpu_per_task": 51}, "cpu_per_task exceeds the threshold of 50"),
        ({"memory": "2GB"}, "memory exceeds the threshold of 1G"),
        ({"memory": "1T"}, "memory exceeds"),
        ({"memory": 60}, "amount of memory"),
        ({"gpus": "a100:21"}, "gpus exceeds"),
        ({"partition": "--uid=0 x"}, "plain words"),
        ({"mail_user": ["-x@example.org"]}, "plain words"),
        ({"modules": ["a; b"]}, "plain words"),
    ],
)
def test_what_exceeds_a_ceiling_or_is_no_amount_is_refused_at_submission(v2: V2, slurm: object, said: str) -> None:
    job = v2.job("hello_world", "narrow", slurm=slurm)
    refused(v2.call("POST", f"/job/{job}/submit"), 402, said)


def pid_of(v2: V2, job_id: str) -> int:
    written = v2.folder(v2.wait(job_id, "JOB_INIT"), "Result") / "pid"
    until(written.exists, "the sleeper writes its number")
    return int(written.read_text())


def test_cancelling_ends_what_runs_and_what_waits_and_nothing_else(v2: V2) -> None:
    first, second = (v2.submitted("sleep", "narrow") for _ in range(2))
    pid = pid_of(v2, first)
    assert v2.events(second) == ["JOB_QUEUED"]
    assert v2.ask("PUT", f"/job/{second}/cancel") == {"messages": ["job successfully added to cancel queue"]}
    waiting = v2.wait(second)
    assert (waiting["isCanceled"], waiting["initializedAt"]) == (True, None)
    assert alive(pid)
    v2.ask("PUT", f"/job/{first}/cancel")
    over = v2.wait(first)
    assert (over["isCanceled"], over["isFailed"], over["exitCode"]) == (True, False, None)
    assert v2.events(first)[-1] == "JOB_ENDED"
    until(lambda: not alive(pid), "the process is gone")
    refused(v2.call("PUT", f"/job/{first}/cancel"), 402, "not in queue or running")


def test_a_job_ends_at_its_time_limit(v2: V2) -> None:
    job = v2.run("sleep", slurm={"time": "0:01"})
    assert (job["exitCode"], job["isCanceled"]) == (None, False)
    assert "time limit" in text(records(job["events"])[-1], "message")


def test_a_job_is_submitted_once_and_stays_as_it_ran(v2: V2) -> None:
    job = text(v2.run("hello_world"), "id")
    refused(v2.call("POST", f"/job/{job}/submit"), 401, "already submitted")
    assert v2.events(job) == EVENTS


@pytest.mark.parametrize(
    ("executable", "said"),
    [
        (None, "job missing executable file"),
        ({"type": "git", "gitId": "nothing"}, "no template"),
        ({"type": "git", "gitId": "../hello_world"}, "no template"),
        ({"type": "git"}, "gitId must be a text"),
        ({"type": "local", "localPath": "/etc"}, "must have the type git"),
        ({"type": "git", "gitId": "broken"}, "CVMFS"),
    ],
)
def test_a_job_without_a_template_that_can_run_is_refused(v2: V2, executable: object, said: str) -> None:
    job = text(v2.ask("POST", "/job"), "id")
    if executable is not None:
        v2.ask("PUT", f"/job/{job}", localExecutableFolder=executable)
    refused(v2.call("POST", f"/job/{job}/submit"), 402, said)


def test_setting_replaces_each_field_as_a_whole_and_nothing_is_an_error(v2: V2) -> None:
    job = v2.job("hello_world", param={"a": 1, "b": 2}, slurm={"num_of_task": 2})
    v2.ask("PUT", f"/job/{job}", param={"c": 3}, slurm=None)
    now = v2.read(job)
    assert (now["param"], now["slurm"]) == ({"c": 3}, {"num_of_task": 2})
    refused(v2.call("PUT", f"/job/{job}"), 403, "internal error")
    refused(v2.call("PUT", f"/job/{job}", localResultFolder={"type": "empty"}), 403, "internal error")
    refused(v2.call("PUT", f"/job/{job}", param="text"), 402, "invalid input", "object")
    refused(v2.call("PUT", f"/job/{job}", env={"A B": "x"}), 402, "cannot be the name of a variable")
    refused(v2.call("PUT", f"/job/{job}", param={"a": "\0"}), 402, "NUL")
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    for field in ("param", "localDataFolder"):
        refused(v2.call("PUT", f"/job/{job}", **{field: {"a": deep}}), 402, "nested deeper")


def test_a_result_lists_its_folders_and_comes_as_a_zip_that_leads_nowhere_else(v2: V2) -> None:
    job = v2.run("files")
    assert v2.rows(f"/job/{job['id']}/result-folder-content") == ["/maps", "/", "/maps/deep", "/slurm_log"]
    answer = v2.call("GET", f"/job/{job['id']}/result-folder-zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert sorted(packed.namelist()) == ["maps/deep/a b.txt", "slurm_log/job.stderr", "slurm_log/job.stdout"]
        assert packed.read("maps/deep/a b.txt") == b"1\n"


def test_a_result_is_there_when_the_job_has_ended_and_not_before(v2: V2) -> None:
    job = v2.submitted("sleep")
    pid_of(v2, job)
    assert v2.rows(f"/job/{job}/result-folder-content") == []
    refused(v2.call("GET", f"/job/{job}/result-folder-zip"), 402, "has not ended yet")
    v2.ask("PUT", f"/job/{job}/cancel")
    v2.wait(job)
    with zipfile.ZipFile(io.BytesIO(v2.call("GET", f"/job/{job}/result-folder-zip").content)) as packed:
        assert "pid" in packed.namelist()


def test_data_comes_from_the_folders_that_are_open_to_jobs(v2: V2, room: Path) -> None:
    job = v2.run("data", localDataFolder={"type": "local", "localPath": str(room / "input")})
    assert (v2.folder(job, "Result") / "numbers.csv").read_text() == "1,2\n"
    assert "SLURM_UPLOAD_DATA" in v2.events(text(job, "id"))
    assert (v2.folder(job, "Data") / "away").is_symlink()


@pytest.mark.parametrize(
    "reference",
    [
        {"type": "local", "localPath": "/etc"},
        {"type": "local", "localPath": "{input}/../show"},
        {"type": "local", "localPath": "{input}/away"},
        {"type": "globus", "endpoint": "elsewhere", "path": "/x"},
        {"type": "ftp"},
    ],
)
def test_data_from_anywhere_else_fails_the_job_with_a_reason(v2: V2, room: Path, reference: dict[str, str]) -> None:
    given = {name: value.replace("{input}", str(room / "input")) for name, value in reference.items()}
    job = v2.run("data", localDataFolder=given)
    assert (job["isFailed"], job["remoteDataFolder"]) == (True, None)
    assert v2.events(text(job, "id"))[-1] == "JOB_FAILED"
    assert "cannot run" in text(records(job["events"])[-1], "message")


def test_a_job_that_has_not_changed_is_answered_with_304(v2: V2) -> None:
    job = v2.job("hello_world")
    tag = v2.call("GET", f"/job/{job}").headers["etag"]
    body = {"jupyterhubApiToken": v2.token}
    again = v2.http.request("GET", f"/job/{job}", json=body, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    v2.ask("PUT", f"/job/{job}", param={"a": 1})
    other = v2.http.request("GET", f"/job/{job}", json=body, headers={"If-None-Match": tag})
    assert other.status_code == 200


def test_results_are_brought_to_the_users_own_folder_and_back_as_data(v2: V2) -> None:
    job = v2.run("files")
    folder = text(record(job["remoteResultFolder"]), "id")
    place = v2.ask("GET", "/user/jupyter-globus")
    init = f"/folder/{folder}/download/globus-init"
    to = {"toEndpoint": place["endpoint"], "toPath": f"{place['root_path']}/fetched"}
    assert v2.ask("GET", f"/folder/{folder}/download/globus-status") == {}
    assert v2.ask("POST", init, fromPath="/maps/deep", **to)["globus_task_id"]
    status = f"/folder/{folder}/download/globus-status"
    until(lambda: v2.ask("GET", status) == {"status": "SUCCEEDED"}, "the copy is there")
    assert os.listdir(f"{place['container_home_path']}fetched") == ["a b.txt"]
    reference = {"type": "globus", "endpoint": place["endpoint"], "path": to["toPath"]}
    again = v2.run("data", localDataFolder=reference)
    assert (v2.folder(again, "Result") / "a b.txt").read_text() == "1\n"
    for wrong in ({"fromPath": "/../executable"}, {"toPath": "/root/../../x"}, {"toEndpoint": "elsewhere"}):
        answer = v2.call("POST", init, **{**to, **wrong})
        assert answer.status_code in {402, 403}, answer.text


def test_folders_are_renamed_and_deleted_from_the_lists_only(v2: V2) -> None:
    job = v2.run("hello_world")
    folder = text(record(job["remoteResultFolder"]), "id")
    renamed = v2.ask("PUT", f"/folder/{folder}", name="my result", isWritable=True)
    assert (renamed["name"], renamed["isWritable"]) == ("my result", True)
    assert v2.rows(f"/folder/{folder}") == [renamed]
    assert renamed in records(v2.ask("GET", "/folder")["folder"])
    refused(v2.call("PUT", f"/folder/{folder}", name="", isWritable=False), 401, "encountered error")
    assert v2.ask("DELETE", f"/folder/{folder}") == {"success": True}
    assert v2.rows(f"/folder/{folder}") == []
    assert v2.folder(job, "Result").is_dir()
    for method, path in (
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/download/globus-init"),
        ("GET", "/download/globus-status"),
    ):
        answer = v2.call(method, f"/folder/{folder}{path}", name="x", toEndpoint="x", toPath="x")
        refused(answer, 404, "unknown folder")


def test_usage_and_runtimes_add_up(v2: V2) -> None:
    before = v2.ask("GET", "/user/slurm-usage")
    job = v2.run("hello_world", slurm={"num_of_task": 2, "cpu_per_task": 2})
    after = v2.ask("GET", "/user/slurm-usage")
    assert (after["nodes"], after["cpus"]) == (int(str(before["nodes"])) + 1, int(str(before["cpus"])) + 4)
    assert after["memory"] == "0kb"
    took = record(v2.ask("GET", f"/statistic/job/{job['id']}")["runtime_in_seconds"])
    assert (took["HPC"], int(str(took["STATISTIC"])) > 0) == ("wide", True)
    total = record(v2.ask("GET", "/statistic")["runtime_in_seconds"])
    assert int(str(total["total"])) >= int(str(took["STATISTIC"]))
