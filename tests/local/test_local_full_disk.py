"""A full disk: every request is answered with 507 or done whole, and all goes on when there is room again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from support.local_service import Client, md5, refused, running, text

MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A disk of its own with little space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "acomps-test", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount on this machine")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Take all the space that there is but for a few bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        if leave:
            file.truncate(max(0, file.tell() - leave))
    return filler


@pytest.mark.parametrize("size", [1_000, 3 * MIB], ids=["small", "large"])
def test_what_does_not_fit_is_refused_whole_and_what_was_answered_is_there(small_disk: Path, size: int) -> None:
    with running(small_disk / "data") as service, Client(service) as client:
        experiment = client.experiment("true")
        filler = fill(small_disk, leave=8 * MIB)
        saved: list[str] = []
        answer: httpx.Response | None = None
        for number in range(200):
            contents = {f"{index}.bin": os.urandom(size) for index in range(1 if size > MIB else 100)}
            described = [{"FileName": name, "MD5Checksum": md5(data)} for name, data in contents.items()]
            document = {"ExperimentId": experiment, "Name": f"simulation {number}", "Files": described}
            answer = client.form("Simulations", [document], [*contents.values()])
            if answer.status_code != 200:
                break
            saved += client.ids(answer)
        assert answer is not None
        refused(answer, 507, "disk of the service is full")
        assert saved
        assert sorted(text(one, "Id") for one in client.listed("Simulations", fields="Id")) == sorted(saved)
        assert list((service.data_dir / "contents" / "incoming").iterdir()) == []
        filler.unlink()
        saved += client.simulations(experiment, files={"a": b"b"})
        service.kill()
    with running(small_disk / "data") as service, Client(service) as client:
        assert sorted(text(one, "Id") for one in client.listed("Simulations", fields="Id")) == sorted(saved)


def test_records_that_do_not_fit_are_refused_and_go_in_later(small_disk: Path) -> None:
    with running(small_disk / "data") as service, Client(service) as client:
        filler = fill(small_disk)
        names: list[str] = []
        answer: httpx.Response | None = None
        for number in range(2_000):
            answer = client.http.post("/api/Suites", json={"Suites": [{"Name": f"{number} " + "x" * 900}]})
            if answer.status_code != 200:
                break
            names += client.ids(answer)
        assert answer is not None
        refused(answer, 507, "disk of the service is full")
        assert len(client.listed("Suites", count="10000", fields="Id")) == len(names)
        filler.unlink()
        client.save("Suites", Name="fits")
        assert len(client.listed("Suites", count="10000", fields="Id")) == len(names) + 1


def test_simulations_wait_for_space_and_then_run(small_disk: Path) -> None:
    with running(small_disk / "data") as service, Client(service) as client:
        experiment = client.experiment("true")
        small = client.simulations(experiment)
        simulations = client.simulations(experiment, 3, files={"large": os.urandom(3 * MIB)})
        filler = fill(small_disk, leave=MIB)
        client.commission("Experiments", experiment)
        client.wait(small, "Succeeded")
        # They are prepared together with the small one, after it.
        assert {client.state(simulation) for simulation in simulations} <= {"CommissionRequested", "Provisioning"}
        filler.unlink()
        client.wait(simulations, "Succeeded")
        assert [len(client.jobs(simulation)) for simulation in simulations] == [1, 1, 1]
        assert service.process.poll() is None
