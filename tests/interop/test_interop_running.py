"""Running, cancelling, and what simulations leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_service import Client, record, records, text, until

import acomps
from interop.both import empty_left_out, ours
from interop.pycomps import Peer, PeerError
from interop.test_interop_files import read_zip

PROGRAM = b"""#!/bin/sh
mkdir -p output/deep
cp config.json output/InsetChart.json
printf 0123456789 > output/digits.txt
: > output/deep/empty.txt
echo said
echo wrong >&2
"""


@pytest.fixture(scope="module")
def simulation(client: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A simulation that succeeded at its second attempt."""
    attempted = tmp_path_factory.mktemp("attempts") / "attempted"
    start = f"#!/bin/sh\ncp config.json first.txt\nif mkdir '{attempted}'; then exit 1; fi\n. Assets/run.sh\n"
    collection = client.assets({"run.sh": PROGRAM, "start.sh": start.encode()})
    experiment = client.experiment("Assets/start.sh", AssetCollectionId=collection, MaximumNumberOfRetries=1)
    [found] = client.simulations(experiment, files={"config.json": b'{"a": 1}'})
    assert client.run(found) == ["Succeeded"]
    return found


def test_the_newest_job_is_the_last_one(peer: Peer, client: Client, simulation: str) -> None:
    theirs = [record(job) for job in peer.list("fetch_jobs", id=simulation)]
    assert [job["job_state"] for job in theirs] == ["Failed", "Finished"]
    assert [job["Id"] for job in client.jobs(simulation)][-1] == Path(text(theirs[-1], "working_directory")).name
    assert theirs[0]["error_message"]
    assert theirs[1]["error_message"] is None
    assert record(theirs[1]["configuration"])["maximum_number_of_retries"] == 1
    assert text(theirs[1], "submit_time") <= text(theirs[1], "start_time") <= text(theirs[1], "end_time")


async def test_both_clients_see_the_same_jobs(peer: Peer, gateway: acomps.Session, simulation: str) -> None:
    theirs = [record(job) for job in peer.list("fetch_jobs", id=simulation)]
    mine = await gateway.simulations.get(simulation, acomps.Query().children("hpc_jobs"))
    jobs = [record(ours(job)) for job in mine.hpc_jobs]
    for job in jobs:
        del job["id"]  # pyCOMPS hides it.
    assert empty_left_out(jobs) == empty_left_out(theirs)


OUTPUTS = {
    "config.json": 8,
    "first.txt": 8,
    "stdout.txt": 5,
    "stderr.txt": None,
    "output/InsetChart.json": 8,
    "output/digits.txt": 10,
    "output/deep/empty.txt": 0,
}


def path_of(found: dict[str, object]) -> str:
    return text(found, "name") if found["folder"] == "." else f"{found['folder']}/{found['name']}"


def test_outputs_are_listed_with_inputs_and_without_assets(peer: Peer, simulation: str) -> None:
    found = {path_of(one): one for one in records(peer.list("outputs_of", id=simulation))}
    assert found.keys() == OUTPUTS.keys()
    for path, length in OUTPUTS.items():
        assert length is None or found[path]["length"] == length
        assert "/asset/" in text(found[path], "url")
    assert found["output/InsetChart.json"]["type"] == "application/json"
    first = {path_of(one) for one in records(peer.list("outputs_of", id=simulation, job=0))}
    assert first == {"config.json", "first.txt", "stdout.txt", "stderr.txt"}


async def test_both_clients_list_the_same_outputs(peer: Peer, gateway: acomps.Session, simulation: str) -> None:
    theirs = records(peer.list("outputs_of", id=simulation))
    mine = await gateway.outputs.list(await gateway.simulations.get(simulation))
    assert {file.path: (file.length, file.mime_type) for file in mine} == {
        path_of(one): (one["length"], one["type"]) for one in theirs
    }


def test_outputs_are_read_in_the_order_asked_for_and_in_any_spelling(peer: Peer, simulation: str) -> None:
    found = peer.list(
        "read_outputs", id=simulation, paths=["OUTPUT\\digits.TXT", "stdout.txt", "output/deep/empty.txt"]
    )
    assert found == [["0123456789", "said\n", ""]] * 3
    assert peer.list("read_outputs", id=simulation, paths=["first.txt"], job=0) == [['{"a": 1}']] * 3
    with pytest.raises(PeerError, match=r"Couldn't find file for path 'Assets/run\.sh'"):
        peer.ask("read_outputs", id=simulation, paths=["Assets/run.sh"])


def test_outputs_come_as_a_zip(peer: Peer, simulation: str) -> None:
    some = read_zip(peer.text("zip_outputs", id=simulation, paths=["output/digits.txt", "output/deep/empty.txt"]))
    assert some == {"output/digits.txt": b"0123456789", "output/deep/empty.txt": b""}
    assert read_zip(peer.text("zip_outputs", id=simulation, paths=None)).keys() == OUTPUTS.keys()
    assert read_zip(peer.text("zip_outputs", id=simulation, paths=["first.txt"], job=0)) == {"first.txt": b'{"a": 1}'}


@pytest.mark.parametrize(
    ("first", "last", "content", "actual"),
    [
        (0, None, "0123456789", [0, 9, 10]),
        (7, None, "789", [7, 9, 10]),
        (2, 4, "234", [2, 4, 10]),
        (2, 400, "23456789", [2, 9, 10]),
        (-3, None, "789", [7, 9, 10]),
        (-300, None, "0123456789", [0, 9, 10]),
        (0, 0, "0", [0, 0, 10]),
    ],
)
def test_a_part_of_an_output_and_which_part_it_was(
    peer: Peer, simulation: str, first: int, last: int | None, content: str, actual: list[int]
) -> None:
    found = peer.record("read_part", id=simulation, path="output/digits.txt", first=first, last=last)
    assert found == {"content": content, "range": actual}


def test_the_end_of_an_empty_output_is_empty(peer: Peer, simulation: str) -> None:
    assert peer.text("read_part_quietly", id=simulation, path="output/deep/empty.txt", first=0) == ""


def test_a_range_that_makes_no_sense_gives_the_whole_file(peer: Peer, simulation: str) -> None:
    assert peer.text("read_part_quietly", id=simulation, path="output/digits.txt", first=5, last=2) == "0123456789"


def test_an_output_can_be_streamed_from_a_place_on(peer: Peer, simulation: str) -> None:
    found = peer.record("stream", id=simulation, path="output/digits.txt", start=4)
    assert found == {"status": 206, "content": "456789"}


def test_a_working_directory_is_shown_where_it_is_mounted(peer: Peer, client: Client, simulation: str) -> None:
    folder = client.workdir(simulation)
    root, below = folder.parents[3], folder.relative_to(folder.parents[3])
    assert peer.text("mapped_directory", id=simulation, mapping=f"/mnt/idm;{root}") == f"/mnt/idm/{below}"


def test_outputs_of_what_never_ran_are_an_http_error(peer: Peer, client: Client) -> None:
    [created] = client.simulations(client.experiment("true"))
    with pytest.raises(PeerError, match="HTTPError: 404 Client Error: NotFound"):
        peer.ask("outputs_of", id=created)


def test_pycomps_believes_what_it_asked_for_and_the_service_does_it(peer: Peer, client: Client) -> None:
    suite = client.save("Suites", Name="run")
    experiment = client.save(
        "Experiments", Name="run", SuiteId=suite, Configuration={"EnvironmentName": "Local", "ExecutablePath": "true"}
    )
    first, second, third = client.simulations(experiment, 3)
    assert peer.ask("commission", kind="Simulation", id=first) == "CommissionRequested"
    client.wait([first], "Succeeded")
    assert peer.ask("commission", kind="Experiment", id=experiment) is None
    client.wait([second, third], "Succeeded")
    with pytest.raises(PeerError, match="400 BadRequest - "):
        peer.ask("commission", kind="Experiment", id=experiment)
    [fourth] = client.simulations(experiment)
    peer.ask("commission", kind="Suite", id=suite)
    client.wait([fourth], "Succeeded")
    with pytest.raises(PeerError, match="400 BadRequest - "):
        peer.ask("cancel", kind="Suite", id=suite)


def test_a_running_simulation_is_cancelled(peer: Peer, client: Client) -> None:
    experiment = client.experiment("sleep", "600")
    [running] = client.simulations(experiment)
    client.commission("Simulations", running)
    client.wait([running], "Running")
    assert peer.ask("cancel", kind="Simulation", id=running) == "CancelRequested"
    client.wait([running], "Canceled")
    assert record(peer.list("fetch_jobs", id=running)[-1])["job_state"] == "Canceled"
    assert peer.record("fetch", kind="Simulation", id=running)["state"] == "Canceled"


def test_every_kind_is_commissioned_and_cancelled(peer: Peer, client: Client) -> None:
    configuration = {"EnvironmentName": "Local", "ExecutablePath": "sleep", "SimulationInputArgs": "600"}
    suite = client.save("Suites", Name="three", Configuration=configuration)
    below = client.save("Experiments", Name="below", SuiteId=suite)
    alone = client.save("Experiments", Name="alone", Configuration=configuration)
    other = client.save("Experiments", Name="other", Configuration=configuration)
    simulations = [client.simulations(experiment)[0] for experiment in (below, alone, other)]
    fields = {"name": "to cancel", "environment_name": "Local"}
    item = peer.record("save_work_item", fields=fields, worker=["nobody's", "1"], order="{}", tags={}, files={})
    entities = {"Suite": suite, "Experiment": alone, "Simulation": simulations[2], "WorkItem": item["id"]}
    peer.ask("commission_and_cancel", entities=entities)
    client.wait(simulations, "Canceled")
    until(lambda: client.one("WorkItems", text(item, "id"))["State"] == "Canceled", "the work item is cancelled")
