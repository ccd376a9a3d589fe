"""The gateway over the real local service, from login to results."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from acomps.comps.child import Service
from acomps.cybergis import CyberGISCompute, HubToken, Job, JobPlan, JobState, JupyterHost, LocalFolder, display
from acomps.errors import AuthenticationFailed, Conflict, NotFound, PermissionDenied, UsageError, ValidationFailed
from acomps.events import Downloaded, Event, Saved

HELLO = JobPlan(executable_folder="hello_world", param={"whom": "Ana", "times": 2}, slurm={"num_of_task": 2})


@pytest.fixture(scope="session")
async def ended(cybergis: CyberGISCompute) -> Job:
    """A job that has run to its end."""
    job = await cybergis.submit(HELLO)
    await job.wait()
    return job


async def test_the_user_is_who_the_token_says(cybergis: CyberGISCompute) -> None:
    name = await cybergis.login()
    assert name == cybergis.username
    assert name.endswith("@localhost")
    assert cybergis.is_login()


async def test_a_wrong_token_is_refused_and_not_held(cybergis_service: Service, tmp_path: Path) -> None:
    for token in (HubToken("localhost", "wrong"), HubToken("hub.elsewhere.org", cybergis_service.password)):
        async with CyberGISCompute(
            cybergis_service.url, None, token=token, token_file=tmp_path / "t.json", environ={}
        ) as other:
            with pytest.raises(AuthenticationFailed):
                await other.create_job()
            assert not other.is_login()


async def test_everything_is_listed(cybergis: CyberGISCompute, ended: Job) -> None:
    info = await cybergis.list_info(list_maintainer=True, list_container=True)
    template = next(item for item in info.templates if item.id == "hello_world")
    assert template.default_hpc in {hpc.name for hpc in info.hpcs}
    assert {rule.name for rule in template.param_rules} == {"whom", "times", "tone"}
    assert all(rule.limits for rule in template.slurm_rules)
    assert "community_contribution" in {maintainer.name for maintainer in info.maintainers}
    assert ended.id in {job.id for job in info.jobs}
    assert "hello_world" in str(display(info))
    assert JupyterHost(host="localhost", description="the local service itself") in await cybergis.list_jupyter_host()
    assert await cybergis.list_announcement() == ()
    assert (await cybergis.get_slurm_usage()).cpus >= 0
    assert (await cybergis.get_user_jupyter_globus()).root_path.startswith("/")


async def test_a_job_is_created_set_submitted_followed_and_ends_well(cybergis: CyberGISCompute) -> None:
    job = await cybergis.create_job()
    assert cybergis.get_latest_created_job() is job
    assert job.record.state is JobState.CREATED
    record = await job.set(executable_folder=HELLO.executable_folder, param=HELLO.param, slurm=HELLO.slurm)
    assert record.param == HELLO.param
    assert record.template == "hello_world"
    await job.submit()
    with pytest.raises(Conflict):
        await job.submit()
    events = [event async for event in job.events()]
    assert len({event.id for event in events}) == len(events)
    assert [event.type for event in events if event.basic] == ["JOB_QUEUED", "JOB_REGISTERED", "JOB_INIT", "JOB_ENDED"]
    logs = [log.message async for log in job.logs()]
    assert "2 tasks will greet Ana" in logs[0]
    record = await job.status()
    assert (record.state, record.exit_code, record.succeeded) == (JobState.ENDED, 0, True)
    assert (await cybergis.get_job_by_id(job.id)).record == record


async def test_results_come_as_files_and_as_a_zip(ended: Job, tmp_path: Path) -> None:
    heard: list[Event] = []
    assert await ended.result_folder_content() == ("/", "/greetings", "/slurm_log")
    files = await ended.download_result_folder(tmp_path / "all", on_progress=heard.append)
    assert {str(file.relative_to(tmp_path / "all")) for file in files} >= {"all.txt", "greetings/task-1.txt"}
    assert (tmp_path / "all" / "all.txt").read_text().count("hello Ana") == 4
    some = await ended.download_result_folder(tmp_path / "some", below="/greetings")
    assert [file.name for file in some] == ["task-0.txt", "task-1.txt"]
    packed = await ended.download_result_zip(tmp_path / "results.zip")
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
    assert sum(event.bytes for event in heard if isinstance(event, Downloaded)) == packed.stat().st_size
    assert sorted(file.name for file in tmp_path.iterdir()) == ["all", "results.zip", "some"]


async def test_results_are_copied_to_the_users_own_folder(cybergis: CyberGISCompute, ended: Job) -> None:
    home = await cybergis.get_user_jupyter_globus()
    transfer = await ended.download_result_folder_by_globus()
    inside = Path(transfer.to_path).relative_to(home.root_path)
    assert Path(home.container_home_path, inside, "all.txt").is_file()


async def test_folders_are_listed_renamed_and_taken_off_the_list(cybergis: CyberGISCompute) -> None:
    job = await cybergis.submit(HELLO)
    record = await job.wait()
    folder = record.remote_executable_folder
    assert folder is not None
    assert folder in await cybergis.folders.list()
    assert (await cybergis.folders.rename(folder.id, "greetings of Ana")).name == "greetings of Ana"
    assert (await cybergis.folders.get(folder.id)).name == "greetings of Ana"
    await cybergis.folders.delete(folder.id)
    assert folder.id not in {item.id for item in await cybergis.folders.list()}
    with pytest.raises(UsageError):
        await cybergis.folders.rename(folder.id, "")
    with pytest.raises(NotFound):
        await cybergis.folders.get("nobody")


async def test_a_sweep_of_jobs_is_submitted_and_watched_to_its_end(cybergis: CyberGISCompute) -> None:
    heard: list[Event] = []
    plans = (JobPlan(executable_folder="hello_world", param={"whom": f"number {n}"}) for n in range(20))
    submissions = await cybergis.submit_all(plans, on_progress=heard.append)
    assert all(submission.submitted for submission in submissions)
    assert [event.total for event in heard if isinstance(event, Saved)] == [*range(1, 21)]
    jobs = [submission.job for submission in submissions if submission.job is not None]
    params = [job.record.param["whom"] for job in jobs]
    assert params == [f"number {n}" for n in range(20)]
    last = [progress async for progress in cybergis.watch(jobs)][-1]
    assert last.final
    assert dict(last.counts) == {JobState.ENDED: 20}
    assert all(record.succeeded for record in last.records.values())


async def test_a_job_that_runs_is_cancelled(cybergis: CyberGISCompute) -> None:
    job = await cybergis.submit(JobPlan(executable_folder="endless"))
    async for record in job.changes():
        if record.state is JobState.SUBMITTED:
            await job.cancel()
            break
    record = await job.wait()
    assert record.state is JobState.CANCELED
    assert record.succeeded is False
    with pytest.raises(Conflict):
        await job.cancel()


async def test_what_exceeds_a_ceiling_is_not_accepted(cybergis: CyberGISCompute) -> None:
    with pytest.raises(ValidationFailed, match="num_of_task"):
        await cybergis.submit(JobPlan(executable_folder="hello_world", slurm={"num_of_task": 5_000}))
    with pytest.raises(ValidationFailed):
        await cybergis.create_job(hpc="no such machine")
    with pytest.raises(ValidationFailed, match="executable"):
        await (await cybergis.create_job()).submit()


async def test_the_exit_code_tells_a_failed_program_from_a_good_one(cybergis: CyberGISCompute) -> None:
    record = await (await cybergis.submit(JobPlan(executable_folder="failing"))).wait()
    assert (record.state, record.exit_code, record.succeeded) == (JobState.ENDED, 3, False)
    assert [log.message for log in record.logs] == ["oh no\n"]


async def test_an_hpc_that_is_closed_to_the_user_is_told_from_one_that_is_not_there(cybergis: CyberGISCompute) -> None:
    with pytest.raises(PermissionDenied, match="another HPC"):
        await cybergis.create_job(hpc="closed")


async def test_data_comes_from_a_folder_of_the_server(cybergis: CyberGISCompute, cybergis_data: Path) -> None:
    (cybergis_data / "some.txt").write_text("1\n2\n3\n")
    plan = JobPlan(executable_folder="count_lines", data_folder=LocalFolder(str(cybergis_data)))
    job = await cybergis.submit(plan)
    record = await job.wait()
    assert record.succeeded, record.logs
    files = await job.download_result_folder(cybergis_data.with_name("counted"))
    assert files[0].read_text().strip() == "3"


async def test_a_job_of_nobody_is_not_found(cybergis: CyberGISCompute) -> None:
    with pytest.raises(NotFound):
        await cybergis.get_job_by_id("1700000000aB3xY")
    with pytest.raises(UsageError):
        await cybergis.get_job_by_id("")


async def test_any_route_can_be_asked(cybergis: CyberGISCompute) -> None:
    assert await cybergis.request("GET", "/user") == {"username": cybergis.username}
