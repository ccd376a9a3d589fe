"""The widgets in a real JupyterLab in a real Chromium: drawn, clicked, and kept as a picture."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from anyio import to_thread

from acomps.comps.child import Service
from acomps.cybergis import HubToken


def interpreter() -> str:
    """The interpreter that has JupyterLab: the one that ACOMPS_JUPYTER_PYTHON names, else this one."""
    named = os.environ.get("ACOMPS_JUPYTER_PYTHON")
    if named:
        return named
    for module in ("jupyterlab", "selenium", "ipywidgets"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(
                f"needs {module}: let ACOMPS_JUPYTER_PYTHON name an interpreter that has it and acomps[notebook]"
            )
    return sys.executable


def driver() -> str:
    """The program that drives Chromium."""
    found = shutil.which("chromedriver")
    if found is None:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    return found


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    """Where pictures are kept: the folder that ACOMPS_ARTEFACTS names, else one of this test."""
    folder = Path(os.environ.get("ACOMPS_ARTEFACTS") or tmp_path / "artefacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.timeout(300)
async def test_a_job_is_run_by_clicks_in_jupyterlab(cybergis_service: Service, tmp_path: Path, artefacts: Path) -> None:
    python, chromedriver = interpreter(), driver()
    picture = artefacts / "cybergis_jupyterlab.png"
    work = tmp_path / "lab"
    work.mkdir()
    told = {
        "server": cybergis_service.url,
        "token": HubToken("localhost", cybergis_service.password).encoded,
        "folder": str(work),
        "picture": str(picture),
        "chromedriver": chromedriver,
    }
    peer = Path(__file__).with_name("jupyterlab_peer.py")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([python, str(peer)], input=json.dumps(told), capture_output=True, text=True, timeout=280)

    done = await to_thread.run_sync(run)
    log = work / "lab.log"
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{log.read_text()[-3000:] if log.exists() else ''}"
    seen = json.loads(done.stdout)
    assert "Your Job Status" in seen["text"]
    assert "JupyterLab" in seen["text"]
    assert seen["tables"] >= 3
    assert [*(work / "work").glob("results_*/greetings/task-1.txt")]
    assert picture.stat().st_size > 10_000
    assert cybergis_service.password not in seen["text"]
    assert cybergis_service.password not in log.read_text()
