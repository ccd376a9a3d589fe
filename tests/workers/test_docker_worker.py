"""The worker that runs commands."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from support.local_service import Running, alive, refused, text, until
from support.work_items import ItemClient

#: Says that it runs, and goes on until somebody ends it.
ENDLESS = "echo $$ > pid.tmp; mv pid.tmp pid; while :; do sleep 0.05; done"


def pid_of(client: ItemClient, item: str) -> int:
    place = client.item_folder(item) / "pid"
    until(place.exists, "the command says that it runs")
    return int(place.read_text())


def test_a_command_runs_with_its_files_and_assets_and_its_output_can_be_fetched(client: ItemClient) -> None:
    assets = client.assets({"tools/answer.py": b"VALUE = 42\n", "top.py": b"NAME = 'top'\n"})
    program = b"import sys, top\nsys.path.append('Assets/tools')\nimport answer\nprint(top.NAME, answer.VALUE)\n"
    line = "python3 program.py && cat data.txt && mkdir deep && echo more > deep/file.txt && echo oh >&2"
    item = client.command(line, {"program.py": program, "data.txt": b"data"}, AssetCollectionId=assets)
    ended = client.run_item(item)
    assert (ended["State"], ended.get("ErrorMessage")) == ("Succeeded", None)
    assert client.item_output(item, "stdout.txt") == "top 42\ndata"
    assert client.item_output(item, "stderr.txt") == "oh\n"
    assert client.item_output(item, "deep/file.txt") == "more\n"
    folder = Path(text(ended, "WorkingDirectory"))
    digits = item.replace("-", "")
    assert folder.parts[-5:] == ("workitems", digits[:3], digits[3:6], digits[6:9], item)
    assert ended["WorkingDirectorySize"] == sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and "Assets" not in path.parts
    )
    assert ended["HostName"] == os.uname().nodename
    assert "WorkerInstanceId" in ended


def test_a_command_that_fails_says_its_exit_code_and_its_last_words(client: ItemClient) -> None:
    ended = client.run_item(client.command("echo the reason >&2; exit 7"))
    assert ended["State"] == "Failed"
    assert "exit code 7" in text(ended, "ErrorMessage")
    assert "the reason" in text(ended, "ErrorMessage")


def test_a_command_is_told_where_it_is_and_nothing_secret(client: ItemClient, workplace: Running) -> None:
    item = client.command("env")
    assert client.run_item(item)["State"] == "Succeeded"
    variables = dict(line.split("=", 1) for line in client.item_output(item, "stdout.txt").splitlines())
    assert variables["COMPS_SERVER"] == workplace.url
    assert variables["COMPS_WORKITEM_GUID"] == item
    assert "./Assets/" in variables["PYTHONPATH"]
    assert "ACOMPS_TEST_SECRET" not in variables


def test_the_token_of_a_command_is_its_owners_alone_and_goes_with_it(client: ItemClient, workplace: Running) -> None:
    item = client.command(ENDLESS)
    client.commission("WorkItems", item)
    client.until_item(item, "Running")
    pid_of(client, item)
    folder = workplace.data_dir / "logins" / item
    (token,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text().split(",")[1:3] == ["System", client.username]
    assert client.http.get("/api/Suites", headers={"X-COMPS-Token": token.read_text()}).status_code == 200
    listed = client.http.get(f"/asset/WorkItems/{item}/Output", params={"flatten": "1"}).text
    assert "Authtoken" not in listed
    assert client.ask("WorkItems", item, "CancelRequested").status_code == 200
    client.until_item(item, "Canceled")
    until(lambda: not folder.exists(), "the token is gone")


def test_a_running_command_is_cancelled_with_all_that_it_started(client: ItemClient) -> None:
    item = client.command("sleep 1000 & echo $! > child; " + ENDLESS)
    client.commission("WorkItems", item)
    client.until_item(item, "Running")
    pids = [pid_of(client, item), int((client.item_folder(item) / "child").read_text())]
    assert client.ask("WorkItems", item, "CancelRequested").status_code == 200
    ended = client.until_item(item, "Canceled", "Failed", "Succeeded")
    assert (ended["State"], ended.get("ErrorMessage")) == ("Canceled", None)
    until(lambda: not any(alive(pid) for pid in pids), "all of its processes are gone")
    refused(client.ask("WorkItems", item, "CancelRequested"), 400, "nothing to cancel")


def test_a_deleted_item_is_cancelled_first(client: ItemClient) -> None:
    item = client.command(ENDLESS)
    client.commission("WorkItems", item)
    client.until_item(item, "Running")
    pid = pid_of(client, item)
    assert client.http.delete(f"/api/WorkItems/{item}").status_code == 200
    until(lambda: not alive(pid), "its process is gone")
    refused(client.http.get(f"/api/WorkItems/{item}"), 404)


def test_what_cannot_be_done_fails_before_it_runs_and_says_why(client: ItemClient) -> None:
    orders: list[tuple[object, str]] = [
        ({}, "Execution.Command"),
        ({"Execution": {"Command": "  "}}, "Execution.Command"),
        ({"Execution": []}, "Execution of the work order must be a JSON object"),
        ({"Execution": {"Command": 5}}, "must be a text"),
        ([], "must be a JSON object"),
        ({"WorkItem_Type": "Builder", "Execution": {"Command": "true"}}, "'Builder'"),
    ]
    items = [client.item(order) for order, _ in orders]
    for item in items:
        client.commission("WorkItems", item)
    for item, (_, reason) in zip(items, orders, strict=True):
        ended = client.until_item(item, "Failed", "Succeeded")
        assert ended["State"] == "Failed"
        assert reason in text(ended, "ErrorMessage")
    document = {
        "Name": "w",
        "Worker": {"name": "DockerWorker", "version": "1.0.0.0_RELEASE"},
        "EnvironmentName": "Local",
    }
    without = client.ids(client.form("WorkItems", [document]))[0]
    assert "no work order" in text(client.run_item(without), "ErrorMessage")


def test_an_image_is_used_only_where_an_engine_answers(client: ItemClient, workplace: Running) -> None:
    line = f"{sys.executable} -c 'print(1)'"
    item = client.item({"Execution": {"Command": line, "ImageName": "localhost/acomps-no-such-image:1"}})
    ended = client.run_item(item)
    # Without podman and docker the command runs on this machine; with one of them there is no such image.
    if ended["State"] == "Succeeded":
        assert client.item_output(item, "stdout.txt") == "1\n"
    else:
        assert "exit code 125" in text(ended, "ErrorMessage")


@pytest.mark.parametrize("worker", ["VisTools 1.0.0.0_RELEASE", "DockerWorker 1.0.0.0_XY"])
def test_an_unknown_worker_leaves_the_item_where_it_is_and_names_those_that_exist(
    client: ItemClient, worker: str
) -> None:
    item = client.item({"Execution": {"Command": "true"}}, worker=worker)
    client.commission("WorkItems", item)
    until(lambda: "ErrorMessage" in client.one("WorkItems", item), "the message is there")
    found = client.one("WorkItems", item)
    assert found["State"] == "CommissionRequested"
    for name in (worker, "DockerWorker 1.0.0.0_RELEASE", "Builder 1.0.0.0_RELEASE"):
        assert name in text(found, "ErrorMessage")
    refused(client.ask("WorkItems", item, "CommissionRequested"), 400, "nothing to commission")
    assert client.ask("WorkItems", item, "CancelRequested").status_code == 200
    assert "ErrorMessage" not in client.until_item(item, "Canceled")


def test_work_items_leave_the_statistics_alone(client: ItemClient) -> None:
    experiment = client.experiment("true")
    item = client.command("true")
    client.depend(item, "Experiment", experiment)
    assert client.run_item(item)["State"] == "Succeeded"
    query = {"Id": experiment, "statsoperations": "simulationcount,simulationstatecount"}
    stats = client.http.get("/api/Experiments", params=query).json()["Stats"][experiment]
    assert stats == {"SimulationCount": 0, "SimulationStateCount": {}}
