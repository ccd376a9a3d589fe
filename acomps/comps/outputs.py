"""The files in the working directory of a simulation or work item."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from acomps.entities import HpcJob, OutputFile, Simulation, WorkItem
from acomps.errors import NotFound, UsageError
from acomps.events import Downloaded, Sink, ignore
from acomps.transfer import Promise, fetch_to_file
from acomps.transport import Replay
from acomps.wire import spelling
from acomps.wire.decode import decode_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acomps.transport import Channel

__all__ = ["Outputs"]


class Outputs:
    """`comps.outputs`: of the newest attempt, unless another is named by `job`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def list(
        self, entity: Simulation | WorkItem, paths: Sequence[str] | None = None, *, job: HpcJob | None = None
    ) -> list[OutputFile]:
        """All files, or those at `paths` in their order; NotFound names the first path that is not there.

        Paths are compared without regard to case, and `\\` is the same as `/`. An entity that was never run has no
        working directory, which is NotFound too.
        """
        if isinstance(entity, WorkItem) and job is not None:
            raise UsageError("a work item has no jobs: leave `job` out")
        plural = (spelling.SIMULATION if isinstance(entity, Simulation) else spelling.WORK_ITEM).plural
        query = {"flatten": "1"}
        if job is not None and job.id is not None:
            query["hpcjobid"] = str(job.id)
        answer = await self._channel.call(
            "GET",
            f"asset/{plural}/{entity.saved_id}/Output",
            operation=f"list the output of {entity.described}",
            replay=Replay.SAFE,
            query=[*query.items()],
        )
        found = decode_outputs(answer.json())
        if paths is None:
            return found
        by_path = {file.path.lower(): file for file in found}
        return [_look_up(by_path, path, entity) for path in paths]

    async def read(self, entity: Simulation | WorkItem, path: str, *, job: HpcJob | None = None) -> bytes:
        """The whole of one file, in memory; `download` is for large ones."""
        [file] = await self.list(entity, [path], job=job)
        answer = await self._channel.call(
            "GET", file.url, operation=f"read {path!r} of {entity.described}", replay=Replay.SAFE
        )
        return answer.content

    async def download(
        self,
        entity: Simulation | WorkItem,
        path: str,
        to: Path | str,
        *,
        job: HpcJob | None = None,
        on_progress: Sink = ignore,
    ) -> Path:
        """Fetch one file to the path `to`, whose folders are made; returns it.

        The file appears under its name when it is whole: a failure or cancellation leaves nothing behind.
        """
        target = Path(to)
        [file] = await self.list(entity, [path], job=job)
        promise = Promise(length=file.length, md5=file.md5_checksum)
        async with self._channel.stream(
            "GET", file.url, operation=f"download {path!r} of {entity.described}"
        ) as answer:
            await fetch_to_file(
                answer.chunks(), target, promise, lambda count: on_progress(Downloaded(path=file.path, bytes=count))
            )
        return target


def _look_up(by_path: dict[str, OutputFile], path: str, entity: Simulation | WorkItem) -> OutputFile:
    wanted = path.replace("\\", "/").lower()
    if wanted in by_path:
        return by_path[wanted]
    near = difflib.get_close_matches(wanted, by_path, n=1)
    hint = f"did you mean {by_path[near[0]].path!r}?" if near else f"it has {len(by_path)} files: list them first"
    raise NotFound(f"{entity.described} has no output file {path!r}; {hint}", status=404)
