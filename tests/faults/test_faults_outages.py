"""Servers that are away for long, lanes that never answer, tokens that end under hundreds of requests."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import anyio
import pytest
from faults.bench import MIB, Bench, World, md5_of
from faults.operations import OPERATIONS, Commission, Operation, SaveAll
from support.fault_proxy import ANSWER_LOST, PASS, RESET_BEFORE, Fault, Request, answered, fault_proxy, held
from support.faults import QUICK, assert_exactly_once, small_simulations

import acomps
from acomps.comps.child import start_service
from acomps.events import Event, Saved

OUTAGE_S = 60.0
#: So patient that an outage of a minute passes.
PATIENT = acomps.RetrySettings(attempts=40, total_s=600.0)
LASTING = [name for name in OPERATIONS if name != "renewal"]


@pytest.mark.parametrize("name", LASTING)
async def test_a_patient_session_outlasts_an_outage_of_a_minute(world: World, tmp_path: Path, name: str) -> None:
    operation = OPERATIONS[name](world, tmp_path)
    await operation.prepare()
    async with Bench.of(world, tmp_path, logged_in=operation.logged_in, retry=PATIENT) as bench:

        async def back() -> None:
            if bench.time.passed_s >= OUTAGE_S:
                await bench.proxy.listen()

        bench.time.on_sleep = back
        await bench.proxy.refuse()
        operation.verify(await operation.run(bench))
        assert bench.time.passed_s >= OUTAGE_S
        await bench.usable()


@pytest.mark.parametrize("name", [name for name in LASTING if name != "watch"])
async def test_with_the_settings_that_nobody_has_changed_an_outage_of_a_minute_is_an_error_and_the_next_run_goes_on(
    world: World, tmp_path: Path, name: str
) -> None:
    operation = OPERATIONS[name](world, tmp_path)
    await operation.prepare()
    async with Bench.of(world, tmp_path, logged_in=operation.logged_in) as bench:
        await bench.proxy.refuse()
        with pytest.raises(acomps.AcompsError) as caught:
            await operation.run(bench)
        assert any(isinstance(one, acomps.NotSent) for one in (caught.value, caught.value.__cause__))
        assert bench.time.passed_s < OUTAGE_S
        operation.verify_failed()
        await bench.proxy.listen()
        operation.verify(await operation.run(bench))


@pytest.mark.parametrize("transport", ["lean", "lanes"])
async def test_one_renewal_is_enough_for_five_hundred_requests_that_wait(
    world: World, tmp_path: Path, transport: Literal["lean", "lanes"]
) -> None:
    rejected: list[bytes] = []

    def script(request: Request) -> Fault:
        token = next((line for line in request.head.split(b"\r\n") if line.lower().startswith(b"x-comps-token")), b"")
        if request.target.endswith("/tokens"):
            return PASS
        if not rejected:
            rejected.append(token)
        return answered(401) if token == rejected[0] else PASS

    async with Bench.of(world, tmp_path, transport=transport) as bench:
        bench.proxy.script = script
        async with anyio.create_task_group() as tasks:
            for _ in range(500):
                tasks.start_soon(bench.session.experiments.get, world.experiment)
        assert [one.method for one in bench.proxy.ledger if one.target.endswith("/tokens")] == ["PUT"]
        assert len(bench.proxy.ledger) <= 500 + 1 + bench.session.settings.reads_at_once


@pytest.mark.parametrize("transport", ["lean", "lanes"])
@pytest.mark.parametrize("name", ["save_all", "harvest", "upload"])
async def test_while_one_lane_never_answers_the_others_go_on(
    world: World, tmp_path: Path, name: str, transport: Literal["lean", "lanes"]
) -> None:
    operation = OPERATIONS[name](world, tmp_path)
    await operation.prepare()
    release = asyncio.Event()
    async with Bench.of(world, tmp_path, transport=transport) as bench:
        stuck: list[Request] = []

        def script(request: Request) -> Fault:
            # Not the first one: an upload begins with a chunk by itself, to learn what the server can do.
            if operation.hits(request) and len([one for one in bench.proxy.ledger if operation.hits(one)]) == 2:
                stuck.append(request)
                return held(release)
            return PASS

        bench.proxy.script = script
        others = operation.useful - 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_run_and_verify, operation, bench)
            with anyio.fail_after(30):
                while len([one for one in bench.proxy.ledger if operation.hits(one)]) < others or not stuck:
                    await asyncio.sleep(0.002)
            release.set()
        await bench.usable()


async def _run_and_verify(operation: Operation, bench: Bench) -> None:
    operation.verify(await operation.run(bench))


@pytest.mark.parametrize(
    "kinds",
    [(answered(503), answered(429)), (ANSWER_LOST, answered(500), RESET_BEFORE, answered(502))],
    ids=["nothing-done", "in-doubt"],
)
async def test_at_ten_percent_faults_there_are_at_most_a_fifth_more_requests_than_useful_ones(
    world: World, tmp_path: Path, kinds: tuple[Fault, ...]
) -> None:
    """A look whether a request with an unknown outcome was carried out is useful: nothing else can tell."""
    count, size = 1_000, 5
    experiment = await world.comps.experiments.save(acomps.Experiment(name="a tenth"))
    async with Bench.of(world, tmp_path, batch_entities=size) as bench:

        def script(request: Request) -> Fault:
            return kinds[request.number // 10 % len(kinds)] if request.number % 10 == 7 else PASS

        bench.proxy.script = script
        before = await world.requests()
        report = await bench.session.simulations.save_all(small_simulations(experiment, count))
        answered_in_all = await world.requests() - before
        report.raise_for_failures()
        posts = len(bench.proxy.seen("POST"))
        seen = len(bench.proxy.ledger)
    assert_exactly_once(world.folder, experiment, count)
    useful = count // size
    assert posts <= 1.2 * useful
    assert seen <= 1.2 * (useful + seen - posts)
    assert answered_in_all <= seen + 1, "more came to the service than went through the proxy"


async def test_a_service_that_is_killed_in_the_middle_of_a_save_has_everything_once_in_the_end(tmp_path: Path) -> None:
    patient = acomps.RetrySettings(
        attempts=10_000, budget_reserve=1_000_000, first_wait_s=QUICK.first_wait_s, longest_wait_s=QUICK.longest_wait_s
    )
    settings = acomps.Settings(token_cache_dir=tmp_path, retry=patient, batch_entities=20)
    count = 2_000
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        service = await first.enter_async_context(start_service(tmp_path / "data"))
        proxy = await second.enter_async_context(fault_proxy(service.url))
        comps = await second.enter_async_context(
            acomps.connect(proxy.url, username=service.username, password=service.password, settings=settings)
        )
        experiment = await comps.experiments.save(acomps.Experiment(name="restart"))
        begun = anyio.Event()

        def hear(event: Event) -> None:
            if isinstance(event, Saved) and event.total >= count // 4:
                begun.set()

        async def save() -> None:
            report = await comps.simulations.save_all(
                small_simulations(experiment, count), journal=tmp_path / "journal", on_progress=hear
            )
            report.raise_for_failures()

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(save)
                await begun.wait()
                await first.aclose()
                again = await second.enter_async_context(start_service(tmp_path / "data"))
                proxy.upstream = ("127.0.0.1", int(again.url.rpartition(":")[2]))
    assert_exactly_once(tmp_path / "data", experiment, count)


async def test_a_commission_of_which_every_answer_is_lost_starts_nothing_twice(world: World, tmp_path: Path) -> None:
    operation = Commission(world, tmp_path)
    await operation.prepare()
    async with Bench.of(world, tmp_path) as bench:
        bench.proxy.script = lambda request: ANSWER_LOST if operation.hits(request) else PASS
        with pytest.raises(acomps.OutcomeUnknown):
            await operation.run(bench)
        operation.verify_failed()
        bench.proxy.script = lambda request: PASS
        with pytest.raises(acomps.ValidationFailed):
            await operation.run(bench)
        operation.verify_failed()


async def test_a_save_without_an_answer_is_found_again_by_its_keys_and_counted_once(
    world: World, tmp_path: Path
) -> None:
    operation = SaveAll(world, tmp_path)
    await operation.prepare()
    async with Bench.of(world, tmp_path) as bench:
        bench.proxy.script = lambda request: ANSWER_LOST if operation.hits(request) else PASS
        operation.verify(await operation.run(bench))
        assert len([one for one in bench.proxy.ledger if operation.hits(one)]) == operation.useful


async def test_a_service_that_is_started_again_in_the_middle_of_an_upload_is_sent_the_rest(tmp_path: Path) -> None:
    patient = acomps.RetrySettings(
        attempts=10_000, budget_reserve=1_000_000, first_wait_s=QUICK.first_wait_s, longest_wait_s=QUICK.longest_wait_s
    )
    settings = acomps.Settings(token_cache_dir=tmp_path, hash_cache_dir=tmp_path, retry=patient)
    source = tmp_path / "large"
    source.write_bytes(os.urandom(24 * MIB))
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        service = await first.enter_async_context(start_service(tmp_path / "data"))
        proxy = await second.enter_async_context(fault_proxy(service.url))
        comps = await second.enter_async_context(
            acomps.connect(proxy.url, username=service.username, password=service.password, settings=settings)
        )
        release, stopped = asyncio.Event(), asyncio.Event()

        def script(request: Request) -> Fault:
            chunks = len(proxy.seen("POST", "/upload/"))
            if request.method == "POST" and chunks > 2 and not release.is_set():
                stopped.set()
                return held(release)
            return PASS

        proxy.script = script
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(comps.uploads.upload, source)
                await stopped.wait()
                await first.aclose()
                again = await second.enter_async_context(start_service(tmp_path / "data"))
                proxy.upstream = ("127.0.0.1", int(again.url.rpartition(":")[2]))
                release.set()
        sent = sum(one.forwarded for one in proxy.seen("POST", "/upload/"))
        [stored] = [path for path in (tmp_path / "data").rglob(str(md5_of(source.read_bytes()))) if path.is_file()]
        assert stored.read_bytes() == source.read_bytes()
        assert sent == 24 * MIB, "what had arrived before was sent again"
