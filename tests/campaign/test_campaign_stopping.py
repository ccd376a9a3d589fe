"""Campaigns that are stopped, lose their gateway, or are changed on the way."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import anyio
import pytest
from campaign.small_campaigns import Small, found
from support.fault_proxy import AFTER_LATE, ANSWER_LOST, PASS, Fault, Request
from support.faults import QUICK, through_faults

import acomps
from acomps.campaign import (
    CampaignStatus,
    DefinitionChanged,
    RerunPolicy,
    Results,
    Stage,
    StoreInUse,
    WorkflowNotFoundError,
)
from acomps.campaign.runner.stages import PointSource
from acomps.comps.child import Service, start_service
from acomps.sweep import Sweep

DEADLINE_S = 60


def is_save(request: Request) -> bool:
    return request.method == "POST" and request.target.startswith("/api/Simulations")


async def test_a_cancelled_run_goes_on_and_runs_nothing_twice(tmp_path: Path, comps: acomps.Session) -> None:
    gate = tmp_path / "gate"
    small = Small(tmp_path, f'while [ "$x" -gt 3 ] && [ ! -e "{gate}" ]; do sleep 0.05; done')
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(*range(8))))
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks:

            def look(status: CampaignStatus) -> None:
                if status.succeeded:
                    tasks.cancel_scope.cancel()

            async def run() -> None:
                await campaign.run(comps, on_progress=look)

            tasks.start_soon(run)
    status = await campaign.status()
    assert 0 < status.succeeded < 8
    assert not status.complete
    gate.touch()
    assert (await campaign.run(comps)).succeeded == 8
    assert small.runs() == dict.fromkeys(range(8), 1)


@pytest.mark.parametrize("fault", [ANSWER_LOST, AFTER_LATE], ids=lambda fault: fault.name)
async def test_lost_answers_make_nothing_twice(
    fault: Fault, tmp_path: Path, service: Service, settings: acomps.Settings
) -> None:
    small = Small(tmp_path)
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(*range(250))))
    seen = 0

    def script(request: Request) -> Fault:
        nonlocal seen
        seen += is_save(request)
        return fault if is_save(request) and seen % 2 else PASS

    async with through_faults(service, settings) as (proxy, comps):
        proxy.script = script
        assert (await campaign.run(comps)).succeeded == 250
    assert small.runs() == dict.fromkeys(range(250), 1)


async def test_a_server_that_is_lost_in_the_middle_of_an_order_is_asked_what_it_has(
    tmp_path: Path, service: Service, settings: acomps.Settings, comps: acomps.Session
) -> None:
    small = Small(tmp_path)
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(*range(350))))
    saves = 0

    def script(request: Request) -> Fault:
        nonlocal saves
        saves += is_save(request)
        # The answers of all saves are lost, and after the second nothing else is answered either.
        return ANSWER_LOST if is_save(request) or saves >= 2 else PASS

    few = dataclasses.replace(settings, retry=QUICK, saves_at_once=1, saves_at_most=1)
    async with through_faults(service, few) as (proxy, lossy):
        proxy.script = script
        with pytest.raises(acomps.TransportError):
            await campaign.run(lossy)
    status = await campaign.status()
    assert status.stages[0].sent == 350
    assert (await campaign.run(comps)).succeeded == 350
    assert small.runs() == dict.fromkeys(range(350), 1)


async def test_a_gateway_that_is_down_at_the_start_is_told_and_costs_nothing(
    tmp_path: Path, settings: acomps.Settings
) -> None:
    small = Small(tmp_path)
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(1, 2)))
    quick = dataclasses.replace(settings, retry=dataclasses.replace(QUICK, attempts=2))
    async with start_service(tmp_path / "service") as service:
        comps_is = acomps.connect(service.url, username=service.username, password=service.password, settings=quick)
        comps = await comps_is.__aenter__()
    try:
        with pytest.raises(acomps.TransportError):
            await campaign.run(comps)
    finally:
        await comps_is.__aexit__(None, None, None)
    assert (await campaign.status()).stages[0].waiting == 2
    async with (
        start_service(tmp_path / "service") as service,
        acomps.connect(service.url, username=service.username, password=service.password, settings=settings) as comps,
    ):
        assert (await campaign.run(comps)).succeeded == 2
    assert small.runs() == {1: 1, 2: 1}


async def test_a_campaign_goes_on_only_where_it_was_begun(tmp_path: Path, comps: acomps.Session) -> None:
    small = Small(tmp_path, '[ "$x" = 2 ] && exit 3')
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(1, 2)), attempts=1)
    await campaign.run(comps)
    async with (
        start_service(tmp_path / "service") as other,
        acomps.connect(other.url, username=other.username, password=other.password, settings=comps.settings) as there,
    ):
        with pytest.raises(acomps.UsageError, match=r"does not have the experiment .* where it was begun"):
            await campaign.rerun(there)


async def test_a_store_that_another_process_owns_is_refused_and_can_be_looked_at(
    tmp_path: Path, comps: acomps.Session
) -> None:
    small = Small(tmp_path)
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(1, 2)))
    await campaign.run(comps)
    holder = (
        "import anyio, os, sys\n"
        "from pathlib import Path\n"
        "from acomps.campaign import JSONPersistentStore, WorkflowFolder\n"
        "async def main():\n"
        "    async with JSONPersistentStore(WorkflowFolder(Path(sys.argv[1]))):\n"
        "        os.write(1, b'held')\n"
        "        sys.stdin.read()\n"
        "anyio.run(main)\n"
    )
    async with await anyio.open_process([sys.executable, "-c", holder, str(campaign.folder)], stderr=None) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert await process.stdout.receive() == b"held"
        with pytest.raises(StoreInUse, match=f"in use by .*{process.pid}"):
            await campaign.run(comps)
        assert (await campaign.status()).succeeded == 2
        assert found(await campaign.results()) == {1: 1, 2: 2}
        await process.stdin.aclose()
        assert await process.wait() == 0
    assert (await campaign.run(comps)).complete


async def test_another_definition_is_refused_by_the_names_of_what_changed(
    tmp_path: Path, comps: acomps.Session
) -> None:
    small = Small(tmp_path)
    await small.campaign(Stage(name="a", sweep=small.sweep(1, 2))).run(comps)
    with pytest.raises(DefinitionChanged, match=r"stages\.a\.points \(2 then, 3 now\), stages\.a\.sweep"):
        await small.campaign(Stage(name="a", sweep=small.sweep(1, 2, 3))).run(comps)
    with pytest.raises(DefinitionChanged, match=r"simulation_input_args \('run\.sh' then, '-x run\.sh' now\)"):
        await small.campaign(Stage(name="a", sweep=small.sweep(1, 2)), arguments="-x run.sh").run(comps)
    with pytest.raises(DefinitionChanged, match=r"stages \(\['a'\] then, \['a', 'b'\] now\)"):
        await small.campaign(Stage(name="a", sweep=small.sweep(1, 2)), Stage(name="b", sweep=small.sweep(1))).run(comps)
    edited = Small(tmp_path, "true")
    with pytest.raises(DefinitionChanged, match=r"definition: stages\.a\.sweep \("):
        await edited.campaign(Stage(name="a", sweep=edited.sweep(1, 2))).run(comps)
    # How often is tried is no part of the definition.
    assert (await small.campaign(Stage(name="a", sweep=small.sweep(1, 2)), attempts=9).run(comps)).complete


async def test_an_edited_function_is_another_definition(tmp_path: Path, comps: acomps.Session) -> None:
    small = Small(tmp_path)

    def before() -> PointSource:
        def points(results: Results) -> Sweep:
            return small.sweep(1)

        return points

    def edited() -> PointSource:
        def points(results: Results) -> Sweep:
            return small.sweep(2)

        return points

    for _ in range(2):
        assert (await small.campaign(Stage(name="a", sweep=before())).run(comps)).complete
    with pytest.raises(DefinitionChanged, match=r"stages\.a\.sweep"):
        await small.campaign(Stage(name="a", sweep=edited())).run(comps)


async def test_an_error_in_a_function_names_its_stage(tmp_path: Path, comps: acomps.Session) -> None:
    small = Small(tmp_path)

    def points(results: Results) -> Sweep:
        raise LookupError("no such thing")

    with pytest.raises(LookupError) as caught:
        await small.campaign(Stage(name="second", sweep=points)).run(comps)
    assert "stage 'second'" in caught.value.__notes__[0]


async def test_a_cancelled_campaign_stops_on_the_gateway(tmp_path: Path, comps: acomps.Session) -> None:
    small = Small(tmp_path, '[ "$x" = 2 ] && sleep 600')
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(1, 2)), attempts=1)
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks:

            def look(status: CampaignStatus) -> None:
                if status.succeeded:
                    tasks.cancel_scope.cancel()

            async def run() -> None:
                await campaign.run(comps, on_progress=look)

            tasks.start_soon(run)
    await campaign.cancel(comps)
    status = await campaign.run(comps)
    assert (status.succeeded, status.failed) == (1, 1)


async def test_a_folder_that_is_no_campaign_is_left_alone(tmp_path: Path, comps: acomps.Session) -> None:
    small = Small(tmp_path)
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(1)))
    with pytest.raises(WorkflowNotFoundError, match="no campaign at"):
        await campaign.status()
    campaign.folder.mkdir()
    (campaign.folder / "mine").touch()
    with pytest.raises(acomps.UsageError, match="there already and has no campaign"):
        await campaign.run(comps)
    assert [one.name for one in campaign.folder.iterdir()] == ["mine"]


def test_a_policy_decides_by_count_and_error() -> None:
    policy = RerunPolicy(attempts=3, errors=("lost", "timed? out"))
    assert policy.again(1, "the node was lost")
    assert policy.again(2, "it timed out")
    assert not policy.again(3, "it timed out")
    assert not policy.again(1, "exit code 3")


async def test_a_round_that_goes_on_asks_its_function_with_the_results_from_before_it(
    tmp_path: Path, comps: acomps.Session
) -> None:
    gate = tmp_path / "gate"
    small = Small(tmp_path, f'[ "$x" = 21 ] && while [ ! -e "{gate}" ]; do sleep 0.05; done')
    given: list[list[float]] = []

    def points(results: Results) -> Sweep:
        given.append([*found(results)])
        return small.sweep(20, 21)

    campaign = small.campaign(Stage(name="a", sweep=small.sweep(1)), Stage(name="b", sweep=points))
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks:

            def look(status: CampaignStatus) -> None:
                if status.succeeded == 2:
                    tasks.cancel_scope.cancel()

            async def run() -> None:
                await campaign.run(comps, on_progress=look)

            tasks.start_soon(run)
    gate.touch()
    assert (await campaign.run(comps)).succeeded == 3
    assert given == [[1], [1]]
    assert small.runs() == {1: 1, 20: 1, 21: 1}
