"""save_all under faults: nothing twice, nothing lost, and the good is saved beside the bad."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from support.fault_proxy import AFTER_LATE, ANSWER_LOST, LATE, PASS, RESET_BEFORE, Fault, Request, answered, cut_after
from support.faults import assert_exactly_once, rows_of, small_simulations, through_faults

import acomps
from acomps import Configuration, Experiment, Session, Simulation, SimulationFile
from acomps.comps.child import Service
from acomps.comps.pace import Pace
from acomps.entities.record import Record
from acomps.events import Event, Retrying, Saved


def posts(request: Request) -> bool:
    return request.method == "POST" and request.target.endswith("/Simulations")


async def test_ten_thousand_creates_with_lost_answers_are_there_exactly_once(
    service: Service, settings: acomps.Settings, service_folder: Path
) -> None:
    chance = random.Random(20261120)
    async with through_faults(service, settings) as (proxy, comps):
        experiment = await comps.experiments.save(Experiment(name="lost answers"))
        proxy.script = lambda one: ANSWER_LOST if posts(one) and chance.random() < 0.05 else PASS
        report = await comps.simulations.save_all(small_simulations(experiment, 10_000))
        lost = [one for one in proxy.ledger if one.fault is ANSWER_LOST]
    assert lost, "the script has lost no answer"
    assert [one.name for one in report.saved] == [f"{n}" for n in range(10_000)]
    assert_exactly_once(service_folder, experiment, 10_000)


@pytest.mark.parametrize(
    "fault",
    [ANSWER_LOST, RESET_BEFORE, cut_after(3_000), answered(503, "Retry-After: 0"), answered(429), answered(502)],
    ids=lambda fault: str(fault.name),
)
async def test_one_fault_in_the_middle_costs_nothing(
    service: Service, settings: acomps.Settings, service_folder: Path, fault: Fault
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        experiment = await comps.experiments.save(Experiment(name=fault.name))
        seen: list[Request] = []

        def script(request: Request) -> Fault:
            if not posts(request):
                return PASS
            seen.append(request)
            return fault if len(seen) == 2 else PASS

        proxy.script = script
        report = await comps.simulations.save_all(small_simulations(experiment, 500))
    report.raise_for_failures()
    assert_exactly_once(service_folder, experiment, 500)


async def test_a_request_that_is_carried_out_late_leaves_no_doubles(
    service: Service, settings: acomps.Settings, service_folder: Path
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        experiment = await comps.experiments.save(Experiment(name="late"))
        faults = iter([LATE, AFTER_LATE])
        proxy.script = lambda one: next(faults, PASS) if posts(one) else PASS
        report = await comps.simulations.save_all(small_simulations(experiment, 20))
        report.raise_for_failures()
        left = {str(one.id) async for one in comps.simulations.of(experiment)}
    assert_exactly_once(service_folder, experiment, 20)
    assert left == {str(one.id) for one in report.saved}


async def test_without_keys_a_lost_answer_is_reported_and_not_repeated(
    service: Service, settings: acomps.Settings, service_folder: Path
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        experiment = await comps.experiments.save(Experiment(name="no keys"))
        proxy.script = lambda one: ANSWER_LOST if posts(one) else PASS
        with pytest.raises(acomps.SaveFailed) as caught:
            await comps.simulations.save_all(small_simulations(experiment, 10), keys=False)
        assert len(proxy.seen("POST", "/Simulations")) == 1
    assert isinstance(caught.value.__cause__, acomps.OutcomeUnknown)
    assert [key for _, key in rows_of(service_folder, experiment)] == [None] * 10


async def test_a_request_that_is_too_large_for_a_gateway_is_halved(
    service: Service, settings: acomps.Settings, service_folder: Path
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        experiment = await comps.experiments.save(Experiment(name="413"))
        proxy.script = lambda one: answered(413) if posts(one) and one.length > 40_000 else PASS
        report = await comps.simulations.save_all(small_simulations(experiment, 300, size=2_000))
    report.raise_for_failures()
    assert_exactly_once(service_folder, experiment, 300)


async def test_one_bad_simulation_of_a_hundred_stands_alone(comps: Session, service_folder: Path) -> None:
    experiment = await comps.experiments.save(Experiment(name="one bad"))
    entities = list(small_simulations(experiment, 100))
    entities[37] = dataclasses.replace(entities[37], configuration=Configuration(environment_name="Nowhere"))
    report = await comps.simulations.save_all(entities)
    [failure] = report.failures
    assert failure.index == 37
    assert failure.entity == entities[37]
    assert "invalid environment-name: Nowhere" in str(failure.error)
    assert sorted(int(name) for name, _ in rows_of(service_folder, experiment)) == [n for n in range(100) if n != 37]


async def test_when_everything_is_bad_the_requests_are_bounded(service: Service, settings: acomps.Settings) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        bad = Configuration(environment_name="Nowhere")
        entities = (Simulation(name=f"{n}", configuration=bad) for n in range(2_000))
        report = await comps.simulations.save_all(entities)
        requests = len(proxy.seen("POST", "/Simulations"))
    assert len(report.failures) == 2_000
    at_most_taken_apart = settings.saves_at_most + 3
    assert requests <= at_most_taken_apart * 200 + 20


async def test_who_refers_to_contents_that_nobody_has_fails_alone(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="nobody has it"))
    entities = list(small_simulations(experiment, 50))
    md5 = uuid.uuid4()
    lacking = SimulationFile(file_name="x", md5_checksum=md5)
    entities[7] = dataclasses.replace(entities[7], files=(*entities[7].files, lacking))
    report = await comps.simulations.save_all(entities)
    assert len(report.saved) == 49
    assert [failure.index for failure in report.failures] == [7]
    assert report.missing_files == (md5,)


@pytest.mark.parametrize(("length", "copies"), [(10_240, 8), (102_400, 1)])
async def test_a_shared_content_travels_with_the_first_requests_or_once_ahead(
    service: Service, settings: acomps.Settings, length: int, copies: int
) -> None:
    shared = SimulationFile(file_name="campaign.json", content=uuid.uuid4().bytes * (length // 16))
    async with through_faults(service, settings) as (proxy, comps):
        experiment = await comps.experiments.save(Experiment(name="shared"))
        plain = small_simulations(experiment, 1_000)
        entities = (dataclasses.replace(one, files=(*one.files, shared)) for one in plain)
        report = await comps.simulations.save_all(entities)
        sent = sum(one.length for one in proxy.ledger if one.method == "POST")
    report.raise_for_failures()
    assert report.bytes_shared >= (1_000 - copies) * length
    assert sent < 1_000 * 700 + copies * length
    read = await _files(service, settings, report.saved[-1])
    assert {file.file_name: file.length for file in read}["campaign.json"] == length


async def test_a_large_file_of_a_simulation_takes_the_chunk_route_once(
    service: Service, settings: acomps.Settings, tmp_path: Path
) -> None:
    large = tmp_path / "population.bin"
    large.write_bytes(uuid.uuid4().bytes * 750_000)
    file = SimulationFile.from_path(large)
    async with through_faults(service, settings) as (proxy, comps):
        experiment = await comps.experiments.save(Experiment(name="large"))
        entities = [dataclasses.replace(one, files=(*one.files, file)) for one in small_simulations(experiment, 250)]
        report = await comps.simulations.save_all(entities)
        sent = sum(one.length for one in proxy.ledger if one.method == "POST")
    report.raise_for_failures()
    assert 12_000_000 <= sent < 12_500_000
    read = await _files(service, settings, report.saved[-1])
    assert {one.file_name: one.length for one in read}["population.bin"] == 12_000_000


async def _files(service: Service, settings: acomps.Settings, simulation: Simulation) -> tuple[SimulationFile, ...]:
    async with acomps.connect(
        service.url, username=service.username, password=service.password, settings=settings
    ) as comps:
        return (await comps.simulations.get(simulation, acomps.Query().children("files"))).files


async def test_a_lost_server_ends_the_save_with_the_report_of_what_is_confirmed(
    service: Service, settings: acomps.Settings, service_folder: Path
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        experiment = await comps.experiments.save(Experiment(name="lost server"))
        proxy.script = lambda one: RESET_BEFORE if len(proxy.seen("POST", "/Simulations")) > 3 else PASS
        with pytest.raises(acomps.SaveFailed) as caught:
            await comps.simulations.save_all(small_simulations(experiment, 5_000))
    report = caught.value.report
    assert isinstance(caught.value.__cause__, acomps.OutcomeUnknown)
    assert len(report.saved) == len(rows_of(service_folder, experiment)) == 300
    assert len(report.saved) + len(report.failures) < 5_000, "the rest of the input was not read"


async def test_what_was_confirmed_before_a_cancellation_is_on_the_exception(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="cancelled"))
    some = asyncio.Event()
    found: list[acomps.SaveReport[Record]] = []

    def on_progress(event: Event) -> None:
        if isinstance(event, Saved) and event.total >= 300:
            some.set()

    async def endless() -> AsyncIterator[Simulation]:
        for simulation in small_simulations(experiment, 1_000_000):
            yield simulation

    async def save() -> None:
        try:
            await comps.simulations.save_all(endless(), on_progress=on_progress)
        except asyncio.CancelledError as exc:
            report = acomps.report_of(exc)
            assert report is not None
            found.append(report)
            raise

    task = asyncio.create_task(save())
    await some.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(found[0].saved) >= 300
    assert await comps.simulations.count(acomps.Query().where(experiment_id=experiment.id)) >= len(found[0].saved)


async def test_outcomes_can_be_had_as_they_come(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="each"))
    seen: dict[int, str] = {}
    async with comps.simulations.save_each(small_simulations(experiment, 350)) as outcomes:
        async for outcome in outcomes:
            assert isinstance(outcome, acomps.SavedEntity)
            seen[outcome.index] = outcome.entity.name
    assert seen == {n: f"{n}" for n in range(350)}


async def test_leaving_early_ends_a_save_of_which_outcomes_are_had_as_they_come(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="enough"))
    async with comps.simulations.save_each(small_simulations(experiment, 1_000_000)) as outcomes:
        async for _ in outcomes:
            break
    assert await comps.simulations.count(acomps.Query().where(experiment_id=experiment.id)) <= 2_000


async def test_missing_files_can_be_returned_instead_of_being_a_reason_to_raise(comps: Session) -> None:
    md5 = uuid.uuid4()
    lacking = Simulation(name="x", files=(SimulationFile(file_name="x", md5_checksum=md5),))
    report = await comps.simulations.save_all([lacking], missing="return")
    report.raise_for_failures()
    assert report.missing_files == (md5,)
    refused = await comps.simulations.save_all([lacking], missing="error")
    with pytest.raises(acomps.SaveFailed):
        refused.raise_for_failures()


async def test_a_work_order_is_given_as_a_mapping_bytes_or_a_path(comps: Session, tmp_path: Path) -> None:
    path = tmp_path / "Order.json"
    path.write_bytes(b'{"a": 1}')
    for order, name in (({"a": 1}, "WorkOrder.json"), (b'{"a": 1}', "WorkOrder.json"), (path, "Order.json")):
        file = acomps.WorkItemFile.work_order(order)
        item = acomps.WorkItem(
            name="ordered", worker=acomps.Worker("Nobody", "1"), environment_name="Local", files=(file,)
        )
        saved = await comps.work_items.save(item)
        [read] = (await comps.work_items.get(saved, acomps.Query().children("files"))).files
        assert (read.file_name, read.file_type) == (name, "WorkOrder")


async def test_an_error_of_the_input_comes_out_as_it_is_with_the_report(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="bad input"))

    def input_() -> Iterator[Simulation]:
        yield from small_simulations(experiment, 150)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more") as caught:
        await comps.simulations.save_all(input_())
    assert acomps.report_of(caught.value) is not None


async def test_a_second_call_with_the_same_journal_does_only_what_is_missing(
    service: Service, settings: acomps.Settings, service_folder: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "sweep.journal"
    async with through_faults(service, settings) as (proxy, comps):
        experiment = await comps.experiments.save(Experiment(name="journal"))
        entities = list(small_simulations(experiment, 1_000))
        proxy.script = lambda one: RESET_BEFORE if len(proxy.seen("POST", "/Simulations")) > 4 else PASS
        with pytest.raises(acomps.SaveFailed):
            await comps.simulations.save_all(entities, journal=journal)
        proxy.script = lambda one: PASS
        before = len(proxy.seen("POST", "/Simulations"))
        report = await comps.simulations.save_all(entities, journal=journal)
        assert len(proxy.seen("POST", "/Simulations")) == before + 6
        again = await comps.simulations.save_all(entities, journal=journal)
        assert len(proxy.seen("POST", "/Simulations")) == before + 6
    assert [one.id for one in again.saved] == [one.id for one in report.saved]
    assert_exactly_once(service_folder, experiment, 1_000)


async def test_a_torn_journal_is_read_up_to_its_last_whole_line(
    comps: Session, service_folder: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "sweep.journal"
    experiment = await comps.experiments.save(Experiment(name="torn"))
    entities = list(small_simulations(experiment, 300))
    await comps.simulations.save_all(entities, journal=journal)
    whole = journal.read_bytes()
    for length in range(len(whole) - 1, len(whole) // 2, -701):
        journal.write_bytes(whole[:length])
        report = await comps.simulations.save_all(entities, journal=journal)
        report.raise_for_failures()
    assert_exactly_once(service_folder, experiment, 300)


async def test_a_journal_of_something_else_is_refused(comps: Session, tmp_path: Path) -> None:
    journal = tmp_path / "sweep.journal"
    experiment = await comps.experiments.save(Experiment(name="one"))
    await comps.simulations.save_all(small_simulations(experiment, 3), journal=journal)
    other = [Simulation(name="another")]
    with pytest.raises(acomps.UsageError, match="belongs to other entities: number 1 was another one"):
        await comps.simulations.save_all(other, journal=journal)
    with pytest.raises(acomps.UsageError, match="is of kind 'Simulations', not 'WorkItems'"):
        await comps.work_items.save_all([], journal=journal)
    strange = tmp_path / "notes.txt"
    strange.write_text("dear diary\n")
    with pytest.raises(acomps.UsageError, match="is no journal of acomps"):
        await comps.simulations.save_all(other, journal=strange)
    assert strange.read_text() == "dear diary\n"


CHILD = """
import json, sys
from pathlib import Path
import anyio
import acomps
sys.path.insert(0, sys.argv[1])
from support.faults import small_simulations

async def main():
    job = json.loads(sys.argv[2])
    settings = acomps.Settings(token_cache_dir=Path(job["tokens"]))
    login = {"username": job["username"], "password": job["password"]}
    async with acomps.connect(job["url"], **login, settings=settings) as comps:
        experiment = await comps.experiments.get(job["experiment"])
        report = await comps.simulations.save_all(small_simulations(experiment, job["count"]), journal=job["journal"])
        report.raise_for_failures()
        print(len(report.saved), report.requests)

anyio.run(main)
"""


async def test_a_save_that_is_killed_and_started_again_makes_nothing_twice_and_loses_nothing(
    comps: Session, service: Service, service_folder: Path, token_cache: Path, tmp_path: Path
) -> None:
    experiment = await comps.experiments.save(Experiment(name="killed"))
    journal = tmp_path / "sweep.journal"
    job = {
        "url": service.url,
        "username": service.username,
        "password": service.password,
        "tokens": str(token_cache),
        "experiment": str(experiment.id),
        "journal": str(journal),
        "count": 5_000,
    }
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent.parent), json.dumps(job)]
    for confirmed in (3, 15):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:  # noqa: ASYNC220 - it is to be killed
            with anyio.fail_after(60):
                while not journal.exists() or journal.read_bytes().count(b'"saved"') < confirmed:
                    assert child.poll() is None, "it was over before it could be killed"
                    await anyio.sleep(0.002)
            child.send_signal(signal.SIGKILL)
    killed_at = len(rows_of(service_folder, experiment))
    assert 0 < killed_at < 5_000
    done = await anyio.run_process(command)
    saved, requests = map(int, done.stdout.split())
    assert saved == 5_000
    assert requests <= (5_000 - killed_at) // 100 + 10, "what was confirmed was sent again"
    assert_exactly_once(service_folder, experiment, 5_000)


async def test_the_pace_grows_while_the_server_keeps_up_and_halves_when_it_does_not() -> None:
    pace = Pace(4, 8)
    for _ in range(40):
        async with pace.slot():
            pass
    assert pace.slots == 8
    trouble = Retrying(operation="save", attempt=2, wait_s=1.0, reason="429")
    pace.notice(trouble)
    assert pace.slots == 4
    for _ in range(5):
        pace.notice(trouble)
    assert pace.slots == 1
