"""The tutorial goes the whole way as it stands."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.terminal import Terminal

EXAMPLE = Path(__file__).parents[2] / "examples" / "tutorial.sh"


@pytest.mark.skipif(shutil.which("bash") is None, reason="the tutorial is a script for bash")
def test_the_tutorial_goes_from_the_login_to_the_deletion(tmp_path: Path) -> None:
    """It finds `acomps` on its way, as in an activated environment."""
    home, work, way = (tmp_path / name for name in ("home", "work", "way"))
    for folder in (home, work, way):
        folder.mkdir()
    command = way / "acomps"
    command.write_text(f"#!{sys.executable}\nfrom acomps.cli import main\nmain()\n")
    command.chmod(0o755)
    terminal = Terminal(work, None, home)
    environment = terminal.variables()
    path = f"{way}{os.pathsep}{environment['PATH']}"
    try:
        done = subprocess.run(
            ["bash", str(EXAMPLE)],
            cwd=work,
            env={**environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the rate must be more than 0" in done.stdout
        assert {path.parent.name for path in (work / "results").rglob("run-*.json")} == {"0.3", "0.5", "0.8"}
        with (work / "infected.csv").open(newline="") as file:
            assert len(list(csv.DictReader(file))) == 15 * 30
        assert (work / "infected.png").read_bytes().startswith(b"\x89PNG")
        assert terminal.ids("list", "experiments", "--server", "local") == []
    finally:
        terminal.stop_local()
