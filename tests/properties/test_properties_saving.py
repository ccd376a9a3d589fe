"""Saving against a simple model: save, commission, kill, restart, resume and cancel in any order, on a real service."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

from faults.cancelling import cancelled_at, counting_tasks
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.faults import rows_of, small_simulations
from support.local_service import Running, running
from support.runs import shell_experiment

import acomps
from acomps.comps.session import Session

T = TypeVar("T")

COUNT = 45


class Saving(RuleBasedStateMachine):
    """The model is one number: how many simulations have been confirmed; there are never others, and none twice."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.stack, self.service_stack = AsyncExitStack(), AsyncExitStack()
        self.confirmed = 0
        self.complete = False
        self.commissioned = False

    @property
    def root(self) -> Path:
        return Path(self.folder.name)

    def do(self, coroutine: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 60))

    @initialize()
    def begin(self) -> None:
        """A service with an experiment that is empty."""
        self.service = self.start()
        self.do(self.connect())
        self.experiment = self.do(shell_experiment(self.comps, "model"))

    def start(self, port: int = 0) -> Running:
        self.context = running(self.root / "data", "--port", str(port))
        return self.context.__enter__()

    async def connect(self) -> None:
        retry = acomps.RetrySettings(attempts=2, first_wait_s=0.01, longest_wait_s=0.02)
        options = acomps.Settings(token_cache_dir=self.root, batch_entities=10, retry=retry)
        self.comps: Session = await self.stack.enter_async_context(
            acomps.connect(
                self.service.url, username=self.service.username, password=self.service.password, settings=options
            )
        )

    async def save(self) -> None:
        report: acomps.SaveReport[acomps.Simulation] | None = None
        try:
            report = await self.comps.simulations.save_all(
                small_simulations(self.experiment, COUNT), journal=self.root / "journal"
            )
        except BaseException as exc:
            found = acomps.report_of(exc)
            self.confirmed = max(self.confirmed, 0 if found is None else len(found.saved))
            raise
        report.raise_for_failures()
        self.confirmed, self.complete = COUNT, True

    @rule()
    def save_or_resume(self) -> None:
        """All of it, or what is missing."""
        self.do(self.save())
        assert len(rows_of(self.root / "data", self.experiment)) == COUNT

    @rule(moment=st.integers(1, 250))
    def save_and_cancel(self, moment: int) -> None:
        """Cancelled somewhere; what was confirmed stays."""

        async def cancelled() -> None:
            with counting_tasks():
                await cancelled_at(self.save, moment)

        self.do(cancelled())

    @rule()
    def kill_and_restart(self) -> None:
        """The service dies, and is started again at the same place."""
        self.service.kill()
        self.context.__exit__(None, None, None)
        self.service = self.start(int(self.service.url.rpartition(":")[2]))
        self.do(self.stack.aclose())
        self.stack = AsyncExitStack()
        self.do(self.connect())

    @rule(moment=st.integers(2, 60))
    def kill_in_the_middle_of_a_save(self, moment: int) -> None:
        """The service dies while it is being saved to."""

        async def interrupted() -> None:
            with counting_tasks():
                await cancelled_at(self.save, moment, kill=self.service.process.kill)

        self.do(interrupted())
        self.kill_and_restart()

    @precondition(lambda self: self.complete and not self.commissioned)
    @rule()
    def commission(self) -> None:
        """What is there is asked to run, once."""
        self.do(self.comps.experiments.commission(self.experiment))
        self.commissioned = True

    @invariant()
    def nothing_is_twice_and_nothing_confirmed_is_lost(self) -> None:
        """The database holds what the model says."""
        if not hasattr(self, "experiment"):
            return
        rows = rows_of(self.root / "data", self.experiment)
        names = sorted(int(name) for name, _ in rows)
        assert names == sorted(set(names))
        assert set(names) <= set(range(COUNT))
        assert self.confirmed <= len(names)

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        if hasattr(self, "service"):
            self.service.process.kill()
            self.context.__exit__(None, None, None)
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


TestSaving = Saving.TestCase
TestSaving.settings = settings(
    max_examples=3,
    stateful_step_count=6,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],  # each step takes a second: what fails is short enough as it is
    suppress_health_check=[HealthCheck.too_slow],
)
