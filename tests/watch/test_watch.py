"""Watching: what is seen, what it costs, and what it survives."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest
from support.fault_proxy import PASS, RESET_BEFORE, Fault, Request, answered
from support.runs import script, shell_experiment
from watch.conftest import MANY, without_statistics

import acomps
from acomps import Query, SimulationState, WatchSettings, WorkItemState
from acomps.events import Event, Waiting

if TYPE_CHECKING:
    from watch.conftest import Watching

    from acomps.comps.watched import Watchable

CREATED, SUCCEEDED, FAILED = SimulationState.CREATED, SimulationState.SUCCEEDED, SimulationState.FAILED


async def test_a_watch_shows_every_change_and_ends_when_all_is_at_its_end(comps: acomps.Session) -> None:
    experiment = await shell_experiment(comps, "watched")
    await comps.simulations.save_all(script(experiment, "true") for _ in range(20))
    await comps.experiments.commission(experiment)
    seen = [progress async for progress in comps.watch(experiment)]
    assert dict(seen[-1].counts) == {SUCCEEDED: 20}
    assert [progress.final for progress in seen] == [False] * (len(seen) - 1) + [True]
    assert {progress.total for progress in seen} == {20}
    assert all(one.counts != other.counts for one, other in itertools.pairwise(seen))
    finished = [progress.finished for progress in seen]
    assert finished == sorted(finished)
    assert str(seen[-1]) == "20 of 20 finished: 20 Succeeded"


@pytest.mark.parametrize("script", [None, without_statistics], ids=["statistics", "counts"])
async def test_ten_thousand_simulations_cost_at_most_ten_requests_per_look(
    watching: Watching, many: acomps.Experiment, script: None
) -> None:
    async with watching(script) as (looks, watch):
        async for progress in watch.progress(many):
            assert dict(progress.counts) == {CREATED: MANY}
            if len(looks.marks) > 10:
                break
        assert max(looks.requests()) <= (1 if script is None else 10)


@pytest.mark.parametrize("script", [None, without_statistics], ids=["statistics", "counts"])
async def test_half_of_ten_thousand_ids_cost_at_most_ten_requests_per_look(
    comps: acomps.Session, watching: Watching, many: acomps.Experiment, script: None
) -> None:
    ids = [simulation.saved_id async for simulation in comps.simulations.of(many, Query().select("id").limit(5_000))]
    async with watching(script, page_size=1_000) as (looks, watch):
        async for progress in watch.progress(iter(ids)):
            assert dict(progress.counts) == {CREATED: 5_000}
            break
        # Before the first look, one of them is asked for its experiment, and the ids in that are listed.
        looks.marks[0] += 1 + MANY // 1_000 + 1
        assert max(looks.requests()) <= 10


async def test_a_server_without_statistics_is_asked_for_them_once(watching: Watching, many: acomps.Experiment) -> None:
    async with watching(without_statistics) as (looks, watch):
        for _ in range(2):
            async for _progress in watch.progress(many):
                if len(looks.marks) > 5:
                    break
        assert len(looks.proxy.seen("GET", "statsoperations")) == 1


@pytest.mark.parametrize("script", [None, without_statistics], ids=["statistics", "counts"])
async def test_everything_that_holds_simulations_can_be_watched(
    comps: acomps.Session, watching: Watching, mixed: acomps.Experiment, script: None
) -> None:
    simulations = await comps.simulations.list(Query().where(experiment_id=mixed.id))
    ids = [simulation.saved_id for simulation in simulations]
    failed = sum(simulation.state == FAILED for simulation in simulations[:33])
    cases: list[tuple[Watchable, dict[SimulationState, int]]] = [
        (mixed, {SUCCEEDED: 40, FAILED: 20}),
        (str(mixed.id), {SUCCEEDED: 40, FAILED: 20}),
        ([mixed, mixed], {SUCCEEDED: 40, FAILED: 20}),
        (simulations, {SUCCEEDED: 40, FAILED: 20}),
        (iter(ids), {SUCCEEDED: 40, FAILED: 20}),
        (ids[:33], {SUCCEEDED: 33 - failed, FAILED: failed}),
        (simulations[:33], {SUCCEEDED: 33 - failed, FAILED: failed}),
        (simulations[:1], {simulations[0].state or CREATED: 1}),
        (simulations[0], {simulations[0].state or CREATED: 1}),
        (Query().where(experiment_id=mixed.id).where_tag("number<6").select("name"), {SUCCEEDED: 4, FAILED: 2}),
    ]
    async with watching(script) as (looks, watch):
        for source, expected in cases:
            assert dict((await watch.last(source)).counts) == expected
            looks.marks.append(len(looks.proxy.ledger))
        # Ids without their experiment take two more, before the first look.
        assert max(looks.requests()) <= 10 + 2


@pytest.mark.parametrize("script", [None, without_statistics], ids=["statistics", "counts"])
async def test_a_suite_of_many_experiments_costs_at_most_ten_requests_per_look(
    comps: acomps.Session, watching: Watching, script: None
) -> None:
    suite = await comps.suites.save(acomps.Suite(name="suite"))
    experiments = [
        await comps.experiments.save(acomps.Experiment(name=f"{number}", suite_id=suite.id)) for number in range(15)
    ]
    await comps.simulations.save_all(
        acomps.Simulation(name="x", experiment_id=experiment.id)
        for number, experiment in enumerate(experiments)
        for _ in range(number)
    )
    async with watching(script) as (looks, watch):
        async for progress in watch.progress(suite):
            assert dict(progress.counts) == {CREATED: sum(range(15))}
            break
        assert max(looks.requests()) <= (1 if script is None else 10)


async def test_a_work_item_is_watched_to_its_end(comps: acomps.Session) -> None:
    item = await comps.work_items.save(
        acomps.WorkItem(name="job", worker=acomps.Worker("DockerWorker", "1.0"), environment_name="Local")
    )
    await comps.work_items.commission(item)
    async for progress in comps.watch(item):
        if not progress.final:
            assert progress.active == 1
            await comps.work_items.cancel(item)
    assert dict((await comps.wait([item])).counts) == {WorkItemState.CANCELED: 1}


@pytest.mark.parametrize("script", [None, without_statistics], ids=["statistics", "counts"])
async def test_failures_come_with_their_messages_each_fetched_once(
    watching: Watching, mixed: acomps.Experiment, script: None
) -> None:
    async with watching(script, watch=WatchSettings(failures_at_most=13)) as (looks, watch):
        last = await watch.last(mixed, errors=True)
        messages = {failure.error_message for failure in last.failures}
        assert len(messages) == 13
        assert all("broken" in (message or "") for message in messages)
        assert {int(str(failure.tags["number"])) % 3 for failure in last.failures} == {2}
        asked = Counter(request.target for request in looks.proxy.seen("GET", "ErrorMessage"))
        assert set(asked.values()) == {1}
        assert len(asked) == 13
        assert max(looks.requests()) <= 10


async def test_without_errors_no_message_is_fetched(watching: Watching, mixed: acomps.Experiment) -> None:
    async with watching() as (looks, watch):
        last = await watch.last(mixed)
        assert (last.failed, last.failures) == (20, ())
        assert len(looks.proxy.ledger) - looks.marks[0] == 1


async def test_failures_among_some_ids_are_only_theirs(
    comps: acomps.Session, watching: Watching, mixed: acomps.Experiment
) -> None:
    query = Query().where(experiment_id=mixed.id).where_tag("number<30").children("tags")
    simulations = await comps.simulations.list(query)
    async with watching() as (_, watch):
        last = await watch.last(simulations, errors=True)
        assert sorted(int(str(failure.tags["number"])) for failure in last.failures) == [*range(2, 30, 3)]


async def test_what_cannot_be_watched_is_refused_in_words(comps: acomps.Session, mixed: acomps.Experiment) -> None:
    empty = await comps.experiments.save(acomps.Experiment(name="empty"))
    suite = await comps.suites.save(acomps.Suite(name="empty"))
    item = acomps.WorkItem(id=uuid.uuid4(), name="x")
    nothing: list[Watchable] = [empty, suite, [], Query().where(experiment_id=empty.id)]
    for source in nothing:
        with pytest.raises(acomps.UsageError, match="there are no simulations to watch"):
            await comps.wait(source)
    wrong: list[tuple[Watchable, str]] = [
        (acomps.Experiment(name="new"), "has no id yet"),
        (acomps.AssetCollection(id=uuid.uuid4()), "has no state"),
        (Query().limit(5), "offset and limit"),
        ([mixed, item], "watch them apart"),
        ("mixed", "no UUID"),
        (3, "a int cannot be watched"),  # type: ignore[list-item]  # what callers without a type checker do
    ]
    for source, words in wrong:
        with pytest.raises(acomps.UsageError, match=words):
            await comps.wait(source)
    with pytest.raises(acomps.NotFound):
        await comps.wait(uuid.uuid4())
    with pytest.raises(acomps.NotFound):
        await comps.wait([uuid.uuid4()])


async def test_looks_are_never_closer_than_allowed_and_rarer_when_nothing_moves(
    watching: Watching, many: acomps.Experiment
) -> None:
    limits = WatchSettings(first_s=0.5, longest_s=8.0, heartbeat_s=100.0)
    async with watching(watch=limits) as (looks, watch):
        shown: list[float] = []
        async for progress in watch.progress(many):
            shown.append(progress.elapsed_s)
            if len(shown) == 4:
                break
        assert min(looks.waits_s) == 0.5
        assert looks.waits_s == sorted(looks.waits_s)
        assert max(looks.waits_s) == 8.0
        assert shown[0] == 0
        assert all(100 <= after - before < 108 for before, after in itertools.pairwise(shown))


async def test_a_server_that_is_away_for_a_minute_is_waited_for_and_told(
    watching: Watching, mixed: acomps.Experiment
) -> None:
    events: list[Waiting] = []

    def hear(event: Event) -> None:
        if isinstance(event, Waiting):
            events.append(event)

    async with watching() as (looks, watch):

        def away(request: Request) -> Fault:
            return answered(503) if looks.now_s < 60 else PASS

        looks.proxy.script = away
        last = await watch.last(mixed, on_progress=hear)
        assert (last.total, last.final) == (60, True)
        assert [event.lasted_s for event in events] == sorted(event.lasted_s for event in events)
        assert 60 <= events[-1].lasted_s + events[-1].wait_s < 80
        assert "503" in events[0].reason


async def test_a_server_that_is_away_for_longer_ends_the_watch_with_its_error(
    watching: Watching, mixed: acomps.Experiment
) -> None:
    async with watching(lambda request: RESET_BEFORE) as (looks, watch):
        with pytest.raises(acomps.TransportError, match=r"waited 120 s for the server: WatchSettings\.outage_s"):
            await watch.last(mixed)
        assert looks.now_s == 120


async def test_a_refusal_is_not_waited_out(watching: Watching, mixed: acomps.Experiment) -> None:
    async with watching(lambda request: answered(403)) as (looks, watch):
        with pytest.raises(acomps.PermissionDenied):
            await watch.last(mixed)
        assert looks.waits_s == []


async def test_leaving_a_watch_asks_nothing_more(watching: Watching, many: acomps.Experiment) -> None:
    async with watching() as (looks, watch):
        async for _ in watch.progress(many):
            break
        before = len(looks.proxy.ledger)
        with anyio.move_on_after(0.05):
            await anyio.sleep_forever()
        assert len(looks.proxy.ledger) == before
