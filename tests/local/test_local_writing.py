"""Jobs that write at the same time share a commit, and nothing else."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Column, Connection, MetaData, String, Table, event
from support.local_service import DEADLINE_S, Client, records, running, text, until

from acomps.local.errors import Refused
from acomps.local.records.database import Database, insert_rows

METADATA = MetaData()
WORDS = Table("words", METADATA, Column("word", String, primary_key=True))


def add(word: str) -> Callable[[Connection], None]:
    return lambda connection: insert_rows(connection, WORDS, ("word",), [(word,)])


def fail(connection: Connection) -> None:
    add("half")(connection)
    raise KeyError("the job itself fails")


class Line:
    """Jobs that stand in line behind one that has begun."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(path, METADATA)
        self.commits = 0
        self._threads = ThreadPoolExecutor(16)
        event.listen(self.database._writer, "commit", self._count)  # pyright: ignore[reportPrivateUsage] - what it does

    def _count(self, _connection: Connection) -> None:
        self.commits += 1

    def together(self, *jobs: Callable[[Connection], object]) -> list[Future[None]]:
        """Do the jobs so that each of them waits for the first, which waits for them to come."""
        first, *others = jobs
        begun, go_on = threading.Event(), threading.Event()

        def begin(connection: Connection) -> None:
            begun.set()
            assert go_on.wait(DEADLINE_S)
            first(connection)

        found = [self._threads.submit(self._write, begin)]
        assert begun.wait(DEADLINE_S)
        for count, job in enumerate(others, 1):
            found.append(self._threads.submit(self._write, job))
            until(functools.partial(self._wait_for, count), "the job stands in line")
        go_on.set()
        return found

    def _wait_for(self, count: int) -> bool:
        return self.database._waiting == count  # pyright: ignore[reportPrivateUsage] - nothing else tells who waits

    def _write(self, job: Callable[[Connection], object]) -> None:
        with self.database.writing() as connection:
            job(connection)

    def words(self) -> set[str]:
        """What a stranger sees, who knows only what is committed."""
        with contextlib.closing(sqlite3.connect(self.path)) as stranger:
            return {str(word) for (word,) in stranger.execute("SELECT word FROM words")}

    def close(self) -> None:
        self._threads.shutdown()
        self.database.close()


@pytest.fixture
def line(tmp_path: Path) -> Generator[Line]:
    line = Line(tmp_path / "words.sqlite")
    yield line
    line.close()


def test_jobs_that_come_together_share_a_commit_and_none_goes_on_before_it(line: Line) -> None:
    in_last, go_on = threading.Event(), threading.Event()

    def last(connection: Connection) -> None:
        add("three")(connection)
        in_last.set()
        assert go_on.wait(DEADLINE_S)

    jobs = line.together(add("one"), add("two"), last)
    assert in_last.wait(DEADLINE_S)
    assert not any(job.done() for job in jobs), "nothing is committed yet"
    assert line.words() == set()
    go_on.set()
    for job in jobs:
        job.result(DEADLINE_S)
    assert line.words() == {"one", "two", "three"}
    assert line.commits == 1


@pytest.mark.parametrize("place", range(4))
def test_a_job_that_fails_is_undone_and_disturbs_no_other(line: Line, place: int) -> None:
    words = ["one", "two", "three"]
    jobs: list[Callable[[Connection], None]] = [add(word) for word in words]
    jobs.insert(place, fail)
    done = line.together(*jobs)
    with pytest.raises(KeyError, match="the job itself"):
        done.pop(place).result(DEADLINE_S)
    for job in done:
        job.result(DEADLINE_S)
    assert line.words() == set(words)
    line.together(add("later"))[0].result(DEADLINE_S)
    assert line.words() == {*words, "later"}


def test_when_the_commit_fails_all_who_share_it_are_told(line: Line) -> None:
    def refuse(_connection: Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    writer = line.database._writer  # pyright: ignore[reportPrivateUsage] - this is where a commit can be made to fail
    event.listen(writer, "commit", refuse)
    done = line.together(add("one"), add("two"))
    for job in done:
        with pytest.raises(OSError, match="the database could not be written"):
            job.result(DEADLINE_S)
    event.remove(writer, "commit", refuse)
    assert line.words() == set()
    line.together(add("later"))[0].result(DEADLINE_S)
    assert line.words() == {"later"}


def test_when_the_transaction_breaks_off_nobody_is_told_that_all_is_well(line: Line) -> None:
    def break_off(connection: Connection) -> None:
        # So does SQLite by itself on some failures of the disk.
        connection.exec_driver_sql("ROLLBACK")
        raise KeyError("the job itself fails")

    first, broken = line.together(add("one"), break_off)
    with pytest.raises(OSError, match="the database could not be written"):
        first.result(DEADLINE_S)
    with pytest.raises(KeyError):
        broken.result(DEADLINE_S)
    assert line.words() == set()
    line.together(add("later"))[0].result(DEADLINE_S)
    assert line.words() == {"later"}


def test_a_full_disk_refuses_what_does_not_fit_and_keeps_the_rest(line: Line) -> None:
    def limit(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 1}")

    done = line.together(limit, add("one"), add("x" * 100_000), add("two"))
    wait_for(done, DEADLINE_S)
    failure = done[2].exception()
    assert isinstance(failure, Refused)
    assert failure.status == 507
    told_well = {word for word, job in zip(("one", "two"), (done[1], done[3]), strict=True) if job.exception() is None}
    assert line.words() == told_well


def test_a_refused_save_among_many_leaves_the_others_whole(client: Client) -> None:
    experiment = client.experiment("true")
    stranger = "00000000-0000-0000-0000-000000000001"
    save = {
        number: [
            {
                "Name": f"{number}",
                "ExperimentId": stranger if number % 5 == 4 and at == 9 else experiment,
                "Tags": {"n": at},
            }
            for at in range(10)
        ]
        for number in range(40)
    }
    with ThreadPoolExecutor(16) as threads:
        given = threads.map(functools.partial(client.form, "Simulations"), save.values())
        answers = dict(zip(save, given, strict=True))
    refused = {number for number, answer in answers.items() if answer.status_code == 400}
    assert refused == {number for number in save if number % 5 == 4}
    kept = {entity for number, answer in answers.items() if number not in refused for entity in client.ids(answer)}
    assert {text(one, "Id") for one in client.listed("Simulations", filters=f"ExperimentId={experiment}")} == kept


def test_whatever_was_answered_with_success_survives_a_kill(tmp_path: Path) -> None:
    answered: list[str] = []

    def save_on(client: Client, experiment: str) -> None:
        with contextlib.suppress(httpx.TransportError):
            while True:
                answered.extend(client.simulations(experiment, 20, {"f": os.urandom(100)}, Tags={"n": 1}))

    with running(tmp_path / "data") as service, Client(service) as client, ThreadPoolExecutor(8) as threads:
        experiment = client.experiment("true")
        savers = [threads.submit(save_on, client, experiment) for _ in range(8)]
        until(lambda: len(answered) > 400, "simulations are saved")
        service.kill()
        for saver in savers:
            saver.result(DEADLINE_S)
    with running(tmp_path / "data") as service, Client(service) as client:
        found = client.listed("Simulations", filters=f"ExperimentId={experiment}", children="Tags,Files")
    kept = {text(one, "Id"): one for one in found}
    assert set(answered) <= set(kept)
    assert len(kept) % 20 == 0, "a save is there as a whole or not at all"
    assert all(one["Tags"] == {"n": "1"} and len(records(one["Files"])) == 1 for one in found)
