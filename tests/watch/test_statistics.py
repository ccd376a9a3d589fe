"""The statistics of experiments: what the service says, and what the client understands."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator

import anyio.to_thread
import httpx
import pytest
import pytest_asyncio
from support.local_service import log_in, record, records, refused

import acomps
from acomps import SimulationState
from acomps.comps.child import Service
from acomps.errors import MalformedAnswer
from acomps.wire.statistics import decode_state_counts

ALL = "simulationcount,simulationstatecount,simulationusage,simulationruntime"


@pytest_asyncio.fixture(scope="session")
async def http(service: Service, comps: acomps.Session) -> AsyncGenerator[httpx.AsyncClient]:
    """A logged-in client."""
    with httpx.Client(base_url=service.url, timeout=30) as client:
        answer = await anyio.to_thread.run_sync(log_in, client, service.username, service.password)
    headers = {"X-COMPS-Token": answer.headers["X-COMPS-Token"]}
    async with httpx.AsyncClient(base_url=service.url, timeout=30, headers=headers) as asking:
        yield asking


@pytest.mark.parametrize("form", ["list", "one", "post"])
async def test_the_three_ways_to_ask_give_the_same_statistics(
    http: httpx.AsyncClient, mixed: acomps.Experiment, form: str
) -> None:
    key = str(mixed.id)
    if form == "list":
        answer = await http.get("/api/Experiments", params={"Id": key, "statsoperations": ALL})
    elif form == "one":
        answer = await http.get(f"/api/experiments/{key}", params={"StatsOperations": ALL.upper(), "fields": "Id,Name"})
    else:
        answer = await http.post("/api/Experiments/Stats", params={"statsoperations": ALL}, json={"Ids": [key]})
    assert answer.status_code == 200, answer.text
    document = record(answer.json())
    if form != "post":
        [experiment] = records(document["Experiments"])
        assert (experiment["Id"], experiment["Name"]) == (key, "mixed")
    stats = record(record(document["Stats"])[key])
    assert (stats["SimulationCount"], stats["SimulationStateCount"]) == (60, {"Succeeded": 40, "Failed": 20})
    runtime = record(stats["SimulationRuntime"])
    times = [runtime[name] for name in ("Min", "Q1", "Median", "Q3", "Max")]
    assert times == sorted(times, key=lambda item: int(str(item)))
    assert 0 < int(str(times[-1])) < 60_000
    usage = record(stats["SimulationUsage"])
    assert (usage["MinCores"], usage["MaxCores"]) == (1, 1)
    assert int(str(usage["TotalCoreTimeUsage"])) >= int(str(runtime["Max"]))
    assert int(str(usage["TotalDiskUsage"])) > 0


async def test_an_experiment_without_simulations_has_counts_of_nothing(
    comps: acomps.Session, http: httpx.AsyncClient
) -> None:
    experiment = await comps.experiments.save(acomps.Experiment(name="nothing in it"))
    answer = await http.get(f"/api/Experiments/{experiment.id}", params={"statsoperations": ALL})
    assert answer.json()["Stats"] == {str(experiment.id): {"SimulationCount": 0, "SimulationStateCount": {}}}
    assert decode_state_counts(answer.json()) == {experiment.id: {}}


async def test_what_is_deleted_does_not_count_and_pages_are_told(
    comps: acomps.Session, http: httpx.AsyncClient
) -> None:
    suite = await comps.suites.save(acomps.Suite(name="statistics"))
    for name in ("a", "b", "c"):
        experiment = await comps.experiments.save(acomps.Experiment(name=name, suite_id=suite.id))
        simulation = await comps.simulations.save(acomps.Simulation(name="x", experiment_id=experiment.id))
        await comps.simulations.save(acomps.Simulation(name="y", experiment_id=experiment.id))
        await comps.simulations.delete(simulation)
    query = {"filters": f"SuiteId={suite.id}", "statsoperations": "simulationcount", "orderby": "Name", "count": "2"}
    answer = await http.get("/api/Experiments", params=query)
    assert answer.headers["Content-Range"] == "0-1/3"
    assert [experiment["Name"] for experiment in answer.json()["Experiments"]] == ["a", "b"]
    assert [*answer.json()["Stats"].values()] == [{"SimulationCount": 1}] * 2


async def test_strange_requests_are_refused_by_name(http: httpx.AsyncClient) -> None:
    refused(
        await http.get("/api/Experiments", params={"statsoperations": "weather"}), 400, "weather", "simulationcount"
    )
    refused(
        await http.get(f"/api/Experiments/{uuid.uuid4()}", params={"statsoperations": ALL}), 404, "Failed to retrieve"
    )
    refused(await http.post("/api/Experiments/Stats", json={"Ids": "all"}), 400, "Ids")
    refused(await http.post("/api/Experiments/Stats", json=["x"]), 400, "GUID")


def test_counts_are_read_whatever_the_case_and_the_states() -> None:
    key = uuid.uuid4()
    document = {"stats": {str(key).upper(): {"simulationStateCount": {"Running": 3, "Paused": 1, "Asleep": 2}}}}
    assert decode_state_counts(document) == {key: {SimulationState.RUNNING: 3, SimulationState.UNKNOWN: 3}}


@pytest.mark.parametrize(
    "document",
    [{"Experiments": []}, {"Stats": None}, {"Stats": {str(uuid.uuid4()): {"SimulationCount": 3}}}, []],
    ids=str,
)
def test_an_answer_without_counts_means_that_there_are_no_statistics(document: object) -> None:
    assert decode_state_counts(document) is None


@pytest.mark.parametrize(
    "stats", [{"x": {"SimulationStateCount": {}}}, {str(uuid.uuid4()): {"SimulationStateCount": 3}}]
)
def test_statistics_that_cannot_be_read_are_malformed(stats: object) -> None:
    with pytest.raises(MalformedAnswer, match="statistics that cannot be read"):
        decode_state_counts({"Stats": stats})
