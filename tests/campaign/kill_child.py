"""Forks a process for each job, which works on a store until it is killed; says how many steps each had confirmed.

A job has a seed, which says what is done, and one of two ways to die: at the n-th time that the process asks the
system for something with a file, or when so many steps are confirmed and a little time has passed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import anyio
from campaign.kill_script import Expected, do, opened, steps

FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "os.scandir"}


def die_at(event_number: int, folder: str) -> None:
    """Kill this process when it is about to do something with a file of the folder, or to sync one: the n-th time."""
    left = event_number
    sync = os.fsync

    def count() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in FILE_EVENTS and any(str(argument).startswith(folder) for argument in arguments):
            count()

    def counted_sync(handle: Any) -> None:
        count()
        sync(handle)

    setattr(os, "fsync", counted_sync)  # noqa: B010 - its type says more than is needed here
    sys.addaudithook(watch)


async def work(job: dict[str, Any], confirm: int) -> None:
    """Make the steps; each one that returned is confirmed by a byte."""
    folder = Path(job["folder"])
    expected = Expected()
    store = opened(job["kind"], folder)
    await store.exists()
    if job["event"]:
        die_at(job["event"], job["folder"])
    for step in steps(job["seed"]):
        store = await do(store, step, expected)
        os.write(confirm, b".")
        expected.after(step)
    await store.aclose()


def one(job: dict[str, Any]) -> int:
    """Fork, let it work, kill it; gives the number of confirmed steps."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            anyio.run(work, job, writing)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    confirmed = 0
    while data := os.read(reading, 1):
        confirmed += len(data)
        if not job["event"] and confirmed >= job["confirmed"]:
            time.sleep(job["pause_s"])
            os.kill(child, signal.SIGKILL)
            break
    while data := os.read(reading, 4096):
        confirmed += len(data)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"job {job} failed by itself")
    return confirmed


if __name__ == "__main__":
    jobs = json.load(sys.stdin)
    json.dump([one(job) for job in jobs], sys.stdout)
