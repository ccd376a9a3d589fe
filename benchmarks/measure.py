"""One workload in a fresh process: wall and CPU seconds, peak memory, and what memory grew by."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import asdict, dataclass

import anyio
import orjson

import acomps
from benchmarks.workloads import WORKLOADS

__all__ = ["Measured", "measure"]

_KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run of a workload cost the client."""

    workload: str
    things: int
    wall_s: float
    cpu_s: float
    grown_mib: float
    peak_mib: float

    @property
    def per_s(self) -> float:
        """Things per second of wall time."""
        return self.things / self.wall_s


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB


async def measure(workload: str, count: int, url: str, username: str, password: str) -> Measured:
    """Run a workload once on a session of its own."""
    async with acomps.connect(url, username=username, password=password) as session:
        await session.environments.list()
        before, wall, cpu = _peak_mib(), time.perf_counter(), time.process_time()
        things = await WORKLOADS[workload](session, count)
        wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        peak = _peak_mib()
        return Measured(
            workload=workload, things=things, wall_s=wall_s, cpu_s=cpu_s, grown_mib=peak - before, peak_mib=peak
        )


if __name__ == "__main__":
    job = orjson.loads(sys.stdin.buffer.read())
    done = anyio.run(measure, job["workload"], job["count"], job["url"], job["username"], job["password"])
    sys.stdout.buffer.write(orjson.dumps(asdict(done)))
