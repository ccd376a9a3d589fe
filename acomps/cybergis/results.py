"""A job's result folder over plain HTTP: as a zip, or unpacked."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import stat
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from acomps.cybergis.line import segment
from acomps.errors import MalformedAnswer
from acomps.events import Downloaded
from acomps.transfer import Promise, fetch, place_below

if TYPE_CHECKING:
    from acomps.cybergis.line import Line
    from acomps.events import Sink

__all__ = ["fetch_zip", "unpacked"]


async def fetch_zip(line: Line, job_id: str, to: Path | str, on_progress: Sink) -> Path:
    """The result folder as a zip at `to`, whose folder is made; it appears whole or not at all."""
    target = Path(to)
    operation = f"download the results of job {job_id}"
    await line.access.current()
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}")

    def tell(count: int) -> None:
        on_progress(Downloaded(path=target.name, bytes=count))

    try:
        route = f"job/{segment(job_id)}/result-folder-zip"
        await fetch(line.channel, route, part, Promise(), operation=operation, digest=False, on_bytes=tell)
        await to_thread.run_sync(partial(_publish, part, target, operation))
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(partial(part.unlink, missing_ok=True))
    return target


async def unpacked(line: Line, job_id: str, into: Path | str, below: str, on_progress: Sink) -> tuple[Path, ...]:
    """The files of the result folder at `below` in it, put below `into`; no name in the zip leaves it."""
    folder = await to_thread.run_sync(tempfile.mkdtemp)
    try:
        file = await fetch_zip(line, job_id, Path(folder, "results.zip"), on_progress)
        return await to_thread.run_sync(partial(_unpack, file, Path(into), below.strip("/")))
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))


def _publish(part: Path, target: Path, operation: str) -> None:
    if not zipfile.is_zipfile(part):
        raise MalformedAnswer(f"{operation}: what the server sent is no zip")
    part.replace(target)


def _unpack(file: Path, into: Path, below: str) -> tuple[Path, ...]:
    done: list[Path] = []
    with zipfile.ZipFile(file) as archive:
        # All names are checked before the first file is written.
        places = [(info, place_below(into, info.filename)) for info in archive.infolist() if _is_wanted(info, below)]
        for info, place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
            try:
                with archive.open(info) as source, part.open("xb") as sink:
                    shutil.copyfileobj(source, sink, 1024 * 1024)
                part.replace(place)
            except BaseException:
                with contextlib.suppress(OSError):
                    part.unlink()
                raise
            done.append(place)
    return tuple(done)


def _is_wanted(info: zipfile.ZipInfo, below: str) -> bool:
    """Whether a member is in the folder, and neither a folder nor a link, which could point anywhere."""
    if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
        return False
    return not below or info.filename.startswith(f"{below}/")
