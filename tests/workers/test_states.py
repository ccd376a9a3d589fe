"""The states of work items, step by step as they are recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest
from support.local_service import Running, running, until
from support.work_items import ItemClient

BEFORE = ["CommissionRequested", "Commissioned", "Validating"]
CANCELED = ["CancelRequested", "Canceling", "Canceled"]


class Steps:
    """Has the database itself write down every state that an item gets."""

    def __init__(self, data: Path) -> None:
        self._path = data / "service.sqlite"
        with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            database.execute("CREATE TABLE steps (item TEXT, state TEXT)")
            database.execute(
                "CREATE TRIGGER step AFTER UPDATE OF state ON work_items WHEN old.state <> new.state "
                "BEGIN INSERT INTO steps VALUES (new.id, new.state); END"
            )

    def of(self, item: str) -> list[str]:
        """All states of an item after Created."""
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            rows = database.execute("SELECT state FROM steps WHERE item = ? ORDER BY rowid", (item,)).fetchall()
        return [str(state) for (state,) in rows]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("states") / "data", "--cancel-grace", "1") as service:
        yield service


@pytest.fixture(scope="module")
def client(workplace: Running) -> Generator[ItemClient]:
    with ItemClient(workplace) as logged_in:
        yield logged_in


@pytest.fixture(scope="module")
def steps(workplace: Running) -> Steps:
    return Steps(workplace.data_dir)


def test_an_item_goes_through_every_state_on_its_way(client: ItemClient, steps: Steps) -> None:
    good, bad, wrong = client.command("true"), client.command("false"), client.item({})
    for item in (good, bad, wrong):
        client.run_item(item)
    assert steps.of(good) == [*BEFORE, "Running", "Succeeded"]
    assert steps.of(bad) == [*BEFORE, "Running", "Failed"]
    assert steps.of(wrong) == [*BEFORE, "Failed"]


def test_an_item_that_depends_on_others_waits_and_is_resumed(client: ItemClient, steps: Steps) -> None:
    first, second = client.command("true"), client.command("true")
    client.depend(second, "WorkItem", first)
    client.commission("WorkItems", second)
    client.until_item(second, "Waiting")
    client.run_item(first)
    client.until_item(second, "Succeeded")
    assert steps.of(second) == [*BEFORE, "Running", "Waiting", "ResumeRequested", "Resumed", "Running", "Succeeded"]


def test_an_item_is_cancelled_step_by_step_wherever_it_is(client: ItemClient, steps: Steps) -> None:
    unknown, waiting, active = client.item({}, worker="Nobody"), client.command("true"), client.command("sleep 1000")
    client.depend(waiting, "WorkItem", client.command("true"))
    for item in (unknown, waiting, active):
        client.commission("WorkItems", item)
    client.until_item(waiting, "Waiting")
    client.until_item(active, "Running")
    until((client.item_folder(active) / "stdout.txt").exists, "the command runs")
    for item in (unknown, waiting, active):
        assert client.ask("WorkItems", item, "CancelRequested").status_code == 200
        client.until_item(item, "Canceled")
    assert steps.of(unknown) == ["CommissionRequested", *CANCELED]
    assert steps.of(waiting) == [*BEFORE, "Running", "Waiting", *CANCELED]
    assert steps.of(active) == [*BEFORE, "Running", *CANCELED]


def test_higher_priorities_begin_first(client: ItemClient, workplace: Running, tmp_path: Path) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    # These take all the room that there is.
    first = [client.command(f"while ! test -e '{gate}'; do sleep 0.05; done") for _ in range(16)]
    for item in first:
        client.commission("WorkItems", item)
    for item in first:
        client.until_item(item, "Running")
    later = {
        name: client.command(f"echo {name} >> '{log}'", Priority=name)
        for name in ("Lowest", "BelowNormal", "Normal", "AboveNormal", "Highest")
    }
    for item in later.values():
        client.commission("WorkItems", item)
    for item in later.values():
        client.until_item(item, "Commissioned")
    began = sqlite3.connect(workplace.data_dir / "service.sqlite", timeout=30)
    gate.touch()
    for item in later.values():
        client.until_item(item, "Succeeded")
    with closing(began):
        rows = began.execute("SELECT item FROM steps WHERE state = 'Validating' ORDER BY rowid").fetchall()
    order = [str(item) for (item,) in rows if item in later.values()]
    assert order == list(reversed(later.values()))
