"""Campaigns: stages of simulations that run to their end, whatever interrupts them, and what they found."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import anyio
import anyio.to_thread

from acomps.campaign.documents import as_dict
from acomps.campaign.finding import find_layout
from acomps.campaign.model import Loop, Task
from acomps.campaign.runner.book import Book
from acomps.campaign.runner.comps_gateway import CompsGateway
from acomps.campaign.runner.course import Course, Plan, settled
from acomps.campaign.runner.facts import facts_of, require_same
from acomps.campaign.runner.gateway import Gateway, Group
from acomps.campaign.runner.points import read_results
from acomps.campaign.runner.readers import documents
from acomps.campaign.runner.results import Results
from acomps.campaign.runner.snapshot import snapshot
from acomps.campaign.runner.stages import RerunPolicy
from acomps.campaign.runner.status import read_status
from acomps.campaign.stores import store_cls_from_path, store_cls_from_str
from acomps.campaign.times import TS_FMT, TS_NAME_FMT
from acomps.campaign.workflow import WorkflowFolder
from acomps.errors import UsageError
from acomps.streams import task_group

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from acomps.campaign.reading import Reading
    from acomps.campaign.runner.facts import Assets
    from acomps.campaign.runner.readers import Reader
    from acomps.campaign.runner.stages import Stage, SweepLike
    from acomps.campaign.runner.status import CampaignStatus
    from acomps.comps.session import Session
    from acomps.entities import Experiment

__all__ = ["Campaign"]

#: What a gateway's group is tagged with.
_TAGS: Final = ("campaign", "stage", "round")
_TOLD_EVERY_S: Final = 0.5
#: ... and at most so small a part of the time goes into telling.
_CALM: Final = 20


class Campaign:
    """Stages of simulations over a store in a folder.

        campaign = Campaign(
            "campaigns/seir",
            name="seir",
            experiment=acomps.Experiment(name="seir", configuration=...),
            assets=Path("model"),
            stages=[Stage(name="coarse", sweep=acomps.sweep(BASE, POINTS)), Stage(name="fine", sweep=refine)],
            outputs=["output/InsetChart.json"],
            read=Channels("New Infections"),
        )
        async with acomps.connect("local") as comps:
            await campaign.run(comps)
        table = (await campaign.results()).frame()

    `experiment` says how simulations run (its name is not used), `assets` what they share. Of each simulation that
    succeeds the files `outputs` are read, and what `read` makes of them is kept in the store. A stage's sweep may be a
    function of the results so far; it is called in a thread, and must give the same for the same results as far as
    the base configuration goes. `store` is the form of a new store: "json", or "zarr" for large numeric arrays.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        name: str,
        stages: Sequence[Stage],
        outputs: Sequence[str],
        experiment: Experiment | None = None,
        assets: Assets = None,
        read: Reader = documents,
        policy: RerunPolicy | None = None,
        store: Literal["json", "zarr"] = "json",
    ) -> None:
        names = [stage.name for stage in stages]
        if not names or len(set(names)) < len(names):
            raise UsageError(f"a campaign needs stages of different names, not {names}")
        if isinstance(outputs, str) or not outputs:
            raise UsageError(f"outputs are the paths that are read of each simulation, in a list: {outputs!r}")
        if any(mark in path for path in outputs for mark in "*?["):
            raise UsageError(f"outputs are plain paths, not patterns: {list(outputs)}")
        self.folder = Path(folder)
        self.name = name
        self.stages = tuple(stages)
        self.outputs = tuple(outputs)
        self._experiment, self._assets, self._read = experiment, assets, read
        self._policy = policy or RerunPolicy()
        self._store_form = store
        self._book: Book | None = None

    async def run(
        self, session: Session | Gateway, *, on_progress: Callable[[CampaignStatus], object] | None = None
    ) -> CampaignStatus:
        """Do what is left to do: nothing is made twice, whatever ended the last run; gives how it stands at the end.

        Points that keep failing are given up, and told in the status. CampaignFailed when nothing of a round succeeds;
        DefinitionChanged when the store was begun with another definition; StoreInUse when another process is at it.
        """
        return await self._go(session, on_progress, again=False)

    async def rerun(
        self, session: Session | Gateway, *, on_progress: Callable[[CampaignStatus], object] | None = None
    ) -> CampaignStatus:
        """Try every failed point once more (and as often as the policy says beyond that), and go on as `run` does.

        What later stages made of the earlier results stays as it is.
        """
        return await self._go(session, on_progress, again=True)

    async def cancel(self, session: Session | Gateway) -> None:
        """Stop on the gateway what was sent and has not ended; `run` then finds it cancelled, which is a failure."""
        gateway = self._gateway(session)
        async with self._opened() as book:
            for number, stage in enumerate(self.stages):
                for round in range(stage.rounds):
                    sent = book.sent(number, round)
                    if sent:
                        jobs = [job for one in sent for _, job in one.made() if job is not None]
                        await gateway.cancel(sent[0].group, jobs)

    async def status(self) -> CampaignStatus:
        """How far it is, also while another process runs it; WorkflowNotFoundError before it was begun."""
        return await read_status(await self._reading())

    async def results(self) -> Results:
        """What was found so far; `results.frame()` makes a polars frame of it."""
        return await read_results(await self._reading())

    async def _reading(self) -> Reading:
        return self._book.store if self._book is not None else await snapshot(self.folder)

    async def _go(
        self, session: Session | Gateway, on_progress: Callable[[CampaignStatus], object] | None, *, again: bool
    ) -> CampaignStatus:
        gateway = self._gateway(session)
        async with self._opened() as book:
            if again:
                await book.reopen()
            async with _telling(self.status, on_progress) as changed:
                for number, stage in enumerate(self.stages):
                    for round in range(stage.rounds):
                        if not await self._round(book, gateway, number, round, changed):
                            break
            return await self.status()

    async def _round(self, book: Book, gateway: Gateway, number: int, round: int, changed: Callable[[], None]) -> bool:
        """One round to its end; False when there is nothing more to ask in its stage."""
        stage = self.stages[number]
        count = book.planned(number, round)
        if count == 0:
            return False
        points = await book.points(number, round) if count else []
        if settled(points, self._policy):
            return True
        sweep = await self._sweep(book, number, round)
        if count is None:
            count = await book.plan(number, round, () if sweep is None else sweep.points())
            changed()
            points = await book.points(number, round)
        if not count:
            return False
        if sweep is None:
            raise UsageError(
                f"stage {stage.name!r} has gone on with round {round}, and now its function gives no sweep"
            )
        where = f"{stage.name}, round {round}" if stage.rounds > 1 else stage.name
        group = Group(
            key=f"{book.campaign_id}-{number}-{round}",
            name=f"{self.name}: {where}",
            tags=dict(zip(_TAGS, (self.name, stage.name, round), strict=True)),
        )
        plan = Plan(
            stage=number,
            round=round,
            name=where,
            group=await gateway.prepare(group, book.group_id(number, round)),
            sweep=sweep,
            outputs=self.outputs,
            read=self._read,
            policy=self._policy,
            changed=changed,
        )
        await Course(book, gateway, plan, points).run()
        return True

    async def _sweep(self, book: Book, number: int, round: int) -> SweepLike | None:
        stage = self.stages[number]
        source = stage.sweep
        if not callable(source):
            return source
        # When a round goes on, its function gets what it got when the round was planned.
        before = {one.name for one in self.stages[:number]}
        known = await read_results(book.store)
        results = Results(
            [one for one in known if one.stage in before or (one.stage == stage.name and one.round < round)]
        )
        try:
            return await anyio.to_thread.run_sync(source, results)
        except Exception as exc:
            exc.add_note(f"from the function of stage {stage.name!r}, given {len(results)} results")
            raise

    def _gateway(self, session: Session | Gateway) -> Gateway:
        if isinstance(session, Gateway):
            return session
        if self._experiment is None:
            raise UsageError("a campaign on COMPS needs an experiment, whose configuration says how simulations run")
        return CompsGateway(session, self._experiment, self._assets)

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[Book]:
        """The store, made if it is not there; it must be of this campaign as it is defined now."""
        facts = await anyio.to_thread.run_sync(
            facts_of, self.name, self.stages, self._experiment, self._assets, self.outputs, self._read
        )
        client = await anyio.to_thread.run_sync(version, "acomps")
        if await anyio.to_thread.run_sync(find_layout, self.folder) is None:
            await self._begin(facts, client)
        kind = await store_cls_from_path(self.folder)
        async with kind(WorkflowFolder(self.folder)) as store:
            found = (await store.get_template()).get("campaign")
            if found is None:
                raise UsageError(f"{self.folder} has a workflow that is no campaign: give another folder")
            known = as_dict(found, "a campaign")
            require_same(self.folder, as_dict(known["definition"], "a definition"), facts)
            book = Book(store, str(known["id"]), f"acomps {client}", self.stages)
            if not await store.get_num_added_tasks():
                await self._add_stages(book)
            await book.read()
            self._book = book
            try:
                yield book
            finally:
                self._book = None

    async def _begin(self, facts: dict[str, object], client: str) -> None:
        folder = self.folder
        await anyio.to_thread.run_sync(lambda: folder.parent.mkdir(parents=True, exist_ok=True))
        template: dict[str, object] = {
            "name": self.name,
            "workflow": None,
            "resources": {},
            "campaign": {"id": secrets.token_hex(8), "definition": facts},
        }
        info: dict[str, object] = {
            "app_info": {"name": "acomps", "version": client},
            "create_time": datetime.now(UTC).strftime(TS_FMT),
            "ts_fmt": TS_FMT,
            "ts_name_fmt": TS_NAME_FMT,
        }
        try:
            await store_cls_from_str(self._store_form).write_empty_workflow(template, {}, folder, None, info)
        except FileExistsError as exc:
            raise UsageError(f"{folder} is there already and has no campaign in it: give a new folder") from exc

    async def _add_stages(self, book: Book) -> None:
        async with book.store.batch_update():
            for number, stage in enumerate(self.stages):
                looped = stage.rounds > 1
                more: dict[str, object] = {"name": stage.name, "rounds": stage.rounds}
                if looped:
                    more["loop"] = stage.loop
                task = Task(insert_ID=number, dir_name=f"task_{number}_{stage.name}", more=more)
                await book.store.add_empty_task(number, task.to_dict())
                if looped:
                    loop = Loop(name=stage.loop, task_insert_IDs=[number], num_iterations=stage.rounds)
                    await book.store.add_loop([number], loop.to_dict(), {})


@asynccontextmanager
async def _telling(
    status: Callable[[], Awaitable[CampaignStatus]], on_progress: Callable[[CampaignStatus], object] | None
) -> AsyncGenerator[Callable[[], None]]:
    """What says that something has moved, so that `on_progress` hears of it, at most twice a second."""
    if on_progress is None:
        yield lambda: None
        return
    moved = anyio.Event()

    def changed() -> None:
        moved.set()

    async def tell() -> None:
        nonlocal moved
        while True:
            await moved.wait()
            moved = anyio.Event()
            began = anyio.current_time()
            on_progress(await status())
            # Of a large campaign the status takes a while to work out.
            await anyio.sleep(max(_TOLD_EVERY_S, _CALM * (anyio.current_time() - began)))

    async with task_group() as tasks:
        tasks.start_soon(tell)
        yield changed
        tasks.cancel_scope.cancel()
    on_progress(await status())
