"""Several people with pyCOMPS: who sees what, and who may change it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from support.local_service import record, text, until

from interop.both import listed
from interop.pycomps import Peer, PeerError, Util, started
from interop.serving import serving

PASSWORD = "correct horse battery"
GROUPS = {"ada": "SOUTH", "ben": "SOUTH", "eve": "NORTH"}
ENVIRONMENTS = {"Belegost": "SOUTH", "Nibbler": "NORTH"}


def configuration() -> str:
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    users = (
        f'[[users]]\nname = "{name}"\ngroups = ["{group}"]\npassword_hash = "{hashed}"\n'
        for name, group in GROUPS.items()
    )
    places = (f'[[environments]]\nname = "{name}"\ngroup = "{group}"\n' for name, group in ENVIRONMENTS.items())
    return "\n".join([*users, *places])


@pytest.fixture(scope="module")
def url(pycomps_python: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A service with users."""
    del pycomps_python
    with serving(tmp_path_factory.mktemp("people"), configuration()) as told:
        yield text(told, "url")


@pytest.fixture(scope="module")
def people(pycomps_python: str, url: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Peer]]:
    """Everybody's pyCOMPS, logged in."""
    with contextlib.ExitStack() as stack:
        peers = {name: stack.enter_context(started(pycomps_python, tmp_path_factory.mktemp(name))) for name in GROUPS}
        for name, peer in peers.items():
            assert peer.record("log_in", url=url, given=[[name, "wrong"], [name, PASSWORD]])["asked"] == 2
        yield peers


@pytest.fixture(scope="module")
def failed(people: dict[str, Peer]) -> tuple[str, str]:
    """An experiment of Ada's, and the simulation in it, which failed."""
    ada = people["ada"]
    settings = {"environment_name": "Belegost", "executable_path": "false"}
    suite = ada.text("save_suite", fields={"name": "Ada's"}, configuration=settings, tags={})
    experiment = ada.text("save_experiment", fields={"name": "Ada's", "suite_id": suite})
    files = [{"name": "config.json", "type": "input", "content": "{}"}]
    saved = ada.record(
        "save_simulation", fields={"name": "Ada's", "experiment_id": experiment}, tags={"whose": "Ada's"}, files=files
    )
    simulation = text(saved, "id")
    ada.ask("commission", kind="Experiment", id=experiment)
    until(lambda: ada.record("fetch", kind="Simulation", id=simulation)["state"] == "Failed", "it fails")
    return experiment, simulation


def test_the_token_names_groups_and_environments(people: dict[str, Peer]) -> None:
    for name, peer in people.items():
        found = peer.record("token")
        assert found["username"] == name
        assert found["groups"] == [GROUPS[name]]
        assert found["environments"] == [place for place, group in ENVIRONMENTS.items() if group == GROUPS[name]]


def test_a_group_sees_the_work_of_its_members_and_nobody_else_does(
    people: dict[str, Peer], failed: tuple[str, str]
) -> None:
    experiment, simulation = failed
    assert people["ben"].list("simulations_of", id=experiment) == [simulation]
    assert people["ben"].record("fetch", kind="Simulation", id=simulation)["owner"] == "ada"
    assert len(people["ben"].list("outputs_of", id=simulation)) == 3
    for kind, id in (("Experiment", experiment), ("Simulation", simulation)):
        with pytest.raises(PeerError, match=f"404 NotFound - Failed to retrieve {kind.lower()} for given id"):
            people["eve"].ask("fetch", kind=kind, id=id)
    assert people["eve"].list("find", kind="Simulation") == []
    with pytest.raises(PeerError, match="404 NotFound"):
        people["eve"].ask("outputs_of", id=simulation)


def test_only_the_owner_changes_anything(people: dict[str, Peer], failed: tuple[str, str]) -> None:
    experiment, simulation = failed
    ben = people["ben"]
    attempts: list[tuple[str, dict[str, object]]] = [
        ("tag", {"kind": "Simulation", "id": simulation, "steps": [["set", {"mine": "now"}]]}),
        ("commission", {"kind": "Experiment", "id": experiment}),
        ("cancel", {"kind": "Simulation", "id": simulation}),
        ("delete", {"kind": "Experiment", "id": experiment}),
        ("add_a_file", {"id": simulation, "name": "mine.txt", "content": "mine"}),
        ("save_simulation", {"fields": {"name": "mine", "experiment_id": experiment}}),
    ]
    for scenario, arguments in attempts:
        with pytest.raises(PeerError, match=r"403 Forbidden - .*ada"):
            ben.ask(scenario, **arguments)
    with pytest.raises(PeerError, match="invalid environment-name: Nibbler"):
        ben.ask("save_experiment", fields={"name": "e"}, configuration={"environment_name": "Nibbler"})


def test_a_clone_of_somebody_elses_simulation_gets_an_experiment_of_its_own(
    people: dict[str, Peer], failed: tuple[str, str], url: str, tmp_path: Path
) -> None:
    experiment, simulation = failed
    ben = people["ben"]
    Util(ben.python, url, ben.folder).lines(tmp_path, "clone_simulation", simulation)
    [made] = ben.list("find_whole", kind="Experiment", where=["owner=ben"], select_children=["tags", "configuration"])
    assert record(made)["name"] == "Dummy Experiment"
    assert record(made)["tags"] == {"ClonedFromExperiment": experiment}
    # What the original inherits from its suite is said by the new one itself.
    assert record(record(made)["configuration"])["executable_path"] == "false"
    [clone] = ben.list("simulations_of", id=record(made)["id"])
    found = ben.record("fetch", kind="Simulation", id=clone, children=["tags", "files"])
    assert found["tags"] == {"ClonedFromSimulation": simulation, "whose": "Ada's"}
    assert [record(file)["file_name"] for file in listed(found["files"])] == ["config.json"]


def test_what_failed_for_somebody_else_is_run_again_in_a_new_experiment(
    people: dict[str, Peer], failed: tuple[str, str], url: str, tmp_path: Path
) -> None:
    experiment, simulation = failed
    ben = people["ben"]
    before = {record(one)["id"] for one in ben.list("find_whole", kind="Experiment", where=["owner=ben"])}
    said = Util(ben.python, url, ben.folder).lines(tmp_path, "rerunsims", experiment)
    assert "Current user is not the owner of the original experiment" in said
    [new] = {record(one)["id"] for one in ben.list("find_whole", kind="Experiment", where=["owner=ben"])} - before
    [again] = ben.list("simulations_of", id=new)
    until(lambda: ben.record("fetch", kind="Simulation", id=again)["state"] == "Failed", "it fails again")
    assert "ClonedToRerun" not in record(
        ben.record("fetch", kind="Simulation", id=simulation, children=["tags"])["tags"]
    )


def test_a_collection_is_for_the_group_of_an_environment(people: dict[str, Peer]) -> None:
    ada = people["ada"]
    files = [{"name": "a.txt", "content": str(uuid.uuid4())}]
    collection = ada.text("save_collection", files=files, environment="Belegost")
    assert people["ben"].record("fetch_collection", id=collection)["id"] == collection
    with pytest.raises(PeerError, match="404 NotFound"):
        people["eve"].ask("fetch", kind="AssetCollection", id=collection)
    with pytest.raises(PeerError, match=r"(?i)invalid environment-name: Nibbler"):
        ada.ask("save_collection", files=files, environment="Nibbler")


def test_everybody_finds_those_of_their_groups(people: dict[str, Peer], url: str, tmp_path: Path) -> None:
    utils = {name: Util(peer.python, url, peer.folder) for name, peer in people.items()}
    assert '    "UserName": "ada",' in utils["ben"].lines(tmp_path, "get_user_info", "ada")
    assert utils["eve"].lines(tmp_path, "get_user_info", "ada") == ["User ada not found"]
