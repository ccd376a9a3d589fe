"""`python -m benchmarks.uploads [--latency-ms N] [--pycomps PYTHON]`: large files and collections, side by side.

Every run is a process of its own, in turn, with contents that the service has never seen; what is prepared for it
(the files, a filled cache of hashes, contents that the service is to know already) is not measured.
"""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from functools import partial
from os import urandom, utime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

import acomps
from acomps.comps.child import Service, start_service
from acomps.transfer import HashCache, measured
from benchmarks.sidebyside import PEER, Cost, Job, arguments, ours, run_job, table, theirs, work_once

if TYPE_CHECKING:
    import argparse

__all__ = ["main"]

_PROGRAM: Final = "benchmarks.uploads"

MIB: Final = 1024 * 1024
FILES: Final = 5_000
NEW_FILES: Final = 100
FILE_BYTES: Final = 20_000
#: Older than the cache of hashes wants a file to be.
AGE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Bench:
    """The service, the folder for files, and how large things are."""

    service: Service
    folder: Path
    mib: int

    def file(self, *, hashed: bool) -> Path:
        """A large file that is new to everybody, its hash known or not."""
        path = self.folder / "large.bin"
        block = urandom(MIB)
        with path.open("wb") as handle:
            handle.write(uuid.uuid4().bytes)
            for _ in range(self.mib - 1):
                handle.write(block)
            handle.write(block[16:])
        then = time.time() - AGE_S
        utime(path, (then, then))
        cache = HashCache(self.folder)
        measured(path, cache) if hashed else cache.forget(path)
        return path

    async def tree(self, count: int, new: int) -> Path:
        """A folder of files of which the service knows all but `new`."""
        folder = self.folder / "tree"
        known = [_small(folder / f"{number // 100:02}" / f"{number}.bin") for number in range(count - new)]
        settings = acomps.Settings(token_cache_dir=self.folder)
        async with acomps.connect(
            self.service.url, username=self.service.username, password=self.service.password, settings=settings
        ) as session:
            assets = tuple(acomps.AssetCollectionFile.from_path(path, file_name=path.stem) for path in known)
            await session.asset_collections.save(acomps.AssetCollection(assets=assets))
        for number in range(new):
            _small(folder / "new" / f"{number}.bin")
        return folder

    async def run(self, command: list[str], work: str, path: Path) -> Cost:
        """Have a process do the work."""
        return await run_job(command, self.service, {"work": work, "path": str(path), "folder": str(self.folder)})


def _small(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(urandom(FILE_BYTES))
    return path


async def work(session: acomps.Session, job: Job) -> None:
    """This project's side of a job."""
    if job["work"] == "upload":
        await session.uploads.upload(Path(job["path"]))
    else:
        await session.asset_collections.from_directory(job["path"])


async def run_all(chosen: argparse.Namespace) -> dict[str, list[Cost]]:
    """All rounds of all contenders, in turn, against one service in its own process."""
    we, they = ours(_PROGRAM), theirs(chosen.pycomps)
    found: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as folder:
        async with start_service(Path(folder) / "data", latency_ms=chosen.latency_ms) as service:
            bench = Bench(service, Path(folder) / "files", chosen.mib)
            bench.folder.mkdir()
            for _ in range(chosen.rounds):
                for name, command, hashed in (
                    ("upload", we, False),
                    ("upload, hash known", we, True),
                    ("upload" + PEER, they, False),
                ):
                    if command is not None:
                        path = await anyio.to_thread.run_sync(partial(bench.file, hashed=hashed))
                        found.setdefault(name, []).append(await bench.run(command, "upload", path))
                for name, command in (("collection", we), ("collection" + PEER, they)):
                    if command is not None:
                        tree = await bench.tree(chosen.files, min(NEW_FILES, chosen.files))
                        found.setdefault(name, []).append(await bench.run(command, "collection", tree))
    return found


def main() -> int:
    """Parse the command line, run, print."""
    parser = arguments(_PROGRAM, __doc__)
    parser.add_argument("--mib", type=int, default=512, help="size of the large file (512)")
    parser.add_argument("--files", type=int, default=FILES, help="files of the collection, 100 of them new (5000)")
    chosen = parser.parse_args()
    if chosen.work:
        anyio.run(work_once, work)
        return 0
    print(f"{chosen.mib} MiB, {chosen.files} files, {chosen.latency_ms} ms")
    print(table(anyio.run(run_all, chosen)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
