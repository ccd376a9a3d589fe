"""Clearing away what was deleted and what nothing refers to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from support.local_service import Client, md5, running, until

from acomps.entities.states import EntityKind
from acomps.local import ServiceSettings
from acomps.local.accounts.viewers import EVERYBODY
from acomps.local.app import open_core
from acomps.local.core import Core
from acomps.local.errors import UntrackedContents
from acomps.local.files.contents import digest
from acomps.local.jsons import JSON
from acomps.local.records import schema, transitions
from acomps.local.records.drafts import DraftReader
from acomps.local.records.saving import save
from acomps.local.records.sweeping import sweep

DAY = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def core(tmp_path: Path, clock: Clock) -> Iterator[Core]:
    opened = open_core(ServiceSettings(data_dir=tmp_path / "data", cores=1), clock)
    yield opened
    opened.access.close()
    opened.database.close()
    opened.contents.close()


def saved(core: Core, data: bytes, *, put: bool = True) -> str:
    """A simulation with one file."""
    if put:
        core.contents.put({digest(data): data})
    document: dict[str, JSON] = {
        "Name": "s",
        "Tags": {"a": "b"},
        "Files": [{"FileName": "x", "MD5Checksum": digest(data)}],
    }
    reader = DraftReader(EntityKind.SIMULATION, core.environments, "me")
    return save(core, EntityKind.SIMULATION, replace(EVERYBODY, name="me"), [reader.read(document)], {})[0]


def deleted(core: Core, simulation: str, *, at_once: bool = False) -> None:
    with core.database.writing() as connection:
        transitions.delete(connection, core, EntityKind.SIMULATION, simulation, EVERYBODY, at_once=at_once)


def count(core: Core) -> int:
    tables = (schema.simulations, schema.files, schema.tags)
    with core.database.reading() as connection:
        return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def test_what_was_deleted_goes_when_it_has_expired(core: Core, clock: Clock) -> None:
    kept, later, at_once = (saved(core, data) for data in (b"kept", b"later", b"at once"))
    deleted(core, later)
    deleted(core, at_once, at_once=True)
    assert sweep(core).entities == 1
    clock.now += 13 * DAY
    assert sweep(core).entities == 0
    clock.now += 2 * DAY
    assert sweep(core).entities == 1
    assert count(core) == 3
    with core.database.reading() as connection:
        assert connection.scalar(select(schema.simulations.c.id)) == kept


def test_contents_go_when_nothing_has_referred_to_them_for_the_time_of_grace(core: Core, clock: Clock) -> None:
    shared, alone, large = b"shared", b"alone", b"large" * 50_000
    for data in (shared, alone, large):
        deleted(core, saved(core, data), at_once=True)
    saved(core, shared)
    assert sweep(core).contents == 0
    clock.now += 8 * DAY
    assert sweep(core).contents == 2
    assert set(core.contents.lengths([digest(data) for data in (shared, alone, large)])) == {digest(shared)}
    with pytest.raises(UntrackedContents):
        saved(core, alone, put=False)


def test_whoever_asks_for_a_content_keeps_it(core: Core, clock: Clock) -> None:
    asked, put_again, forgotten = (b"asked", b"put again", b"forgotten")
    core.contents.put({digest(data): data for data in (asked, put_again, forgotten)})
    sweep(core)
    clock.now += 8 * DAY
    assert core.contents.lengths([digest(asked)])
    core.contents.put({digest(put_again): put_again})
    assert sweep(core).contents == 1
    saved(core, asked, put=False)
    saved(core, put_again, put=False)
    clock.now += 8 * DAY
    assert sweep(core).contents == 0


def test_what_was_referred_to_after_it_came_on_the_list_stays(core: Core, clock: Clock) -> None:
    data = b"raced"
    core.contents.put({digest(data): data})
    # A save that had asked for the content before the sweep, and ends after it.
    core.contents.lengths([digest(data)])
    sweep(core)
    with core.database.writing() as connection:
        row = {"entity_id": "x", "position": 0, "file_name": "f", "md5_checksum": digest(data), "length": 5}
        connection.execute(insert(schema.files).values(row))
    clock.now += 8 * DAY
    assert sweep(core).contents == 0
    assert core.contents.fetch([digest(data)]) == {digest(data): data}


def test_the_list_of_what_is_leaving_outlives_a_restart(core: Core, clock: Clock, tmp_path: Path) -> None:
    data = b"left behind"
    core.contents.put({digest(data): data})
    sweep(core)
    clock.now += 8 * DAY
    again = open_core(ServiceSettings(data_dir=tmp_path / "data", cores=1), clock)
    try:
        assert sweep(again).contents == 1
    finally:
        again.access.close()
        again.database.close()
        again.contents.close()


def test_saving_while_contents_are_freed_never_refers_to_nothing(core: Core) -> None:
    """Without any grace: a save finds its content, or hears that it must send it again."""
    sweeping = replace(core, settings=replace(core.settings, keep_unreferenced_s=0.0))
    stop = threading.Event()

    def sweep_on() -> None:
        while not stop.is_set():
            sweep(sweeping)

    sweeper = threading.Thread(target=sweep_on)
    sweeper.start()
    try:
        for number in range(150):
            data = b"content %d" % (number % 7)
            core.contents.put({digest(data): data})
            try:
                simulation = saved(core, data, put=False)
            except UntrackedContents:
                continue
            if number % 2:
                deleted(core, simulation, at_once=True)
    finally:
        stop.set()
        sweeper.join()
    with core.database.reading() as connection:
        referenced = {str(found) for found in connection.scalars(select(schema.files.c.md5_checksum))}
    assert referenced
    assert set(core.contents.lengths(list(referenced))) == referenced


def test_the_service_clears_away_the_working_directories_of_what_was_deleted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "service.toml").write_text("[service]\nsweep_every_s = 0.2\nkeep_unreferenced_s = 0.2\n")
    with running(data, "--cores", "1") as service, Client(service) as client:
        content = b"input that only this simulation has"
        simulation = client.simulations(client.experiment("/bin/echo", "hello"), files={"in.txt": content})[0]
        assert client.run(simulation) == ["Succeeded"]
        directory = client.workdir(simulation)
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "precious").write_text("x")
        (directory / "link").symlink_to(outside, target_is_directory=True)
        assert client.http.delete(f"/api/Simulations/{simulation}").status_code == 200
        assert directory.is_dir()
        other = client.simulations(client.experiment("/bin/echo", "hello"))[0]
        assert client.run(other) == ["Succeeded"]
        gone = client.workdir(other)
        assert client.http.delete(f"/api/Simulations/{other}?expirenow=True").status_code == 200
        until(lambda: not gone.exists(), "the working directory is removed")
        assert directory.is_dir()
        assert (outside / "precious").read_text() == "x"
        assert client.http.get(f"/api/upload/check/{md5(content)}").status_code == 200
