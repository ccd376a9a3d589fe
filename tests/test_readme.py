"""What the README shows works as it stands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import acomps
from acomps.comps.child import default_data_dir

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_sweep_in_25_lines_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("COMPS_SERVER", raising=False)
    [program] = [block for block in blocks("python") if "anyio.run(main)" in block]
    body = program.partition("async def main() -> None:\n")[2].partition("\n\n\nanyio.run")[0]
    assert len(body.splitlines()) <= 25
    try:
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        charts = [json.loads(path.read_bytes()) for path in (tmp_path / "results").rglob("InsetChart.json")]
        assert len(charts) == 15
        assert all("Infected" in chart["Channels"] for chart in charts)
    finally:
        running = default_data_dir() / "service.json"
        if running.exists():
            os.kill(json.loads(running.read_bytes())["pid"], signal.SIGTERM)


def test_every_name_of_acomps_that_the_readme_uses_exists() -> None:
    used = set(re.findall(r"\bacomps\.([A-Za-z_]\w*)", README.read_text(encoding="utf-8")))
    rooms = {path.stem for path in Path(acomps.__file__).parent.iterdir()}
    assert {name for name in used if not hasattr(acomps, name) and name not in rooms} == set()


def test_the_picture_that_the_readme_shows_is_there() -> None:
    for target in re.findall(r"\]\((\w[^)]*)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target
