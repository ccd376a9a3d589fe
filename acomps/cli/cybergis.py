"""`acomps cybergis`: CyberGIS-Compute on this machine, from a template to its results."""

import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from cyclopts import App, Parameter

from acomps.cli.exits import Exit
from acomps.cli.output import out
from acomps.comps.child import start_service
from acomps.cybergis import CyberGISCompute, HubToken, JobPlan

__all__ = ["app"]

app = App(name="cybergis", help="Jobs of CyberGIS-Compute, which the local service runs too.")

TEMPLATE: Final = "hello_world"


@app.command
async def demo(
    *,
    into: Annotated[Path, Parameter(help="The folder for the results; files of the same names are replaced.")] = Path(
        "cybergis-results"
    ),
    whom: Annotated[str, Parameter(help="Who is greeted: the template's one parameter without limits.")] = "world",
    tasks: Annotated[int, Parameter(help="So many processes run its execution stage.")] = 2,
    keep: Annotated[bool, Parameter(negative="", help="Keep the data of the local service.")] = False,
) -> Exit:
    """Run the template hello_world on a local service, and show its events, its logs and where its results are.

    Nothing is left running.

    Example: acomps cybergis demo --whom Ann --tasks 3
    """
    async with _session(keep=keep) as cybergis:
        plan = JobPlan(executable_folder=TEMPLATE, param={"whom": whom}, slurm={"num_of_task": tasks})
        job = await cybergis.submit(plan)
        async for event in job.events():
            out.data(f"{event.type}: {event.message}")
        async for log in job.logs():
            out.data(log.message.rstrip())
        record = await job.status()
        files = await job.download_result_folder(into)
    out.data(f"{into}: {len(files)} files; the exit code of the job is {record.exit_code}")
    return Exit.DONE if record.succeeded else Exit.FAILED


@asynccontextmanager
async def _session(*, keep: bool) -> AsyncGenerator[CyberGISCompute]:
    """A session with a local service of its own; service and data vanish with it."""
    folder = Path(tempfile.mkdtemp(prefix="acomps-cybergis-"))
    try:
        async with start_service(folder / "data") as service:
            place = urlsplit(service.url)
            # What the service gives to its one user counts as a token of its own JupyterHub.
            token = HubToken(place.netloc, service.password)
            host = place.hostname or "127.0.0.1"
            async with CyberGISCompute(host, place.port, "HTTP", token=token) as cybergis:
                out.note(f"Local service at {service.url}, data in {folder}.")
                yield cybergis
    finally:
        if keep:
            out.note(f"The data is kept in {folder}; to look at it again: acomps serve --data-dir {folder / 'data'}")
        else:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
