"""The example runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "cybergis_hello.py"


def test_the_example_greets_and_sweeps(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLE)], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    assert "HELLO CYBERGIS, SAYS TASK 1" in done.stdout
    assert "10 jobs: 10 ended" in done.stdout
    assert [*tmp_path.iterdir()] == [], "nothing is left, and no token is kept"
