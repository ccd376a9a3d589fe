"""Every verb of every kind of entity, against the real local service."""

from __future__ import annotations

import dataclasses
import uuid
from typing import TYPE_CHECKING

import pytest

import acomps
from acomps import (
    AssetCollection,
    AssetCollectionFile,
    Configuration,
    EntityKind,
    Experiment,
    Priority,
    Query,
    RelationType,
    Session,
    Simulation,
    SimulationFile,
    SimulationState,
    Suite,
    Worker,
    WorkItem,
    WorkItemFile,
    WorkItemState,
)

if TYPE_CHECKING:
    from pathlib import Path

    from acomps.comps.child import Service

WORKER = Worker("NobodysWorker", "1.0")
EVERYTHING = Query().children("tags", "configuration", "files", "hpc_jobs")


async def test_a_suite_with_experiments_comes_back_as_it_was_saved(comps: Session) -> None:
    suite = await comps.suites.save(Suite(name="suite", description="all of it", tags={"a": 1}))
    experiment = await comps.experiments.save(
        Experiment(name="exp", suite_id=suite.id, configuration=Configuration(min_cores=2, priority=Priority.LOWEST))
    )
    read = await comps.suites.get(suite, Query().children("tags", "configuration"))
    assert (read.id, read.name, read.description, read.tags) == (suite.id, "suite", "all of it", {"a": "1"})
    assert read.owner == await comps.user()
    assert read.date_created is not None
    [below] = [one async for one in comps.experiments.of(suite, Query().children("configuration"))]
    assert below.id == experiment.id
    assert below.configuration == Configuration(min_cores=2, priority=Priority.LOWEST)


async def test_a_simulation_comes_back_with_all_its_children(comps: Session) -> None:
    files = (SimulationFile(file_name="config.json", content=b"{}"), SimulationFile(file_name="empty", content=b""))
    saved = await comps.simulations.save(
        Simulation(name="sim", tags={"x": 1.5, "y": True, "z": None}, files=files, configuration=Configuration())
    )
    assert saved.state == SimulationState.CREATED
    assert all(file.content is None and file.md5_checksum is not None for file in saved.files)
    read = await comps.simulations.get(saved, EVERYTHING)
    assert {key: read.tags[key] for key in "xyz"} == {"x": "1.5", "y": "true", "z": ""}
    assert [(file.file_name, file.length, file.md5_checksum) for file in read.files] == [
        (file.file_name, file.length, file.md5_checksum) for file in saved.files
    ]
    assert read.hpc_jobs == ()


async def test_a_work_item_comes_back_as_it_was_saved(comps: Session) -> None:
    order = WorkItemFile(file_name="WorkOrder.json", file_type="WorkOrder", content=b"{}")
    saved = await comps.work_items.save(
        WorkItem(name="item", worker=WORKER, environment_name="Local", priority=Priority.HIGHEST, files=(order,))
    )
    read = await comps.work_items.get(saved, Query().children("files", "tags", "plugins"))
    assert (read.worker, read.environment_name, read.state) == (WORKER, "Local", WorkItemState.CREATED)
    assert (read.priority, read.plugins) == (Priority.HIGHEST, ())
    assert [(file.file_name, file.file_type) for file in read.files] == [("WorkOrder.json", "WorkOrder")]


async def test_work_items_know_what_they_are_related_to_in_both_directions(comps: Session) -> None:
    item = await comps.work_items.save(WorkItem(name="item", worker=WORKER, environment_name="Local"))
    experiment = await comps.experiments.save(Experiment(name="related"))
    await comps.work_items.relate(item, RelationType.DEPENDS_ON, experiment)
    [relation] = await comps.work_items.related(item)
    assert (relation.id, relation.kind, relation.relation_type) == (
        experiment.id,
        EntityKind.EXPERIMENT,
        RelationType.DEPENDS_ON,
    )
    assert await comps.work_items.related(item, RelationType.CREATED) == []
    assert await comps.work_items.parents(experiment) == [item.id]
    assert await comps.work_items.parents(experiment, RelationType.CREATED) == []


async def test_an_asset_collection_comes_back_with_its_folders(comps: Session, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(b"0123456789" * 100_000)
    collection = AssetCollection(
        tags={"Name": "things"},
        assets=(
            AssetCollectionFile(file_name="a.txt", content=b"a"),
            AssetCollectionFile.from_path(big, relative_path="deep/er"),
        ),
    )
    saved = await comps.asset_collections.save(collection)
    read = await comps.asset_collections.get(saved, Query().children("assets", "tags"))
    assert sorted((asset.path, asset.length) for asset in read.assets) == [("a.txt", 1), ("deep/er/big.bin", 1_000_000)]
    assert read.tags == {"Name": "things"}
    fetched = await comps.asset_collections.fetch(saved, "deep\\er\\BIG.bin", tmp_path / "fetched" / "big.bin")
    assert fetched.read_bytes() == big.read_bytes()
    assert (await comps.asset_collections.save(collection)).id == saved.id, "the same again is the same collection"
    with pytest.raises(acomps.UsageError, match="cannot change"):
        await comps.asset_collections.save(saved)


async def test_more_assets_than_fit_into_one_request_are_saved(comps: Session) -> None:
    assets = tuple(AssetCollectionFile(file_name=f"{n}.txt", content=b"%d" % n) for n in range(250))
    saved = await comps.asset_collections.save(AssetCollection(assets=assets))
    read = await comps.asset_collections.get(saved, Query().children("assets"))
    assert len(read.assets) == 250


async def test_tags_are_set_merged_and_deleted(comps: Session) -> None:
    suite = await comps.suites.save(Suite(name="tags", tags={"a": 1, "b": 2}))
    await comps.suites.merge_tags(suite, {"b": 3, "c": None})
    assert (await comps.suites.get(suite, Query().children("tags"))).tags == {"a": "1", "b": "3", "c": ""}
    await comps.suites.delete_tags(suite, "a", "never there")
    assert (await comps.suites.get(suite, Query().children("tags"))).tags == {"b": "3", "c": ""}
    await comps.suites.set_tags(suite, {"only": "this"})
    assert (await comps.suites.get(suite, Query().children("tags"))).tags == {"only": "this"}


async def test_an_update_changes_what_changed_and_merges_the_configuration(comps: Session) -> None:
    experiment = await comps.experiments.save(
        Experiment(name="first", configuration=Configuration(min_cores=2, executable_path="/bin/true"))
    )
    changed = dataclasses.replace(
        experiment, name="second", description="more", configuration=Configuration(min_cores=3)
    )
    assert (await comps.experiments.save(changed)).id == experiment.id
    read = await comps.experiments.get(experiment, Query().children("configuration"))
    assert (read.name, read.description) == ("second", "more")
    assert read.configuration == Configuration(min_cores=3, executable_path="/bin/true")


async def test_an_update_of_a_simulation_adds_files_and_moves_it(comps: Session) -> None:
    first = await comps.experiments.save(Experiment(name="first"))
    second = await comps.experiments.save(Experiment(name="second"))
    saved = await comps.simulations.save(
        Simulation(name="s", experiment_id=first.id, files=(SimulationFile(file_name="a", content=b"a"),))
    )
    added = SimulationFile(file_name="b", content=b"b")
    moved = dataclasses.replace(saved, experiment_id=second.id, files=(*saved.files, added))
    await comps.simulations.save(moved)
    read = await comps.simulations.get(saved, Query().children("files"))
    assert read.experiment_id == second.id
    assert sorted(file.file_name for file in read.files) == ["a", "b"]


async def test_saving_an_unchanged_entity_asks_nothing_of_the_server(comps: Session) -> None:
    read = await comps.suites.get(await comps.suites.save(Suite(name="calm")))
    assert await comps.suites.save(read) is read


async def test_refresh_brings_what_the_server_says_and_keeps_the_rest(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="old", tags={"mine": "yes"}))
    await comps.experiments.save(dataclasses.replace(experiment, name="new"))
    fresh = await comps.experiments.refresh(experiment)
    assert (fresh.name, fresh.tags) == ("new", {"mine": "yes"})
    assert fresh.date_created is not None


async def test_a_deleted_suite_vanishes_with_all_below_it(comps: Session) -> None:
    suite = await comps.suites.save(Suite(name="gone"))
    experiment = await comps.experiments.save(Experiment(name="gone too", suite_id=suite.id))
    simulation = await comps.simulations.save(Simulation(name="and this", experiment_id=experiment.id))
    await comps.suites.delete(suite, expire_now=True)
    for get in (
        comps.suites.get(suite),
        comps.experiments.get(experiment),
        comps.simulations.get(simulation),
    ):
        with pytest.raises(acomps.NotFound):
            await get


async def test_environments_and_users_are_listed_with_their_groups_and_macros(comps: Session) -> None:
    assert "Local" in [environment.name for environment in await comps.environments.list()]
    local = await comps.environments.get("Local")
    assert local.group_name
    assert {"USER", "HOME", "PUBLIC", "BIN", "INPUT"} <= set(local.macros)
    me = await comps.users.me()
    assert me.name == await comps.user()
    assert "Local" in me.environments
    assert me.name in [user.name for user in await comps.users.list()]


async def test_queries_filter_order_select_and_page(comps: Session) -> None:
    experiment = await comps.experiments.save(Experiment(name="queries"))
    sims = [Simulation(name=f"s{n:02}", experiment_id=experiment.id, tags={"n": n}) for n in range(25)]
    (await comps.simulations.save_all(sims)).raise_for_failures()
    scope = Query().where(experiment_id=experiment.id)

    async def names(query: Query) -> list[str]:
        return [one.name for one in await comps.simulations.list(query)]

    assert await names(scope.where("name~s0")) == [f"s{n:02}" for n in range(10)]
    assert await names(scope.where_tag("n>20").order_by("name", descending=True)) == ["s24", "s23", "s22", "s21"]
    assert await names(scope.where_tag(n=3)) == ["s03"]
    assert await names(scope.order_by("name").offset(20).limit(3)) == ["s20", "s21", "s22"]
    assert await names(scope.where_tag("m")) == []
    assert await comps.simulations.count(scope.where_tag("n<=4")) == 5
    [small] = await comps.simulations.list(scope.select("name").limit(1))
    assert small.owner is None


async def test_paging_gives_every_entity_once(service: Service, settings: acomps.Settings) -> None:
    paged = dataclasses.replace(settings, page_size=7)
    async with acomps.connect(
        service.url, username=service.username, password=service.password, settings=paged
    ) as comps:
        experiment = await comps.experiments.save(Experiment(name="pages"))
        sims = [Simulation(name=f"{n}", experiment_id=experiment.id) for n in range(30)]
        report = await comps.simulations.save_all(sims)
        found = [one.id async for one in comps.simulations.of(experiment)]
        assert sorted(found, key=str) == sorted((one.id for one in report.saved), key=str)
        limited = await comps.simulations.list(Query().where(experiment_id=experiment.id).limit(15))
        assert len(limited) == 15


@pytest.mark.parametrize("kind", ["suites", "experiments", "simulations", "work_items", "asset_collections"])
async def test_what_is_not_there_is_not_found_and_named(comps: Session, kind: str) -> None:
    missing = uuid.uuid4()
    with pytest.raises(acomps.NotFound, match=str(missing)):
        await getattr(comps, kind).get(missing)
