"""Text as it is written, to its last character."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest
from outputs.conftest import fetches
from support.fault_proxy import FaultProxy
from support.runs import script, shell_experiment

import acomps
from acomps import HpcJob, NotFound, Session
from acomps.comps.outputs import Polling

QUICK = Polling(least_s=0.005, most_s=0.02)
DEADLINE_S = 30


def waiting(gate: Path) -> str:
    """A line that waits for a gate to open."""
    return f"while ! test -e {gate}; do sleep 0.01; done"


async def until(texts: AsyncGenerator[str], wanted: str, so_far: str = "") -> str:
    """The text, as soon as it ends with what is wanted."""
    with anyio.fail_after(DEADLINE_S):
        while not so_far.endswith(wanted):
            so_far += await anext(texts)
    return so_far


async def started(comps: Session, lines: str, retries: int = 0) -> acomps.Simulation:
    experiment = await shell_experiment(comps, "follow", retries=retries)
    simulation = await comps.simulations.save(script(experiment, lines))
    await comps.experiments.commission(experiment)
    return simulation


async def test_text_comes_while_the_simulation_runs_and_ends_with_it(comps: Session, tmp_path: Path) -> None:
    gate, second = tmp_path / "gate", tmp_path / "second"
    lines = f"printf one; {waiting(gate)}; printf ' two'; {waiting(second)}; printf ' three'"
    experiment = await shell_experiment(comps, "follow")
    simulation = await comps.simulations.save(script(experiment, lines))
    texts = comps.outputs.follow(simulation, polling=QUICK)
    await comps.experiments.commission(experiment)
    assert await until(texts, "one") == "one"
    gate.touch()
    assert await until(texts, "two") == " two"
    state = (await comps.simulations.get(simulation)).state
    assert state is not None
    assert not state.final
    second.touch()
    with anyio.fail_after(DEADLINE_S):
        assert "".join([text async for text in texts]) == " three"


async def test_a_character_that_is_half_written_is_not_cut(comps: Session, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    simulation = await started(comps, rf"printf 'a\342\202'; {waiting(gate)}; printf '\254z\303'")
    texts = comps.outputs.follow(simulation, polling=QUICK)
    assert await until(texts, "a") == "a"
    gate.touch()
    with anyio.fail_after(DEADLINE_S):
        assert "".join([text async for text in texts]) == "€z\N{REPLACEMENT CHARACTER}"


async def test_another_attempt_is_followed_from_its_beginning(comps: Session, tmp_path: Path) -> None:
    first, gate = tmp_path / "first", tmp_path / "gate"
    lines = f"if mkdir {first}; then printf first; {waiting(gate)}; printf ' end'; exit 1; fi; printf second"
    simulation = await started(comps, lines, retries=1)
    seen: list[HpcJob | str] = []
    texts = comps.outputs.follow(simulation, polling=QUICK, on_attempt=seen.append)
    seen.append(await until(texts, "first"))
    gate.touch()
    with anyio.fail_after(DEADLINE_S):
        async for text in texts:
            seen += [text]  # on_attempt adds to it too, in between
    kinds = [item if isinstance(item, str) else "attempt" for item in seen]
    assert kinds[:2] == ["attempt", "first"]
    assert "".join(kinds[2:]) == " endattemptsecond"


async def test_a_long_file_comes_whole_in_small_requests(faulty: tuple[FaultProxy, Session], comps: Session) -> None:
    simulation = await started(comps, "seq 200000")
    proxy, far = faulty
    with anyio.fail_after(DEADLINE_S):
        text = "".join([text async for text in far.outputs.follow(simulation, polling=QUICK)])
    assert text == "".join(f"{number}\n" for number in range(1, 200_001))
    assert all(request.answered <= 256 * 1024 for request in fetches(proxy, "stdout.txt"))


async def test_a_file_that_never_comes_is_named_at_the_end(comps: Session) -> None:
    simulation = await started(comps, "true")
    with anyio.fail_after(DEADLINE_S), pytest.raises(NotFound, match=r"has ended and has no output file 'status\.txt'"):
        async for _ in comps.outputs.follow(simulation, "status.txt", polling=QUICK):
            pass


async def test_a_follower_is_left_by_a_cancellation(comps: Session) -> None:
    experiment = await shell_experiment(comps, "follow")
    simulation = await comps.simulations.save(script(experiment, "true"))
    with anyio.move_on_after(0.2) as scope:
        async for _ in comps.outputs.follow(simulation, polling=QUICK):
            pytest.fail("it was never commissioned")
    assert scope.cancelled_caught
