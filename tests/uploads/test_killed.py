"""A process that is killed in the middle of an upload: the same command again sends the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import orjson
from support.fault_proxy import FaultProxy
from uploads.conftest import MakeFile

from acomps.comps.child import Service

MIB = 1024 * 1024
SIZE = 200 * MIB
#: What the service has not yet read when the process dies, per connection.
SOCKET_BYTES = 2 * MIB

COMMAND = """
import sys, anyio, orjson, acomps
from pathlib import Path
job = orjson.loads(sys.argv[1])
settings = acomps.Settings(token_cache_dir=Path(job["folder"]), hash_cache_dir=Path(job["folder"]) / "hashes")

async def main():
    login = {"username": job["username"], "password": job["password"]}
    async with acomps.connect(job["url"], **login, settings=settings) as comps:
        print(await comps.uploads.upload(Path(job["path"])))

anyio.run(main)
"""


async def test_after_a_kill_the_same_command_sends_the_rest(
    service: Service, proxy: FaultProxy, make_file: MakeFile, tmp_path: Path
) -> None:
    path = make_file("large", SIZE)
    job = orjson.dumps(
        {
            "url": proxy.url,
            "username": service.username,
            "password": service.password,
            "folder": str(tmp_path),
            "path": str(path),
        }
    )
    command = [sys.executable, "-c", COMMAND, job.decode()]
    process = await anyio.to_thread.run_sync(lambda: subprocess.Popen(command, stdout=subprocess.DEVNULL))
    try:
        with anyio.fail_after(60):
            while forwarded(proxy) < 80 * MIB:
                await anyio.sleep(0.001)
    finally:
        process.kill()
        await anyio.to_thread.run_sync(process.wait)
    assert process.returncode == -9
    arrived = forwarded(proxy)
    assert arrived < SIZE
    proxy.ledger.clear()
    await anyio.run_process(command)
    assert forwarded(proxy) <= SIZE - arrived + 4 * SOCKET_BYTES
    proxy.ledger.clear()
    await anyio.run_process(command)
    assert forwarded(proxy) == 0


def forwarded(proxy: FaultProxy) -> int:
    return sum(request.forwarded for request in proxy.seen("POST", "/upload/"))
