"""save_all: order, batches, updates, failures that do not hide successes."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from typing import TYPE_CHECKING

import anyio
import pytest

import acomps
from acomps import Configuration, Experiment, Query, Session, Simulation, SimulationFile, SimulationState
from acomps.comps.batches import Batch, Prepared, Preparer, batches, is_quick
from acomps.comps.report import SaveFailure
from acomps.events import Event, Saved
from acomps.wire.multipart import Part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def simulations(experiment: Experiment, count: int) -> list[Simulation]:
    return [
        Simulation(
            name=f"{n}",
            experiment_id=experiment.id,
            tags={"n": n},
            files=(SimulationFile(file_name="config.json", content=b'{"n": %d}' % n),),
        )
        for n in range(count)
    ]


async def test_the_report_is_in_the_order_of_the_input(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="order"))
    events: list[Event] = []
    report = await comps.simulations.save_all(simulations(experiment, 450), on_progress=events.append)
    assert [one.name for one in report.saved] == [f"{n}" for n in range(450)]
    assert (report.failures, report.requests) == ((), 5)
    assert max(event.total for event in events if isinstance(event, Saved)) == 450
    read = await comps.simulations.list(Query().where(experiment_id=experiment.id).children("tags"))
    assert {one.id: one.tags["n"] for one in read} == {one.id: one.name for one in report.saved}


async def test_an_async_iterable_is_read_as_fast_as_it_is_saved(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="lazy"))
    ahead = 0
    most_ahead = 0

    async def made() -> AsyncIterator[Simulation]:
        nonlocal ahead, most_ahead
        for simulation in simulations(experiment, 2_000):
            ahead += 1
            most_ahead = max(most_ahead, ahead)
            yield simulation

    def on_progress(event: Event) -> None:
        nonlocal ahead
        if isinstance(event, Saved):
            ahead -= event.entities

    report = await comps.simulations.save_all(made(), on_progress=on_progress)
    assert len(report.saved) == 2_000
    in_flight = comps.settings.saves_at_most + 2
    assert most_ahead <= in_flight * comps.settings.batch_entities


async def test_nothing_to_save_is_no_request(comps: Session) -> None:
    report = await comps.simulations.save_all([])
    assert (report.saved, report.requests) == ((), 0)


async def test_new_and_changed_entities_can_be_mixed(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="mixed"))
    first = (await comps.simulations.save_all(simulations(experiment, 3))).saved
    changed = [dataclasses.replace(one, description="changed") for one in first[:2]]
    report = await comps.simulations.save_all([changed[0], *simulations(experiment, 1), changed[1], first[2]])
    assert [one.id for one in report.saved if one.id in {item.id for item in first}] == [
        first[0].id,
        first[1].id,
        first[2].id,
    ]
    read = await comps.simulations.list(Query().where(experiment_id=experiment.id))
    assert sorted(str(one.description) for one in read) == ["None", "None", "changed", "changed"]


async def test_a_missing_file_fails_its_own_simulation_only(comps: Session, tmp_path: Path) -> None:
    experiment = await comps.experiments.save(Experiment(name="one bad"))
    entities = simulations(experiment, 10)
    gone = SimulationFile.from_path(tmp_path / "gone.json")
    entities[4] = dataclasses.replace(entities[4], files=(gone,))
    report = await comps.simulations.save_all(entities)
    assert len(report.saved) == 9
    [failure] = report.failures
    assert (failure.index, failure.entity.name) == (4, "4")
    assert "gone.json: No such file or directory" in str(failure.error)
    with pytest.raises(acomps.SaveFailed, match=r"1 of 10 were not saved; the first is simulation '4'"):
        report.raise_for_failures()


async def test_an_md5_that_the_server_lacks_is_named_and_nothing_is_created(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="missing"))
    md5 = uuid.uuid4()
    file = SimulationFile(file_name="x", md5_checksum=md5)
    with pytest.raises(acomps.MissingFiles, match=f"contents that the server does not have: {md5}") as caught:
        await comps.simulations.save(Simulation(name="x", experiment_id=experiment.id, files=(file,)))
    assert caught.value.md5s == (md5,)
    assert await comps.simulations.count(Query().where(experiment_id=experiment.id)) == 0


async def test_a_content_that_the_server_has_can_be_used_by_its_md5(comps: Session) -> None:
    content = uuid.uuid4().bytes
    await comps.simulations.save(Simulation(name="a", files=(SimulationFile(file_name="x", content=content),)))
    md5 = uuid.UUID(bytes=hashlib.md5(content, usedforsecurity=False).digest())
    saved = await comps.simulations.save(Simulation(name="b", files=(SimulationFile(file_name="y", md5_checksum=md5),)))
    read = await comps.simulations.get(saved, Query().children("files"))
    assert read.files[0].length == len(content)


async def test_an_unknown_environment_is_named(comps: Session) -> None:
    bad = Experiment(name="x", configuration=Configuration(environment_name="Nowhere"))
    with pytest.raises(acomps.ValidationFailed, match="invalid environment-name: Nowhere"):
        await comps.experiments.save(bad)


async def test_a_file_that_changes_while_it_is_sent_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"1" * 5_000)
    file = SimulationFile.from_path(path)
    [item] = Preparer("me", None).prepare([(0, Simulation(name="x", files=(file,)))])
    assert isinstance(item, Prepared)
    [batch] = batches([item], "Simulations", acomps.Settings(), nothing_stored)
    assert isinstance(batch, Batch)
    path.write_bytes(b"2" * 4_000)
    with pytest.raises(acomps.ContentError, match=r"config\.json changed while it was being sent"):
        await anyio.to_thread.run_sync(lambda: anyio.run(_read_all, batch))


def test_what_has_to_be_read_or_is_much_belongs_into_a_thread(tmp_path: Path) -> None:
    small = Simulation(name="s", files=(SimulationFile(file_name="a", content=b"x" * 2_000),))
    on_disk = Simulation(name="p", files=(*small.files, SimulationFile.from_path(tmp_path / "campaign.json")))
    large = Simulation(name="l", files=(*small.files, SimulationFile(file_name="b", content=b"x" * 100_000)))
    many = Simulation(name="m", files=tuple(SimulationFile(file_name=f"{n}", content=b"") for n in range(100)))
    assert [is_quick(one) for one in (small, on_disk, large, many)] == [True, False, False, False]


async def _read_all(batch: Batch[Simulation]) -> bytes:
    return b"".join([block async for block in batch.body])


def prepared(index: int, size: int, content: str | None = None) -> Prepared[Simulation]:
    part = Part(content or f"{index}", "x", "text/plain", b"x" * size)
    entity = Simulation(name=f"{index}")
    return Prepared(index, entity, entity, b"{}", "", (part,))


def nothing_stored(part: Part) -> bool:
    return False


async def test_batches_stay_below_both_limits_and_keep_the_order() -> None:
    settings = acomps.Settings(batch_entities=10, batch_bytes=70_000)
    items = [prepared(n, 8_000) for n in range(35)]
    found = list(batches(items, "Simulations", settings, nothing_stored))
    assert [item.index for batch in found if isinstance(batch, Batch) for item in batch.items] == list(range(35))
    for batch in found:
        assert isinstance(batch, Batch)
        assert batch.body.length < 70_000
        assert batch.body.length == len(await _read_all(batch))
        assert len(batch.items) <= 10


def test_a_content_that_a_batch_shares_is_in_it_once() -> None:
    items = [prepared(n, 8_000, content="shared") for n in range(100)]
    [batch] = batches(items, "Simulations", acomps.Settings(), nothing_stored)
    assert isinstance(batch, Batch)
    assert batch.body.length < 20_000


def test_an_entity_that_is_too_large_for_any_request_is_a_failure_of_its_own() -> None:
    settings = acomps.Settings(batch_bytes=65_536)
    items = [prepared(0, 10), prepared(1, 70_000), prepared(2, 10)]
    found = list(batches(items, "Simulations", settings, nothing_stored))
    assert [type(one) for one in found] == [SaveFailure, Batch]
    assert isinstance(found[0], SaveFailure)
    assert "a request must stay below 65,536" in str(found[0].error)


async def test_states_are_counted_without_fetching(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="count"))
    await comps.simulations.save_all(simulations(experiment, 12))
    assert await comps.simulations.count_by_state(experiment) == {SimulationState.CREATED: 12}
