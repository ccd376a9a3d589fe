"""What is odd about CyberGIS-Compute's protocol does not reach the user."""

from __future__ import annotations

import asyncio
import io
import logging
import traceback
import zipfile
from pathlib import Path
from typing import Literal

import pytest
from cybergis.gis_server import NOW, QUICK, SECRET, TOKEN, GisServer, event, failed, fields, job, log, said, session
from support.transport_server import Drop, Instruction, Reply

from acomps.cybergis import GlobusFailed, JobPlan, JobState, display
from acomps.cybergis.dialect import CyberGISDialect
from acomps.errors import (
    AcompsError,
    AuthenticationFailed,
    Conflict,
    MalformedAnswer,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    Refused,
    TooLarge,
    UsageError,
    ValidationFailed,
)
from acomps.events import Event, Retrying, Waiting
from acomps.transport import Address, Channel

END = {"finishedAt": NOW, "initializedAt": NOW, "slurmId": "17"}


async def test_every_request_has_a_json_body_and_the_token_is_only_where_it_is_needed(tmp_path: Path) -> None:
    async with GisServer(said({"hpc": {}}), said({"job": []})) as server, session(server, tmp_path) as cybergis:
        assert await cybergis.list_hpc() == ()
        assert await cybergis.list_job() == ()
    hpc, jobs = server.asked
    assert (hpc.method, hpc.target, fields(hpc)) == ("GET", "/v2/hpc", {})
    assert (jobs.method, jobs.target, fields(jobs)) == ("GET", "/v2/user/job", {"jupyterhubApiToken": TOKEN})
    for arrived in server.ledger:
        assert arrived.headers["content-type"] == "application/json"
        assert not any(SECRET in line or TOKEN in line for line in [arrived.target, *arrived.lines])


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (failed("invalid access", 200), NotFound, "somebody else's"),
        (failed("invalid access token", 401, messages=[]), NotFound, "check the id"),
        (failed("Not authorized for HPC", 401), PermissionDenied, "another HPC"),
        (failed("unrecognized hpc", 401, message=None), ValidationFailed, "unrecognized hpc"),
        (failed("invalid input", 402, messages=["is not of a type(s) string"]), ValidationFailed, "type"),
        (failed("internal error", 403, messages="nothing to update"), ValidationFailed, "nothing to update"),
        (failed("submit without login is not allowed", 401, messages=[]), AuthenticationFailed, "Log in"),
        (failed("job already submitted or in queue", 401), Conflict, "runs once"),
        (failed("unknown folder with id 7", 404), NotFound, "folder"),
        (failed("something new", 402), Refused, "something new"),
        (failed("something new", 404), NotFound, "something new"),
        (said({"error": {"deep": 1}}, 200), Refused, "deep"),
        (Reply(404, b"<html><head><title>Error</title></head><pre>Cannot GET</pre></html>"), NotFound, "404"),
        (Reply(413, b"<html><title>Payload too large</title></html>"), TooLarge, "Payload"),
    ],
)
async def test_an_error_is_told_by_its_words_whatever_its_status(
    reply: Reply, kind: type[Refused], words: str, tmp_path: Path
) -> None:
    async with GisServer(reply) as server, session(server, tmp_path) as cybergis:
        with pytest.raises(kind, match="read job x") as caught:
            await cybergis.get_job_by_id("x")
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert caught.value.status == reply.status
    assert len(server.asked) == 1


async def test_the_word_error_in_a_good_answer_is_no_error(tmp_path: Path) -> None:
    found = job(param={"error": "small"}, logs=[log(1, 'it says "error": nothing')], error=None)
    async with GisServer(said(found)) as server, session(server, tmp_path) as cybergis:
        record = (await cybergis.get_job_by_id("1700000000aB3xY")).record
    assert record.param == {"error": "small"}
    assert record.logs[0].message == 'it says "error": nothing'


async def test_keys_that_are_new_or_missing_break_nothing(tmp_path: Path) -> None:
    found = said({"id": "7", "queuedAt": NOW, "nodes": 3})
    async with GisServer(found) as server, session(server, tmp_path) as cybergis:
        record = (await cybergis.get_job_by_id("7")).record
    assert (record.id, record.state, record.events, record.created_at) == ("7", JobState.CREATED, (), None)


async def test_an_answer_that_is_no_job_is_malformed(tmp_path: Path) -> None:
    async with GisServer(said([]), said({"id": None})) as server, session(server, tmp_path) as cybergis:
        for _ in range(2):
            with pytest.raises(MalformedAnswer):
                await cybergis.get_job_by_id("7")


async def test_an_id_with_odd_signs_stays_one_part_of_the_path(tmp_path: Path) -> None:
    async with GisServer(said(job())) as server, session(server, tmp_path) as cybergis:
        await cybergis.get_job_by_id("../user?x=1#y")
    assert server.asked[0].target == "/v2/job/..%2Fuser%3Fx%3D1%23y"


async def test_events_that_came_in_one_burst_are_given_once_and_in_their_causal_order(tmp_path: Path) -> None:
    first = [event(1, "JOB_QUEUED")]
    burst = [event(5, "JOB_INIT"), event(3, "SLURM_SUBMIT"), *first, event(4, "JOB_REGISTERED"), event(2, "SSH_UNZIP")]
    ended = [event(6, "JOB_ENDED"), *reversed(burst)]
    logs = [log(1, "out"), log(2, "err")]
    script = [said(job(events=first)), said(job(events=burst)), said(job(events=ended, logs=logs, **END))]
    async with GisServer(said(job()), *script) as server, session(server, tmp_path) as cybergis:
        followed = await cybergis.get_job_by_id("1700000000aB3xY")
        seen = [item.type async for item in followed.events()]
    assert seen == ["JOB_QUEUED", "JOB_REGISTERED", "SSH_UNZIP", "SLURM_SUBMIT", "JOB_INIT", "JOB_ENDED"]


async def test_events_end_by_the_time_of_the_end_when_the_last_one_is_lost(tmp_path: Path) -> None:
    lost = said(job(events=[event(1, "JOB_QUEUED")], isFailed=True, finishedAt=NOW))
    async with GisServer(said(job()), default=lost) as server, session(server, tmp_path) as cybergis:
        followed = await cybergis.get_job_by_id("1700000000aB3xY")
        async with asyncio.timeout(10):
            assert [item.type async for item in followed.events()] == ["JOB_QUEUED"]
            assert (await followed.wait()).state is JobState.FAILED


async def test_logs_that_come_after_the_end_are_not_missed(tmp_path: Path) -> None:
    ended: dict[str, object] = {"events": [event(1, "JOB_ENDED")], **END}
    script = [said(job(**ended)), said(job(**ended, logs=[log(2, "err"), log(1, "out")]))]
    async with GisServer(said(job()), *script, default=script[-1]) as server, session(server, tmp_path) as cybergis:
        followed = await cybergis.get_job_by_id("1700000000aB3xY")
        assert [item.message async for item in followed.logs()] == ["out", "err"]


@pytest.mark.parametrize("transport", ["lean", "lanes"])
async def test_looks_at_what_has_not_changed_bring_nothing_but_a_304(
    transport: Literal["lean", "lanes"], tmp_path: Path
) -> None:
    tag = 'W/"17-abc"'
    ended = job(events=[event(1, "JOB_ENDED")], logs=[log(1, "out"), log(2, "err")], **END)
    script = [said(job(), ETag=tag), Reply(304, b""), Reply(304, b""), said(ended)]
    server = GisServer(said(job()), *script)
    async with server, session(server, tmp_path, transport=transport) as cybergis:
        followed = await cybergis.get_job_by_id("1700000000aB3xY")
        states = [record.state async for record in followed.changes()]
    assert states == [JobState.CREATED, JobState.ENDED]
    looks = server.asked[1:]
    assert [look.headers.get("if-none-match") for look in looks] == [None, tag, tag, tag]


async def test_the_end_of_a_job_says_nothing_of_its_program_unless_the_server_does(tmp_path: Path) -> None:
    ended: dict[str, object] = {"events": [event(1, "JOB_ENDED")], **END}
    told = [job(**ended), job(**ended, exitCode=0), job(**ended, exitCode=3), job(**ended, isCanceled=True)]
    async with GisServer(*map(said, told)) as server, session(server, tmp_path) as cybergis:
        records = [(await cybergis.get_job_by_id("7")).record for _ in told]
    assert [record.succeeded for record in records] == [None, True, False, False]
    assert [record.state for record in records] == [JobState.ENDED] * 3 + [JobState.CANCELED]


async def test_a_failed_start_is_an_end_although_neither_end_event_comes(tmp_path: Path) -> None:
    broken = said(job(events=[event(1, "JOB_INIT_ERROR")], finishedAt=NOW))
    async with GisServer(said(job()), default=broken) as server, session(server, tmp_path) as cybergis:
        followed = await cybergis.get_job_by_id("1700000000aB3xY")
        async with asyncio.timeout(10):
            assert (await followed.wait()).state is JobState.FAILED


async def test_a_server_that_goes_away_while_a_job_is_followed_is_waited_for(tmp_path: Path) -> None:
    ended = said(job(events=[event(1, "JOB_ENDED")], logs=[log(1, "out"), log(2, "err")], **END))
    heard: list[Event] = []
    away = [Reply(502, b"<html><title>Bad Gateway</title></html>")] * 8
    async with GisServer(said(job()), *[*away, ended]) as server, session(server, tmp_path) as cybergis:
        followed = await cybergis.get_job_by_id("1700000000aB3xY")
        assert [item.type async for item in followed.events(on_progress=heard.append)] == ["JOB_ENDED"]
    assert any(isinstance(item, Waiting) for item in heard)


async def test_a_submission_whose_answer_is_lost_counts_as_one(tmp_path: Path) -> None:
    heard: list[Event] = []
    script: list[Instruction] = [Drop(), failed("job already submitted or in queue", 401, messages=[]), said(job())]
    async with GisServer(said(job()), *script) as server, session(server, tmp_path, heard) as cybergis:
        await (await cybergis.get_job_by_id("1700000000aB3xY")).submit()
    assert [item.operation for item in heard if isinstance(item, Retrying)] == ["submit job 1700000000aB3xY"]


async def test_a_job_that_was_submitted_before_is_a_conflict(tmp_path: Path) -> None:
    script = [said(job()), failed("job already submitted or in queue", 401, messages=[])]
    async with GisServer(*script) as server, session(server, tmp_path) as cybergis:
        with pytest.raises(Conflict):
            await (await cybergis.get_job_by_id("1700000000aB3xY")).submit()


async def test_a_connection_that_the_server_has_closed_meanwhile_does_no_harm(tmp_path: Path) -> None:
    async with GisServer(default=said(job())) as server, session(server, tmp_path) as cybergis:
        for _ in range(3):
            await cybergis.create_job()
            server.close_connections()
            await server.all_closed()
        assert len(server.asked) == 3


async def test_set_sends_what_is_given_and_nothing_else(tmp_path: Path) -> None:
    async with GisServer(default=said(job())) as server, session(server, tmp_path) as cybergis:
        found = await cybergis.get_job_by_id("1700000000aB3xY")
        await found.set(executable_folder="git://hello_world", param={}, slurm={"time": "10:00"})
        with pytest.raises(UsageError, match="nothing to set"):
            await found.set()
        with pytest.raises(UsageError, match="time"):
            await found.set(slurm={"time": 3600})
    assert fields(server.asked[-1]) == {
        "jupyterhubApiToken": TOKEN,
        "localExecutableFolder": {"type": "git", "gitId": "hello_world"},
        "param": {},
        "slurm": {"time": "10:00"},
    }


async def test_one_job_that_cannot_be_submitted_keeps_no_other(tmp_path: Path) -> None:
    plans = [JobPlan(executable_folder="hello_world", hpc=name) for name in ("one", "two", "three")]
    refusal = failed("Error: slurm config time exceeds the threshold of 10:00:00 (current value 99:00:00)", 402)
    good = [said(job("a")), said(job("a")), said(job("a"))]
    script = [*good, said(job("b")), said(job("b")), refusal, *good]
    async with GisServer(*script) as server, session(server, tmp_path) as cybergis:
        first, second, third = await cybergis.submit_all(plans, at_once=1)
    assert (first.submitted, second.submitted, third.submitted) == (True, False, True)
    assert isinstance(second.error, ValidationFailed)
    assert second.job is not None
    assert second.job.id == "b"
    assert [fields(item)["hpc"] for item in server.asked if item.target == "/v2/job"] == ["one", "two", "three"]


async def test_many_jobs_are_watched_with_one_request_per_look(tmp_path: Path) -> None:
    names = [f"job{number}" for number in range(20)]
    done = {"initializedAt": NOW, "finishedAt": NOW}
    lists = [
        [job(name) for name in names],
        [job(name, **(done if name != "job19" else {"initializedAt": NOW})) for name in names],
    ]
    script = [said({"job": items}) for items in lists]
    last = said(job("job19", **done))
    async with GisServer(*script, default=last) as server, session(server, tmp_path) as cybergis:
        told = [progress async for progress in cybergis.watch(names)]
    assert [len(progress.ended) for progress in told] == [0, 19, 1]
    assert str(told[-1]) == "20 jobs: 20 ended"
    assert [item.target for item in server.asked[:2]] == ["/v2/user/job"] * 2


async def test_a_job_that_ends_while_the_look_at_another_fails_is_not_lost(tmp_path: Path) -> None:
    ended = said(job("a", finishedAt=NOW), ETag='W/"1"')
    away = [Reply(502, b"")] * 6
    async with GisServer() as server, session(server, tmp_path) as cybergis:
        server.by_target["/v2/job/a"] = [ended, Reply(304, b"")]
        server.by_target["/v2/job/b"] = [*away, said(job("b", finishedAt=NOW))]
        last = [item async for item in cybergis.watch(["a", "b"])][-1]
    assert {record.id for record in last.records.values()} == {"a", "b"}


async def test_a_watch_of_jobs_that_are_not_there_says_so(tmp_path: Path) -> None:
    async with GisServer(said({"job": []})) as server, session(server, tmp_path) as cybergis:
        with pytest.raises(NotFound, match="job00"):
            [item async for item in cybergis.watch([f"job{number:02}" for number in range(9)])]
        with pytest.raises(UsageError):
            [item async for item in cybergis.watch([])]


FOLDER = {"id": "f1", "name": None, "hpc": "toy_community", "hpcPath": "/s", "globusPath": "/g"}
HOME = {"endpoint": "1111-bbbb", "root_path": "/~/homes/ana/", "container_home_path": "/home/jovyan/work/"}


async def test_globus_copies_to_the_users_own_folder_and_is_followed_to_its_end(tmp_path: Path) -> None:
    found = job(remoteResultFolder=FOLDER)
    script = [found, found, HOME, {"globus_task_id": "t1"}, {"status": "ACTIVE"}, {}, {"status": "SUCCEEDED"}]
    async with GisServer(*map(said, script)) as server, session(server, tmp_path) as cybergis:
        transfer = await (await cybergis.get_job_by_id("7")).download_result_folder_by_globus()
    assert transfer.to_path == "/~/homes/ana/globus_download_1700000000aB3xY"
    order = next(item for item in server.asked if item.target.endswith("globus-init"))
    assert {key: value for key, value in fields(order).items() if key != "jupyterhubApiToken"} == {
        "jobId": "1700000000aB3xY",
        "toEndpoint": "1111-bbbb",
        "toPath": transfer.to_path,
        "fromPath": "/",
    }


@pytest.mark.parametrize(
    ("answers", "status"), [(["ACTIVE", "FAILED"], "FAILED"), (["", "", ""], r"\?"), (["INACTIVE"], "INACTIVE")]
)
async def test_a_copy_that_does_not_succeed_is_an_error(answers: list[str], status: str, tmp_path: Path) -> None:
    found = job(remoteResultFolder=FOLDER)
    script = [found, found, {"globus_task_id": "t1"}, *({"status": text} if text else {} for text in answers)]
    async with GisServer(*map(said, script)) as server, session(server, tmp_path) as cybergis:
        followed = await cybergis.get_job_by_id("7")
        with pytest.raises(GlobusFailed, match=status):
            await followed.download_result_folder_by_globus(to_endpoint="e", to_path="/p")


async def test_the_order_to_copy_is_never_sent_twice(tmp_path: Path) -> None:
    found = job(remoteResultFolder=FOLDER)
    async with GisServer(said(found), said(found), Drop()) as server, session(server, tmp_path) as cybergis:
        followed = await cybergis.get_job_by_id("7")
        with pytest.raises(OutcomeUnknown):
            await followed.download_result_folder_by_globus(to_endpoint="e", to_path="/p")
    assert len(server.asked) == 3


async def test_a_job_without_results_cannot_be_copied(tmp_path: Path) -> None:
    async with GisServer(default=said(job())) as server, session(server, tmp_path) as cybergis:
        with pytest.raises(UsageError, match="no result folder"):
            await (await cybergis.get_job_by_id("7")).download_result_folder_by_globus()


def packed(*names: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return memory.getvalue()


async def test_a_zip_with_names_that_leave_the_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    into = tmp_path / "results"
    bad = Reply(200, packed("good.txt", "../evil.txt"))
    async with GisServer(said(job()), bad) as server, session(server, tmp_path) as cybergis:
        with pytest.raises(MalformedAnswer, match="evil"):
            await (await cybergis.get_job_by_id("7")).download_result_folder(into)
    assert not into.exists()
    assert not (tmp_path / "evil.txt").exists()


async def test_what_is_no_zip_never_stands_under_its_name(tmp_path: Path) -> None:
    target = tmp_path / "here" / "results.zip"
    async with GisServer(said(job()), failed("invalid access", 200)) as server, session(server, tmp_path) as cybergis:
        with pytest.raises(MalformedAnswer, match="no zip"):
            await (await cybergis.get_job_by_id("7")).download_result_zip(target)
    assert [*target.parent.iterdir()] == []


async def test_a_token_is_in_no_log_no_error_and_no_text_form(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    echo = failed(f"{TOKEN} and {SECRET} are not liked", 402, messages=[f"got {TOKEN}"])
    page = Reply(500, f"<html><title>{SECRET} {TOKEN}</title></html>".encode())
    script = [said(job()), echo, *([page] * 9)]
    async with GisServer(*script) as server, session(server, tmp_path) as cybergis:
        found = await cybergis.get_job_by_id("7")
        for _ in range(2):
            try:
                await found.set(param={"x": 1})
            except AcompsError as exc:
                texts += [repr(exc), repr(vars(exc)), "".join(traceback.format_exception(exc))]
        texts += [repr(cybergis), repr(found), repr(found.record), str(display(found))]
        with pytest.raises(UsageError) as caught:
            await cybergis.login_with(f"{SECRET}%")
        texts.append(str(caught.value))
    texts.append(caplog.text)
    assert len(texts) == 12
    for text in texts:
        assert SECRET not in text
        assert TOKEN not in text


async def test_a_channel_without_a_prompt_says_that_it_has_no_login() -> None:
    address = Address.parse("http://localhost:1")
    async with Channel(address, QUICK, None, dialect=CyberGISDialect("v2")) as channel:
        with pytest.raises(UsageError, match="no login"):
            await channel.token()
