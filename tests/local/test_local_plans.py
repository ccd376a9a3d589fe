"""What is asked of large databases is answered by their indexes, in order, without sorting."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from sqlalchemy import ClauseElement, func, select
from sqlalchemy.dialects import sqlite

from acomps.entities.states import EntityKind
from acomps.local.accounts.viewers import EVERYBODY
from acomps.local.records import schema
from acomps.local.records.database import Database
from acomps.local.records.queries import read_listing

EXPERIMENT = "00000000-0000-0000-0000-000000000001"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Generator[Database]:
    database = Database(tmp_path_factory.mktemp("plans") / "service.sqlite", schema.metadata)
    yield database
    database.close()


def plan(database: Database, statement: ClauseElement) -> str:
    """How SQLite goes about a statement."""
    sql = str(statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with database.reading() as connection:
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql.replace('%', '%%')}").all()
    return "; ".join(str(step[-1]) for step in steps)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"filters": f"ExperimentId={EXPERIMENT},SimulationState=Succeeded"}, "simulations_of_experiment"),
        ({"filters": f"SimulationState=Failed,ExperimentId={EXPERIMENT}"}, "simulations_of_experiment"),
        ({"filters": f"ExperimentId={EXPERIMENT}"}, "simulations_in_order"),
        ({"filters": f"Id={EXPERIMENT}"}, "sqlite_autoindex_simulations_1"),
    ],
)
def test_filters_of_simulations_use_an_index_and_sort_nothing(
    database: Database, query: dict[str, str], index: str
) -> None:
    listing = read_listing(EntityKind.SIMULATION, query, EVERYBODY, 1_000)
    table = schema.simulations
    page = select(table.c.id).where(*listing.conditions).order_by(*listing.order).limit(100)
    found = plan(database, page)
    assert index in found
    assert "SCAN" not in found
    assert "TEMP B-TREE" not in found
    counted = plan(database, select(func.count()).select_from(table).where(*listing.conditions))
    assert "SEARCH" in counted
    assert "SCAN" not in counted


def test_looking_for_the_key_of_a_batch_reads_no_other_tags(database: Database) -> None:
    listing = read_listing(EntityKind.SIMULATION, {"tagfilters": "acomps_key~0123456789abcdef"}, EVERYBODY, 1_000)
    found = plan(database, select(schema.simulations.c.id).where(*listing.conditions).order_by(*listing.order))
    assert "tags_by_value" in found
    assert "SCAN tags" not in found
    assert "SCAN simulations" not in found
