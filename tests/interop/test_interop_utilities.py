"""The eight commands of `comps-util`, by their command line, on running and on ended work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.local_service import Client, Running, record, records, text, until

from interop.pycomps import Peer, Util
from interop.test_interop_workitems import ended, save_item

#: Says something, with a letter of two bytes, and waits until it is let go.
WAITER = "#!/bin/sh\necho 'first line'\necho 'h\u00e9llo'\necho $$ > started\nwhile [ ! -e go ]; do sleep 0.05; done\n"


@pytest.fixture
def waiting(client: Client) -> tuple[str, Path]:
    """A simulation that runs until a file `go` is in its folder."""
    collection = client.assets({"wait.sh": WAITER.encode()})
    [simulation] = client.simulations(client.experiment("Assets/wait.sh", AssetCollectionId=collection))
    client.commission("Simulations", simulation)
    client.wait([simulation], "Running")
    folder = client.workdir(simulation)
    until((folder / "started").exists, "the simulation has begun")
    return simulation, folder


@pytest.fixture(scope="module")
def mixed(client: Client) -> tuple[str, dict[str, str]]:
    """An experiment with two simulations that succeeded and one that failed."""
    program = b"#!/bin/sh\nmkdir output\ncp config.json output/Result.json\ngrep -q bad config.json && exit 1\nexit 0\n"
    collection = client.assets({"run.sh": program})
    experiment = client.experiment("Assets/run.sh", AssetCollectionId=collection)
    found: dict[str, str] = {}
    for name in ("good", "better", "bad"):
        [simulation] = client.simulations(experiment, files={"config.json": name.encode()}, Tags={"name": name})
        found[name] = simulation
    client.commission("Experiments", experiment)
    client.wait([found["good"], found["better"]], "Succeeded")
    client.wait([found["bad"]], "Failed")
    return experiment, found


def test_without_arguments_the_commands_are_listed(util: Util, tmp_path: Path) -> None:
    done = util.run(tmp_path, server=False)
    assert done.returncode == 0
    for command in (
        *("clone_simulation", "create_asset_collection", "get_output_files_for_experiment", "get_output_tail"),
        *("get_output_files_for_workitem", "get_status", "get_user_info", "rerun_failed_simulations_for_experiment"),
    ):
        assert command in done.stderr


def test_status_of_what_runs_and_of_what_has_ended(
    util: Util, client: Client, tmp_path: Path, waiting: tuple[str, Path], mixed: tuple[str, dict[str, str]]
) -> None:
    simulation, folder = waiting
    assert util.lines(tmp_path, "get_status", "Simulation", simulation) == [f"Simulation {simulation}", "Running"]
    (folder / "go").touch()
    assert util.lines(tmp_path, "status", "simulation", simulation, "--repeat", "1", "--quiet") == [
        f"Simulation {simulation}",
        "Succeeded",
    ]
    experiment, found = mixed
    assert util.lines(tmp_path, "get_status", "Simulation", found["bad"]) == [f"Simulation {found['bad']}", "Failed"]
    title, states = util.lines(tmp_path, "get_status", "Experiment", experiment, "--repeat")
    assert title == f"Experiment {experiment}"
    assert {*states.split(", ")} == {"Succeeded: 2", "Failed: 1"}
    # Two that are made within one tick of the clock are in order by their ids.
    newest = client.save("Experiments", Name="the newest")
    client.simulations(newest)
    assert util.lines(tmp_path, "get_status", "Experiment", "latest") == [f"Experiment {newest}", "Created"]


def test_the_tail_of_what_runs_and_of_what_has_ended(util: Util, tmp_path: Path, waiting: tuple[str, Path]) -> None:
    simulation, folder = waiting
    said = [line for line in util.lines(tmp_path, "get_output_tail", "Simulation", simulation) if line.strip()]
    assert said == [
        f"Simulation {simulation}",
        "./stdout.txt :",
        "  >>  first line",
        "  >>  h\u00e9llo",
        "  >>  ",
        "./stderr.txt :",
        "  >>  ",
    ]
    (folder / "go").touch()
    # Three more bytes are asked for, and these five begin in the middle of a letter.
    short = util.lines(tmp_path, "tail", "simulation", simulation, "stdout.txt", "--bytes", "2")
    assert short[-2:] == ["  >>  llo", "  >>  "]


def test_the_tail_of_what_has_not_begun_is_refused(util: Util, client: Client, tmp_path: Path) -> None:
    [simulation] = client.simulations(client.experiment("true"))
    assert "has not started running" in "".join(util.lines(tmp_path, "get_output_tail", "Simulation", simulation))


def test_outputs_of_an_experiment_are_fetched(
    util: Util, client: Client, tmp_path: Path, mixed: tuple[str, dict[str, str]]
) -> None:
    experiment, found = mixed
    util.lines(tmp_path, "get_output_files_for_experiment", experiment, "result.json,STDOUT.txt")
    for name, simulation in found.items():
        assert (tmp_path / experiment / simulation / "Result.json").read_text() == name
        assert (tmp_path / experiment / simulation / "stdout.txt").read_text() == ""
    again = "\n".join(util.lines(tmp_path, "getexpout", experiment, "Result.json", "--casesensitive"))
    assert "already exist" in again
    (tmp_path / experiment / found["good"] / "Result.json").write_text("stale")
    said = "\n".join(util.lines(tmp_path, "getexpout", experiment, "Result.json,missing.txt", "--overwrite"))
    assert (tmp_path / experiment / found["good"] / "Result.json").read_text() == "good"
    assert "Couldn't find files" in said
    empty = client.experiment("true")
    client.simulations(empty)
    assert "No valid simulations" in "\n".join(util.lines(tmp_path, "getexpout", empty, "Result.json"))


def test_outputs_are_fetched_from_what_runs_and_what_runs_is_cloned(
    util: Util, client: Client, tmp_path: Path, waiting: tuple[str, Path]
) -> None:
    simulation, folder = waiting
    experiment = text(client.one("Simulations", simulation), "ExperimentId")
    client.http.post(f"/api/Simulations/{simulation}/tags", json={"Tags": {"name": "runs"}, "OperationMode": "Merge"})
    util.lines(tmp_path, "getexpout", experiment, "stdout.txt,started")
    assert (tmp_path / experiment / simulation / "stdout.txt").read_text() == "first line\nh\u00e9llo\n"
    assert (tmp_path / experiment / simulation / "started").read_text() == (folder / "started").read_text()
    util.lines(tmp_path, "clonesim", simulation)
    [clone] = client.listed("Simulations", tagfilters=f"ClonedFromSimulation={simulation}")
    assert clone["SimulationState"] == "Created"
    assert "No sims found to rerun" in util.lines(tmp_path, "rerunsims", experiment)
    (folder / "go").touch()
    client.wait([simulation], "Succeeded")


def test_a_simulation_is_cloned(util: Util, client: Client, tmp_path: Path, mixed: tuple[str, dict[str, str]]) -> None:
    experiment, found = mixed
    other = client.experiment("true")
    for options, into in (([], experiment), (["--experiment_id", other], other)):
        util.lines(tmp_path, "clone_simulation", found["good"], *options)
        query = {"filters": f"ExperimentId={into}", "tagfilters": f"ClonedFromSimulation={found['good']}"}
        [clone] = client.listed("Simulations", children="Tags,Files", **query)
        assert clone["SimulationState"] == "Created"
        assert record(clone["Tags"])["name"] == "good"
        original = client.one("Simulations", found["good"], "Files")
        assert [file["MD5Checksum"] for file in records(clone["Files"])] == [
            file["MD5Checksum"] for file in records(original["Files"])
        ]
        client.http.delete(f"/api/Simulations/{clone['Id']}")


def test_what_failed_is_run_again(util: Util, client: Client, tmp_path: Path) -> None:
    experiment = client.experiment("/bin/sh", "-c 'exit 1'")
    [first] = client.simulations(experiment, Tags={"name": "one"})
    client.commission("Experiments", experiment)
    client.wait([first], "Failed")
    util.lines(tmp_path, "rerun_failed_simulations_for_experiment", experiment, "--createonly")
    assert "ClonedToRerun" in record(client.one("Simulations", first, "Tags")["Tags"])
    query = {"filters": f"ExperimentId={experiment}", "tagfilters": f"ClonedFromSimulation={first}"}
    [created] = client.listed("Simulations", **query)
    assert created["SimulationState"] == "Created"
    assert client.run(text(created, "Id")) == ["Failed"]
    util.lines(tmp_path, "rerunsims", experiment, "--deleteold")
    left = client.listed("Simulations", filters=f"ExperimentId={experiment}")
    assert {first, text(created, "Id")}.isdisjoint(text(one, "Id") for one in left)
    assert len(left) == 2
    client.wait([text(one, "Id") for one in left], "Failed")


def test_a_folder_becomes_a_collection(util: Util, client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    (folder / "climate" / "deep").mkdir(parents=True)
    (folder / "model.exe").write_bytes(b"a model")
    (folder / "climate" / "deep" / "rain.bin").write_bytes(b"rain")
    (folder / "COMPS_log.log").write_text("not this")
    said = util.lines(tmp_path, "create_asset_collection", str(folder))
    collection = said[-1].removeprefix("Done - created AC ")
    found = client.one("AssetCollections", collection, "Tags,Assets")
    assert found["Tags"] == {"Name": "inputs"}
    assets = {text(asset, "FileName"): asset for asset in records(found["Assets"])}
    assert assets.keys() == {"model.exe", "rain.bin"}
    assert assets["model.exe"]["Tags"] == {"Executable": ""}
    assert assets["rain.bin"]["RelativePath"] == "climate\\deep"
    # What the server has is not sent again, and the same folder is the same collection.
    again = util.lines(tmp_path, "createac", str(folder))
    assert again[-1] == said[-1]
    assert not any("Uploading" in line for line in again)


def test_a_user_is_found_or_not(util: Util, local: Running, client: Client, tmp_path: Path) -> None:
    said = util.lines(tmp_path, "get_user_info", local.username)
    assert json.loads("\n".join(said)) == client.http.get("/api/Users").json()["Users"][0]
    assert util.lines(tmp_path, "getuser", "nobody") == ["User nobody not found"]


def test_outputs_of_a_work_item_are_fetched_while_it_runs_and_afterwards(
    util: Util, peer: Peer, client: Client, tmp_path: Path
) -> None:
    order = json.dumps({"WorkItem_Type": "DockerWorker", "Execution": {"Command": "sh wait.sh", "ImageName": ""}})
    item = save_item(peer, "DockerWorker", order, **{"wait.sh": WAITER})
    client.commission("WorkItems", item)
    until(lambda: client.one("WorkItems", item)["State"] == "Running", "the work item runs")
    folder = Path(text(client.one("WorkItems", item), "WorkingDirectory"))
    until((folder / "started").exists, "its command has begun")
    assert util.lines(tmp_path, "get_status", "WorkItem", item) == [f"WorkItem {item}", "Running"]
    assert "  >>  first line" in util.lines(tmp_path, "get_output_tail", "WorkItem", item, "stdout.txt")
    util.lines(tmp_path, "get_output_files_for_workitem", item, "STDOUT.txt,WorkOrder.json")
    assert (tmp_path / item / "stdout.txt").read_text().startswith("first line\n")
    assert (tmp_path / item / "WorkOrder.json").read_text() == order
    (folder / "go").touch()
    assert ended(client, item) == "Succeeded"
    said = "\n".join(util.lines(tmp_path, "getwiout", item, "stdout.txt,missing", "--overwrite", "--casesensitive"))
    assert "Couldn't find all files" in said
    assert util.lines(tmp_path, "status", "workitem", "latest") == [f"WorkItem {item}", "Succeeded"]
