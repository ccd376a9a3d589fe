"""Simulations as they come to an end: each once, while others run, however the server is."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import anyio
import pytest
from support.fault_proxy import PASS, RESET_BEFORE, Fault, Request, answered
from support.runs import script, shell_experiment
from watch.conftest import without_statistics

import acomps
from acomps import Query, SimulationState

if TYPE_CHECKING:
    from pathlib import Path

    from watch.conftest import Watching

    from acomps.comps.watched import Watchable


def ids_not_compared(request: Request) -> Fault:
    """A server that refuses to compare ids."""
    return answered(400) if "Id%3E%3D" in request.target else PASS


def comparison_ignored(request: Request) -> Fault:
    """A server that answers a comparison of ids with nothing."""
    nothing = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{"Simulations":[]}'
    return Fault("nothing", answer=nothing) if "Id%3E%3D" in request.target else PASS


def every_fourth_is_reset(request: Request) -> Fault:
    """A bad line."""
    return RESET_BEFORE if request.number % 4 == 0 else PASS


@pytest.mark.parametrize(
    "faults", [None, without_statistics, ids_not_compared, comparison_ignored, every_fourth_is_reset]
)
async def test_each_simulation_comes_once_while_others_run(
    comps: acomps.Session, watching: Watching, tmp_path: Path, faults: None
) -> None:
    experiment = await shell_experiment(comps, "finished")
    # Later ones end first: an order that a listing by ids does not have.
    lines = f"while [ ! -e '{tmp_path}/{{}}' ]; do sleep 0.01; done"
    report = await comps.simulations.save_all(script(experiment, lines.format(number // 2 % 2)) for number in range(30))
    quick = await comps.simulations.save(script(experiment, "exit 1"))
    async with watching(faults, page_size=4) as (_, watch):
        seen: list[uuid.UUID] = []
        # Two run at a time, and these wait for one another: all are let go when the first has come back.
        await comps.simulations.commission(quick)
        with anyio.fail_after(60):
            async for simulation in watch.finished(experiment):
                assert simulation.state is not None
                assert simulation.state.final
                assert "acomps_key" in simulation.tags
                if not seen:
                    assert simulation.saved_id == quick.saved_id
                    for number in range(2):
                        (tmp_path / f"{number}").touch()
                    await comps.experiments.commission(experiment)
                seen.append(simulation.saved_id)
    assert len(seen) == 31
    assert set(seen) == {quick.saved_id, *(simulation.saved_id for simulation in report.saved)}


async def test_a_query_says_what_comes_and_what_of_it(
    comps: acomps.Session, watching: Watching, mixed: acomps.Experiment
) -> None:
    async with watching() as (_, watch):
        query = Query().where(experiment_id=mixed.id).where_tag("number<9").select("state").children("hpc_jobs")
        found = [simulation async for simulation in watch.finished(query)]
        assert [simulation.state for simulation in found].count(SimulationState.FAILED) == 3
        assert len(found) == 9
        assert all(simulation.hpc_jobs and not simulation.tags and not simulation.name for simulation in found)
        bare = [simulation async for simulation in watch.finished(mixed, Query().select("name"))]
        assert len(bare) == 60
        assert all(simulation.name and not simulation.tags for simulation in bare)


async def test_later_rounds_do_not_list_again_what_was_listed(
    comps: acomps.Session, watching: Watching, tmp_path: Path
) -> None:
    experiment = await shell_experiment(comps, "rounds")
    early = await comps.simulations.save_all(script(experiment, "true") for _ in range(20))
    late = await comps.simulations.save(script(experiment, "true"))
    for simulation in early.saved:
        await comps.simulations.commission(simulation)
    await comps.wait(early.saved)
    async with watching() as (looks, watch):
        sizes: list[int] = []

        def measure(data: bytes) -> bytes:
            sizes.append(data.count(b'"SimulationState":"Succeeded"'))
            return data

        looks.proxy.edit = measure
        found = 0
        with anyio.fail_after(60):
            async for _ in watch.finished(experiment):
                found += 1
                if found == 20:
                    await comps.simulations.commission(late)
    assert (found, sum(sizes)) == (21, 21)


async def test_only_what_a_query_describes_can_be_followed(comps: acomps.Session, mixed: acomps.Experiment) -> None:
    [simulation] = await comps.simulations.list(Query().where(experiment_id=mixed.id).limit(1))
    sources: list[Watchable] = [simulation, [simulation]]
    for source in sources:
        with pytest.raises(acomps.UsageError, match="an experiment, a suite or a query"):
            _ = [item async for item in comps.finished(source)]
    with pytest.raises(acomps.UsageError, match="cannot filter or page"):
        _ = [item async for item in comps.finished(mixed, Query().where("state=Failed"))]
