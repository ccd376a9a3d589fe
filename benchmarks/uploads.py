"""`python -m benchmarks.uploads [--latency-ms N] [--pycomps PYTHON]`: large files and collections, side by side.

Every run is a process of its own, in turn, with contents that the service has never seen; what is prepared for it
(the files, a filled cache of hashes, contents that the service is to know already) is not measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from functools import partial
from os import urandom, utime
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import orjson

import acomps
from acomps.comps.child import Service, start_service
from acomps.transfer import HashCache, measured
from benchmarks.pycomps_peer import peak_mib

__all__ = ["Cost", "main"]

MIB: Final = 1024 * 1024
FILES: Final = 5_000
NEW_FILES: Final = 100
FILE_BYTES: Final = 20_000
#: Older than the cache of hashes wants a file to be.
AGE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run cost the client."""

    wall_s: float
    cpu_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Bench:
    """The service, the folder for files, and how large things are."""

    service: Service
    folder: Path
    mib: int

    @property
    def hashes(self) -> Path:
        return self.folder / "hashes"

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
        cache = HashCache(self.hashes)
        measured(path, cache) if hashed else cache.forget(path)
        return path

    async def tree(self, count: int, new: int) -> Path:
        """A folder of files of which the service knows all but `new`."""
        folder = self.folder / "tree"
        known = [_small(folder / f"{number // 100:02}" / f"{number}.bin") for number in range(count - new)]
        settings = acomps.Settings(token_cache_dir=self.hashes)
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
        job = {
            "url": self.service.url,
            "username": self.service.username,
            "password": self.service.password,
            "work": work,
            "path": str(path),
            "hashes": str(self.hashes),
        }
        done = await anyio.run_process(command, input=orjson.dumps(job), stderr=None)
        return Cost(**orjson.loads(done.stdout.splitlines()[-1]))


def _small(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(urandom(FILE_BYTES))
    return path


async def work_once() -> None:
    """This project's side of a job, which comes on stdin."""
    job = orjson.loads(sys.stdin.buffer.read())
    settings = acomps.Settings(hash_cache_dir=Path(job["hashes"]), token_cache_dir=Path(job["hashes"]))
    async with acomps.connect(
        job["url"], username=job["username"], password=job["password"], settings=settings
    ) as session:
        await session.environments.list()
        wall, cpu = time.perf_counter(), time.process_time()
        if job["work"] == "upload":
            await session.uploads.upload(Path(job["path"]))
        else:
            await session.asset_collections.from_directory(job["path"])
        cost = Cost(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu, peak_mib=peak_mib())
    sys.stdout.buffer.write(b"\n" + orjson.dumps(cost))


async def run_all(chosen: argparse.Namespace) -> dict[str, list[Cost]]:
    """All rounds of all contenders, in turn, against one service in its own process."""
    ours = [sys.executable, "-m", "benchmarks.uploads", "--work"]
    theirs = [chosen.pycomps, str(Path(__file__).with_name("pycomps_peer.py"))] if chosen.pycomps else None
    found: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as folder:
        async with start_service(Path(folder) / "data", latency_ms=chosen.latency_ms) as service:
            bench = Bench(service, Path(folder) / "files", chosen.mib)
            bench.folder.mkdir()
            for _ in range(chosen.rounds):
                for name, command, hashed in (
                    ("upload", ours, False),
                    ("upload, hash known", ours, True),
                    ("upload, pyCOMPS", theirs, False),
                ):
                    if command is not None:
                        path = await anyio.to_thread.run_sync(partial(bench.file, hashed=hashed))
                        found.setdefault(name, []).append(await bench.run(command, "upload", path))
                for name, command in (("collection", ours), ("collection, pyCOMPS", theirs)):
                    if command is not None:
                        tree = await bench.tree(chosen.files, min(NEW_FILES, chosen.files))
                        found.setdefault(name, []).append(await bench.run(command, "collection", tree))
    return found


def table(found: dict[str, list[Cost]]) -> str:
    """Medians of the rounds, and how many times longer pyCOMPS takes."""
    lines = [f"{'workload':<22}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'pyCOMPS':>10}"]
    for name, costs in found.items():
        wall = statistics.median(cost.wall_s for cost in costs)
        cpu = statistics.median(cost.cpu_s for cost in costs)
        peak = max(cost.peak_mib for cost in costs)
        peer = found.get(f"{name.partition(',')[0]}, pyCOMPS", [])
        ratio = f"{statistics.median(cost.wall_s for cost in peer) / wall:>9.1f}x" if peer else ""
        lines.append(f"{name:<22}{wall:>9.2f}{cpu:>9.2f}{peak:>10.1f}{ratio}")
    return "\n".join(lines)


def main() -> int:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.uploads", description=__doc__)
    parser.add_argument("--mib", type=int, default=512, help="size of the large file (512)")
    parser.add_argument("--files", type=int, default=FILES, help="files of the collection, 100 of them new (5000)")
    parser.add_argument("--rounds", type=int, default=3, help="the table has their medians (3)")
    parser.add_argument("--latency-ms", type=int, default=0, help="delay of every answer (0)")
    parser.add_argument("--pycomps", metavar="PYTHON", help="an interpreter with idm-pycomps 2.11.0, to compare with")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        anyio.run(work_once)
        return 0
    print(f"{chosen.mib} MiB, {chosen.files} files, {chosen.latency_ms} ms")
    print(table(anyio.run(run_all, chosen)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
