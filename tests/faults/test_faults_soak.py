"""`pytest -m soak --seed N`: ten minutes of operations under faults at random, several at a time, on one session."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

import anyio
import pytest
from faults.bench import Bench, World, secrets_in
from faults.operations import OPERATIONS
from support.fault_proxy import (
    ANSWER_LOST,
    PASS,
    RESET_BEFORE,
    Fault,
    Request,
    answer_cut_at,
    answered,
    cut_after,
    dribbled,
    slowed,
)

import acomps

#: Those that a session can do at any time; a login by itself has a session of its own.
NAMES = sorted(name for name in OPERATIONS if name not in {"login", "renewal"})
AT_ONCE = 4
ROUND_S = 20.0


def trouble(chance: random.Random) -> Fault:
    """A fault, each kind as often as the others."""
    return chance.choice(
        [
            ANSWER_LOST,
            RESET_BEFORE,
            answered(chance.choice([429, 500, 502, 503, 504])),
            answered(503, "Retry-After: 1"),
            cut_after(chance.randrange(100_000)),
            answer_cut_at(chance.choice([0.0, 0.3, 0.9, -1.0])),
            dribbled(chance.choice([1, 100, 4096])),
            slowed(latency_s=chance.random() / 5, bytes_per_s=chance.choice([None, 2_000_000.0])),
        ]
    )


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_soak(world: World, tmp_path: Path, seed: int, request: pytest.FixtureRequest) -> None:
    """Whatever happens, what is done is right, what fails has done nothing twice, and the session goes on."""
    minutes = float(str(request.config.getoption("--soak-minutes")))
    _tell(f"soak: --seed {seed}")
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    end, rounds = loop.time() + 60 * minutes, 0
    while loop.time() < end:
        rounds += 1
        transport = chance.choice(["lean", "lean", "lanes"])
        share = chance.choice([0.02, 0.1, 0.3])
        folder = tmp_path / f"{rounds}"
        folder.mkdir()
        async with Bench.of(world, folder, transport=transport) as bench:
            # One script for all rounds would need one order of the requests; so each has a chance of its own.
            dice = random.Random(chance.random())

            def script(_: Request, dice: random.Random = dice, share: float = share) -> Fault:
                return trouble(dice) if dice.random() < share else PASS

            bench.proxy.script = script
            until = min(end, loop.time() + ROUND_S)
            async with anyio.create_task_group() as tasks:
                for number in range(AT_ONCE):
                    picks = random.Random(chance.random())
                    tasks.start_soon(_work, bench, folder / f"{number}", picks, until, counts)
            await bench.usable()
    _tell(f"soak: --seed {seed}: {rounds} rounds, {dict(sorted(counts.items()))}")


def _tell(line: str) -> None:
    """Say it on the terminal, also while pytest keeps what tests print."""
    assert sys.__stderr__ is not None
    sys.__stderr__.write(f"{line}\n")


async def _work(bench: Bench, folder: Path, picks: random.Random, until: float, counts: Counter[str]) -> None:
    number = 0
    while asyncio.get_running_loop().time() < until:
        number += 1
        place = folder / f"{number}"
        place.mkdir(parents=True)
        name = picks.choice(NAMES)
        operation = OPERATIONS[name](bench.world, place)
        await operation.prepare()
        error: acomps.AcompsError | None = None
        became = "cancelled"
        with anyio.move_on_after(picks.choice([0.05, 30.0, 30.0, 30.0])):
            try:
                operation.verify(await operation.run(bench))
                became = "done"
            except acomps.AcompsError as exc:
                error, became = exc, "failed"
        counts[f"{name} {became}"] += 1
        if became != "done":
            operation.verify_failed()
        assert not secrets_in(bench.secrets(), error, ())
