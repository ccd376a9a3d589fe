"""The tables. Ids, md5s, states and times are kept as the text of the wire, so that rows go out as they are.

Times in the protocol's seven-digit UTC form sort like the moments that they name. What is NULL is not sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, text

from acomps.entities.states import EntityKind

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = [
    "TABLES",
    "asset_collections",
    "assets",
    "experiments",
    "files",
    "jobs",
    "metadata",
    "relations",
    "simulations",
    "suites",
    "tags",
    "work_items",
]

metadata: Final = MetaData()


def _folded(name: str) -> Column[str | None]:
    """A text that is compared without regard to case."""
    return Column(name, String(collation="NOCASE"))


def _common() -> tuple[Column[str], ...]:
    return (
        Column("id", String, primary_key=True),
        Column("date_created", String, nullable=False),
        Column("removed_at", String),
        Column("expires_at", String),
    )


def _described() -> tuple[Column[str | None], ...]:
    return (
        _folded("name"),
        _folded("description"),
        _folded("owner"),
        Column("last_modified", String, nullable=False),
    )


suites: Final = Table("suites", metadata, *_common(), *_described(), Column("configuration", String))

experiments: Final = Table(
    "experiments",
    metadata,
    *_common(),
    *_described(),
    Column("suite_id", String),
    Column("configuration", String),
    Index("experiments_of_suite", "suite_id", "id"),
    Index("experiments_of_owner", "owner", "date_created"),
)

simulations: Final = Table(
    "simulations",
    metadata,
    *_common(),
    *_described(),
    Column("experiment_id", String),
    Column("configuration", String),
    Column("state", String, nullable=False),
    Column("error_message", String),
    Index("simulations_of_experiment", "experiment_id", "state", "id", sqlite_where=text("removed_at IS NULL")),
    Index("simulations_in_order", "experiment_id", "id", sqlite_where=text("removed_at IS NULL")),
    Index("simulations_of_owner", "owner", "date_created"),
    Index("simulations_expiring", "expires_at", sqlite_where=text("removed_at IS NOT NULL")),
    Index(
        "simulations_at_work",
        "state",
        "id",
        sqlite_where=text("state IN ('CommissionRequested','Provisioning','Retry','CancelRequested')"),
    ),
)

work_items: Final = Table(
    "work_items",
    metadata,
    *_common(),
    *_described(),
    Column("worker", String),
    _folded("environment_name"),
    Column("state", String, nullable=False),
    Column("error_message", String),
    Column("host_name", String),
    Column("worker_instance_id", String),
    Column("priority", String),
    Column("working_directory", String),
    Column("working_directory_size", Integer),
    Column("asset_collection_id", String),
    Index("work_items_of_state", "state", "id"),
)

asset_collections: Final = Table(
    "asset_collections",
    metadata,
    *_common(),
    # Not part of what clients see.
    _folded("owner"),
    # The groups that it was saved for, in lower case, as a JSON list; without one, those of its owner.
    Column("shown_to", String),
    # A digest of the sorted assets, to find a collection that is posted again.
    Column("fingerprint", String, nullable=False, index=True),
)

TABLES: Final[Mapping[EntityKind, Table]] = {
    EntityKind.SUITE: suites,
    EntityKind.EXPERIMENT: experiments,
    EntityKind.SIMULATION: simulations,
    EntityKind.WORK_ITEM: work_items,
    EntityKind.ASSET_COLLECTION: asset_collections,
}

#: The tags of all entities; ids are unique over all kinds. `number` is the value of a text that reads as a number.
tags: Final = Table(
    "tags",
    metadata,
    Column("entity_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
    Column("number", Float),
    sqlite_with_rowid=False,
)
Index("tags_by_value", tags.c.key.collate("NOCASE"), tags.c.value.collate("NOCASE"))

#: The files of simulations and work items.
files: Final = Table(
    "files",
    metadata,
    Column("entity_id", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("file_name", String, nullable=False),
    Column("file_type", String),
    Column("description", String),
    Column("md5_checksum", String, nullable=False),
    Column("length", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: The files of asset collections; `relative_path` is kept with `/`.
assets: Final = Table(
    "assets",
    metadata,
    Column("entity_id", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("file_name", String, nullable=False),
    Column("relative_path", String, nullable=False),
    Column("tags", String),
    Column("md5_checksum", String, nullable=False),
    Column("length", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: What work items have to do with other entities.
relations: Final = Table(
    "relations",
    metadata,
    Column("work_item_id", String, primary_key=True),
    Column("relation", String, primary_key=True),
    Column("object_id", String, primary_key=True),
    Column("object_type", String, nullable=False),
    Index("relations_of_object", "object_id"),
    sqlite_with_rowid=False,
)

#: One record per attempt to run a simulation (protocol 10.3), and what the executor needs to run it.
jobs: Final = Table(
    "jobs",
    metadata,
    Column("job_id", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("simulation_id", String, nullable=False),
    Column("job_state", String, nullable=False),
    Column("priority", String),
    Column("working_directory", String, nullable=False),
    Column("output_directory_size", Integer),
    Column("submit_time", String, nullable=False),
    Column("start_time", String),
    Column("end_time", String),
    Column("error_message", String),
    Column("configuration", String, nullable=False),
    # The order of the queue: higher ranks first.
    Column("rank", Integer, nullable=False),
    Column("cores", Integer, nullable=False),
    # The environment in which it runs, and the rest of what its executor needs to know, as JSON.
    Column("place", String, nullable=False),
    Column("launch", String, nullable=False),
    # 1 when a cluster's own queue is about to have it, and the number that it got there.
    Column("handed_over", Integer, nullable=False, server_default="0"),
    Column("cluster_id", Integer),
    Column("retries", Integer, nullable=False),
    # 1 when the attempt ended because the service or the machine did; such an attempt is not the simulation's fault.
    Column("lost", Integer, nullable=False, server_default="0"),
    Index("jobs_of_simulation", "simulation_id", "job_id"),
    Index(
        "jobs_waiting",
        "place",
        text("rank DESC"),
        "job_id",
        sqlite_where=text("job_state = 'Queued' AND handed_over = 0"),
    ),
    Index("jobs_queued", "job_id", sqlite_where=text("job_state = 'Queued'")),
    Index("jobs_running", "job_id", sqlite_where=text("job_state = 'Running'")),
    sqlite_autoincrement=True,
)
