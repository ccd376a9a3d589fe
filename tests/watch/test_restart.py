"""A service that is killed and started again while somebody watches."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from support.fault_proxy import fault_proxy
from support.faults import QUICK
from support.runs import script, shell_experiment

import acomps
from acomps.comps.child import start_service
from acomps.events import Event, Waiting


async def test_a_watch_goes_on_after_the_service_was_started_again(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gone = anyio.Event()
    seen: list[acomps.Progress] = []

    def hear(event: Event) -> None:
        if isinstance(event, Waiting):
            gone.set()

    settings = acomps.Settings(token_cache_dir=tmp_path, retry=QUICK, watch=acomps.WatchSettings(first_s=0.02))
    with anyio.fail_after(60):
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            service = await first.enter_async_context(start_service(tmp_path / "data"))
            proxy = await second.enter_async_context(fault_proxy(service.url))
            comps = await second.enter_async_context(
                acomps.connect(proxy.url, username=service.username, password=service.password, settings=settings)
            )
            experiment = await shell_experiment(comps, "restart")
            lines = f"while [ ! -e '{gate}' ]; do sleep 0.02; done"
            await comps.simulations.save_all(script(experiment, lines) for _ in range(3))
            await comps.experiments.commission(experiment)

            async def watch() -> None:
                seen.extend([progress async for progress in comps.watch(experiment, on_progress=hear)])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                await first.aclose()
                await gone.wait()
                proxy.upstream = _address((await second.enter_async_context(start_service(tmp_path / "data"))).url)
                gate.touch()
    assert dict(seen[-1].counts) == {acomps.SimulationState.SUCCEEDED: 3}


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("/")[2].rpartition(":")
    return host, int(port)
