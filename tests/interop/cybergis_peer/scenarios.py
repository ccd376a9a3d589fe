"""What the real client is asked to do; runs in its interpreter, with nothing of this project but this folder."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from typing import Any, Final

__all__ = ["SCENARIOS"]

# The client has no types, and is installed in its own interpreter only.
_library: Any = importlib.import_module("cybergis_compute_client")
_kept: Final[dict[str, Any]] = {}


def connect(host: str, port: int, token: str) -> object:
    """Log in with the variables of a JupyterHub; whether that worked, and as whom."""
    os.environ["JUPYTER_INSTANCE_URL"] = f"http://{host}:{port}"
    os.environ["JUPYTERHUB_API_TOKEN"] = token
    compute = _kept["compute"] = _library.CyberGISCompute(url=host, port=port, protocol="HTTP", isJupyter=True)
    compute.login()
    # Tables are printed from here on.
    compute.isJupyter = False
    return {"username": compute.username, "logged in": compute.is_login(), "file": sorted(os.listdir())}


def again(host: str, port: int) -> object:
    """Log in with the file that the first login has left."""
    del os.environ["JUPYTERHUB_API_TOKEN"]
    compute = _kept["compute"] = _library.CyberGISCompute(url=host, port=port, protocol="HTTP", isJupyter=False)
    compute.login()
    return compute.username


def listing(name: str) -> object:
    """One of the listings, as data, and printed."""
    method = getattr(_kept["compute"], name)
    method()
    return method(raw=True)


def info() -> object:
    """All of the listings, printed."""
    _kept["compute"].list_info(list_maintainer=True, list_container=True)
    return None


def globus_home() -> object:
    """Where results can be brought to."""
    return _kept["compute"].get_user_jupyter_globus()


def create(**arguments: object) -> object:
    """A new job."""
    job = _kept["job"] = _kept["compute"].create_job(**arguments)
    return {"id": job.id, "hpc": job.hpc}


def take(job_id: str) -> object:
    """A job that is there already."""
    job = _kept["job"] = _kept["compute"].get_job_by_id(job_id)
    return job.id


def set_job(**arguments: object) -> object:
    """Tell the job what to run."""
    _kept["job"].set(**arguments)
    return None


def submit() -> object:
    """Submit the job."""
    return _kept["job"].submit().id


def cancel() -> object:
    """Cancel the job as the notebook does."""
    _kept["compute"].job = _kept["job"]
    _kept["compute"].cancel_job()
    return None


def follow() -> object:
    """Follow events and logs to the job's end; the events' own verdict."""
    failed = _kept["job"].events(refreshRateInSeconds=0.1)
    _kept["job"].logs(refreshRateInSeconds=0.1)
    return failed


def state() -> object:
    """What there is about the job."""
    job = _kept["job"]
    job.status()
    found = {"status": job.status(raw=True), "events": job.events(raw=True), "logs": job.logs(raw=True)}
    return {**found, "folders": job.result_folder_content()}


def download(**arguments: object) -> object:
    """Bring the result to the user's own folder."""
    _kept["job"].download_result_folder_by_globus(**arguments)
    return None


def sweep(points: list[dict[str, object]], hpc: str) -> object:
    """Run the default template for each point."""
    _kept["compute"].run_job_using_params(input_params=points, hpc=hpc)
    return None


def ui() -> object:
    """Show the notebook's form, press its button, and wait for the download that it begins by itself."""
    pause = time.sleep
    time.sleep = lambda seconds: pause(min(float(seconds), 0.1))
    compute = _kept["compute"]
    compute.isJupyter = True
    try:
        compute.show_ui(simple=True)
        offered = compute.ui.get_data()
        compute.ui.onSubmitButtonClick()(None)
    finally:
        compute.isJupyter = False
        time.sleep = pause
    return {"offered": offered, "job": compute.job.id, "path": compute.recentDownloadPath}


def request(method: str, route: str, body: dict[str, object]) -> object:
    """A request through the client, with its token."""
    token = _kept["compute"].jupyterhubApiToken
    return _kept["compute"].client.request(method, route, {"jupyterhubApiToken": token, **body})


SCENARIOS: Final[dict[str, Callable[..., object]]] = {
    one.__name__: one
    for one in (connect, again, listing, info, globus_home, create, take, set_job, submit, cancel, follow, state)
} | {one.__name__: one for one in (download, sweep, ui, request)}
