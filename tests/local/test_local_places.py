"""Working directories that were looked up once are found again, as long as they may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_service import Client, refused, text

from acomps.local.records.places import Place, Places

HERE: Place = ("job", Path("/somewhere"))


class Looking:
    """A look-up that counts, and that something may happen during."""

    def __init__(self, places: Places, found: Place | None = HERE, *, deletion: bool = False) -> None:
        self.looks = 0
        self._places, self._found, self._deletion = places, found, deletion

    def __call__(self) -> Place | None:
        self.looks += 1
        if self._deletion:
            self._places.forget()
        return self._found


def test_a_directory_is_looked_up_once_until_something_is_deleted() -> None:
    places = Places()
    look = Looking(places)
    assert [places.find("simulations", "s", "job", look) for _ in range(3)] == [HERE] * 3
    assert look.looks == 1
    assert places.find("simulations", "another", "job", look) == HERE
    assert look.looks == 2
    places.forget()
    assert places.find("simulations", "s", "job", Looking(places, None)) is None


def test_the_newest_job_is_looked_up_each_time_and_then_known_by_its_id() -> None:
    places = Places()
    look = Looking(places)
    assert [places.find("simulations", "s", None, look) for _ in range(2)] == [HERE] * 2
    assert look.looks == 2
    assert places.find("simulations", "s", "job", look) == HERE
    assert look.looks == 2


def test_what_is_not_there_is_looked_up_each_time() -> None:
    places = Places()
    nothing = Looking(places, None)
    assert [places.find("simulations", "s", "j", nothing) for _ in range(2)] == [None, None]
    assert nothing.looks == 2


def test_what_was_found_during_a_deletion_is_not_remembered() -> None:
    places = Places()
    meanwhile = Looking(places, deletion=True)
    assert places.find("simulations", "s", "job", meanwhile) == HERE
    assert places.find("simulations", "s", "job", Looking(places, None)) is None


def test_so_many_directories_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acomps.local.records.places.MOST", 10)
    places = Places()
    look = Looking(places)
    for _ in range(2):
        for number in range(11):
            places.find("simulations", f"{number}", "job", look)
    assert look.looks > 11


@pytest.mark.parametrize("deleted", ["Simulations", "Experiments"])
def test_the_outputs_of_what_was_deleted_are_gone_at_once(client: Client, deleted: str) -> None:
    experiment = client.experiment("/bin/sh", "-c true")
    simulation, other = client.simulations(client.experiment("true") if deleted == "Simulations" else experiment, 2)
    assert client.run(simulation, other) == ["Succeeded"] * 2
    url = text(client.outputs(simulation)["stdout.txt"], "Url")
    assert [client.http.get(url).status_code for _ in range(2)] == [200, 200]
    gone = simulation if deleted == "Simulations" else experiment
    assert client.http.delete(f"/api/{deleted}/{gone}").status_code == 200
    refused(client.http.get(url), 404)
    if deleted == "Simulations":
        assert client.http.get(text(client.outputs(other)["stdout.txt"], "Url")).status_code == 200
