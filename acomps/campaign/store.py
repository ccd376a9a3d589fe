"""The store of a workflow: its life, and all that `Changing` and `Reading` can do."""

from __future__ import annotations

import secrets
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread

from acomps.campaign.changing import Changing
from acomps.campaign.documents import dump
from acomps.campaign.folders import remove_dir, rename_dir
from acomps.campaign.frames import sync_folder
from acomps.campaign.places import OWN
from acomps.campaign.reading import Reading
from acomps.campaign.settings import ForgetReplacedDir
from acomps.campaign.state import State
from acomps.campaign.times import TS_FMT, Times
from acomps.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType

    from acomps.campaign.features import PersistentStoreFeatures
    from acomps.campaign.layout import Layout
    from acomps.campaign.workflow import Workflow

__all__ = ["PersistentStore"]


class PersistentStore(Changing, Reading):
    """The store of a workflow in the workflow's folder; the classes below it differ in the form of their checkpoints.

        async with JSONPersistentStore(WorkflowFolder(path)) as store:
            async with store.batch_update():
                index = await store.add_parameter_data(0.25, {"type": "local_input"})
            await store.set_EAR_start(0, 7, 0, 0)

    It opens itself when it is first used (WorkflowNotFoundError, StoreInUse) and owns the folder until `aclose`, which
    writes a checkpoint. Other processes report through a `Reporter`; what they said is seen from the next
    `cached_load` or `take_in` on.
    """

    #: The folder that was set aside for a workflow that has been deleted since.
    _gone: str | None = None

    async def __aenter__(self) -> Self:
        await self._ledger()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def features(self) -> PersistentStoreFeatures:
        """What workflows in it can do."""
        return self._layout().features

    @property
    def store_name(self) -> str:
        """Its form: "json" or "zarr"."""
        return self._layout().name

    @property
    def store_path(self) -> Path:
        """Its folder, which is the workflow's."""
        return self.workflow_path

    @property
    def workflow(self) -> Workflow:
        """What it was made for."""
        return self._workflow

    @property
    def workflow_path(self) -> Path:
        """The workflow's folder."""
        return self._workflow.path

    @property
    def ts_fmt(self) -> str:
        """The format of times in its files."""
        return self._workflow.ts_fmt

    @classmethod
    async def path_has_store(cls, path: Path) -> bool:
        """Whether the folder has a store of this form."""
        return await anyio.to_thread.run_sync(cls._layout().is_here, Path(path))

    async def exists(self) -> bool:
        """Whether the workflow's folder has a store of this form."""
        return await self.path_has_store(self.workflow_path)

    @classmethod
    async def write_empty_workflow(
        cls,
        template_js: Mapping[str, object],
        template_components_js: Mapping[str, Mapping[str, object]],
        workflow_path: Path,
        replaced_dir: Path | None,
        creation_info: Mapping[str, object],
    ) -> None:
        """Make the folder with a store in it, whole or not at all; FileExistsError when it is there.

        `replaced_dir` is a folder beside it that was set aside for it.
        """
        target = Path(workflow_path)
        template = {**template_js}
        if template.pop("tasks", None) or template.pop("loops", None):
            raise UsageError("the template of an empty workflow has no tasks and loops: add them to the store")
        state = State(dump(creation_info, "creation info"), dump(template, "a template"))
        state.components = {
            kind: {digest: dump(one, "a definition") for digest, one in known.items()}
            for kind, known in template_components_js.items()
        }
        state.replaced_dir = None if replaced_dir is None else _beside(target, Path(replaced_dir))
        times = Times(str(creation_info.get("ts_fmt", TS_FMT)))
        await anyio.to_thread.run_sync(_write_new, cls._layout(), target, state, times)

    @asynccontextmanager
    async def batch_update(self, is_workflow_creation: bool = False) -> AsyncGenerator[None]:
        """Changes that are committed together at the end, or not at all after an error; in a batch, a part of it.

        The batch belongs to this task and those that it starts inside; others see it when it is committed. A new
        workflow whose creation fails is removed, and the folder that was set aside for it brought back.
        """
        try:
            async with self._batched() as new:
                yield
        except BaseException:
            if is_workflow_creation:
                with anyio.CancelScope(shield=True):
                    aside = await self._replaced_dir()
                    await self.delete_no_confirm()
                    if aside is not None:
                        await rename_dir(aside, self.workflow_path)
            raise
        if new and self._open_ledger is not None and await self._replaced_dir() is not None:
            await self.remove_replaced_dir()

    @asynccontextmanager
    async def cached_load(self) -> AsyncGenerator[None]:
        """Take in what other processes have reported, for many reads that follow."""
        await self.take_in()
        yield

    async def take_in(self) -> int:
        """Take in what other processes have reported; gives how many reports were taken."""
        return await (await self._ledger()).take_in()

    async def is_modified_on_disk(self) -> bool:
        """Whether another program changed the store's files since they were read or written here (this is bad)."""
        return await (await self._ledger()).modified()

    async def checkpoint(self) -> None:
        """Write everything committed to the files that other programs can read."""
        await (await self._ledger()).checkpoint()

    async def remove_replaced_dir(self) -> None:
        """Remove the folder that was set aside for this workflow, if there is one."""
        aside = await self._replaced_dir()
        if aside is not None:
            await remove_dir(aside)
            await self._change(ForgetReplacedDir())

    async def reinstate_replaced_dir(self) -> None:
        """Give the folder that was set aside its name back, if there is one; this workflow's must be gone."""
        aside = await self._replaced_dir()
        if aside is not None:
            await rename_dir(aside, self.workflow_path)

    async def copy(self, path: os.PathLike[str] | None = None) -> None:
        """Copy the workflow's folder with all that is committed; beside it as `<name>_copy` if no path is given."""
        source = self.workflow_path
        target = source.with_name(f"{source.stem}_copy{source.suffix}") if path is None else Path(path)
        ledger = await self._ledger()
        await ledger.checkpoint()
        await ledger.undisturbed(lambda: _copied(source, target))

    async def delete(self) -> None:
        """Delete the workflow after a question on the terminal."""
        question = f"Permanently delete the workflow at path {self.workflow_path}; [y]es or [n]o? "
        answer = await anyio.to_thread.run_sync(input, question)
        if answer.strip().lower() in {"y", "yes"}:
            await self.delete_no_confirm()

    async def delete_no_confirm(self) -> None:
        """Delete the workflow's folder, with all that is in it."""
        ledger = await self._ledger()
        self._gone = ledger.state.replaced_dir
        self._open_ledger = None
        await ledger.aclose(abandon=True)
        await remove_dir(self.workflow_path)

    async def aclose(self) -> None:
        """Write a checkpoint and let others own the folder. Batches that are open are lost."""
        if self._open_ledger is not None:
            ledger, self._open_ledger = self._open_ledger, None
            await ledger.aclose()

    async def _replaced_dir(self) -> Path | None:
        name = self._gone if self._gone and self._open_ledger is None else (await self._state()).replaced_dir
        if name is None:
            return None
        if Path(name).name != name:
            raise UsageError(f"the folder {name!r} that was set aside is not one beside {self.workflow_path}")
        return self.workflow_path.with_name(name)


def _beside(target: Path, aside: Path) -> str:
    if aside.absolute().parent != target.absolute().parent:
        raise UsageError(f"{aside} is not beside {target}: only such a folder can be brought back")
    return aside.name


def _write_new(layout: Layout, target: Path, state: State, times: Times) -> None:
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        draft.mkdir()
        layout.write(draft, draft, 0, state, times)
        draft.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copied(source: Path, target: Path) -> None:
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    try:
        shutil.copytree(source, draft, ignore=shutil.ignore_patterns(OWN))
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
