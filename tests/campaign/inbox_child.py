"""A process that does not own a store and reports to it: `inbox_child.py FOLDER FIRST COUNT`."""

from __future__ import annotations

import sys

import anyio

from acomps.campaign import Reporter


async def main(folder: str, first: int, count: int) -> None:
    """Set so many parameters, several at a time."""
    async with Reporter(folder) as report:

        async def lane(start: int) -> None:
            for index in range(start, first + count, 20):
                await report.set_parameter(index, {"from": first, "index": index})

        async with anyio.create_task_group() as tasks:
            for start in range(first, min(first + 20, first + count)):
                tasks.start_soon(lane, start)


anyio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
