"""`acomps cybergis demo` as a process: what it prints, what it leaves, and that it leaves nothing running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_shows_events_and_logs_and_leaves_the_results(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from acomps.cli import main; main()",
            "cybergis",
            "demo",
            "--into",
            "out",
            "--whom",
            "Ann",
            "--tasks",
            "3",
        ],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("JOB_QUEUED: ")
    assert any(line.startswith("JOB_ENDED: ") for line in lines)
    assert "3 greetings are in all.txt" in lines
    assert lines[-1] == "out: 6 files; the exit code of the job is 0"
    greetings = (tmp_path / "out" / "all.txt").read_text().splitlines()
    assert [line.partition(" of job")[0] for line in greetings] == [f"hello Ann, says task {rank}" for rank in range(3)]
    assert os.listdir(temporary) == []
