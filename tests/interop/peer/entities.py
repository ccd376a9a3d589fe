"""Entities: made, fetched, changed, tagged, listed, deleted."""

from __future__ import annotations

from typing import Any

from interop.peer.library import assets as asset_manager
from interop.peer.library import base, data, jobs, serializing, simulations, tagging, work_items
from interop.peer.scenario import scenario


def kind_named(kind: str) -> Any:
    """The class of that name."""
    return getattr(data, kind)


def is_property(attribute: object) -> bool:
    """True for what is read like a value."""
    return isinstance(attribute, property)


def query(children: list[str] | None = None, fields: list[str] | None = None) -> Any:
    """A query for children and properties."""
    wanted = data.QueryCriteria()
    if children:
        wanted.select_children(children)
    if fields:
        wanted.select(fields)
    return wanted


@scenario("Suite.__init__ Suite.save Suite.set_tags Suite.id Configuration.__init__")
def save_suite(fields: dict[str, Any], configuration: dict[str, Any], tags: dict[str, Any]) -> object:
    """A new suite with everything."""
    suite = data.Suite(**fields, configuration=data.Configuration(**configuration))
    suite.set_tags(tags)
    suite.save()
    return suite.id


@scenario("Experiment.__init__ Experiment.save Experiment.set_tags Experiment.id")
def save_experiment(
    fields: dict[str, Any], configuration: dict[str, Any] | None = None, tags: dict[str, Any] | None = None
) -> object:
    """A new experiment with everything."""
    made = None if configuration is None else data.Configuration(**configuration)
    experiment = data.Experiment(**fields, configuration=made)
    experiment.set_tags(tags or {})
    experiment.save()
    return experiment.id


@scenario(
    "Simulation.__init__ Simulation.save Simulation.set_tags Simulation.add_file Simulation.state",
    "SimulationFile.__init__ SimulationFile.file_name SimulationFile.md5_checksum AssetFile.__init__",
    "AssetFile.get_media_type_from_filename Client.post Client.request",
)
def save_simulation(
    fields: dict[str, Any],
    configuration: dict[str, Any] | None = None,
    tags: dict[str, Any] | None = None,
    files: list[dict[str, Any]] | None = None,
) -> object:
    """A new simulation with everything; the content of its files comes as text."""
    made = None if configuration is None else data.Configuration(**configuration)
    simulation = data.Simulation(**fields, configuration=made)
    simulation.set_tags(tags or {})
    for file in files or []:
        described = data.SimulationFile(file["name"], file["type"], file.get("description", ""))
        simulation.add_file(described, data=file["content"].encode())
    simulation.save()
    return {"id": simulation.id, "state": simulation.state, "owner": simulation.owner}


@scenario(
    "WorkItem.__init__ WorkItem.save WorkItem.set_tags WorkItem.add_file WorkItem.add_work_order WorkItem.id",
    "WorkItemFile.__init__ WorkItem.state WorkItem.worker WorkItem.environment_name",
)
def save_work_item(
    fields: dict[str, Any], worker: list[str], order: str, tags: dict[str, Any], files: dict[str, str]
) -> object:
    """A new work item with everything."""
    priority = data.Priority[fields.pop("priority", "Normal")]
    item = data.WorkItem(worker=work_items.WorkerOrPluginKey(*worker), priority=priority, **fields)
    item.set_tags(tags)
    item.add_work_order(data=order.encode())
    for name, content in files.items():
        item.add_file(data.WorkItemFile(name, "input", "a file"), data=content.encode())
    item.save()
    return {"id": item.id, "state": item.state}


@scenario("Client.get SerializableEntity.rest2py SerializableEntity.convert_if_string")
def fetch(kind: str, id: str, children: list[str] | None = None, fields: list[str] | None = None) -> object:
    """One entity with all its properties as pyCOMPS shows them."""
    return kind_named(kind).get(id, query(children, fields))


@scenario(
    "Suite.get Suite.name Suite.description Suite.owner Suite.date_created Suite.last_modified Suite.tags",
    "Suite.configuration Suite.id Configuration.environment_name Configuration.simulation_input_args",
    "Configuration.working_directory_root Configuration.executable_path Configuration.node_group_name",
    "Configuration.maximum_number_of_retries Configuration.priority Configuration.min_cores",
    "Configuration.max_cores Configuration.exclusive Configuration.asset_collection_id",
)
def fetch_suite(id: str) -> object:
    """A suite, its properties read one by one."""
    return _read(data.Suite.get(id, query(["tags", "configuration"])))


@scenario(
    "Experiment.get Experiment.id Experiment.suite_id Experiment.name Experiment.description Experiment.owner",
    "Experiment.date_created Experiment.last_modified Experiment.tags Experiment.configuration",
)
def fetch_experiment(id: str) -> object:
    """An experiment, its properties read one by one."""
    return _read(data.Experiment.get(id, query(["tags", "configuration"])))


@scenario(
    "Simulation.get Simulation.id Simulation.experiment_id Simulation.name Simulation.description Simulation.owner",
    "Simulation.date_created Simulation.last_modified Simulation.state Simulation.error_message Simulation.tags",
    "Simulation.configuration Simulation.files Simulation.hpc_jobs SerializableEntity.parse_ISO8601_date",
    "SimulationFile.file_type SimulationFile.description SimulationFile.length SimulationFile.uri",
    "AssetFile.file_name AssetFile.md5_checksum AssetFile.length AssetFile.uri",
)
def fetch_simulation(id: str) -> object:
    """A simulation, its properties read one by one."""
    found = _read(data.Simulation.get(id, query(["tags", "configuration", "files", "hpc_jobs"])))
    found["files"] = [_read(file) for file in found["files"] or ()]
    return found


@scenario(
    "HpcJob.job_id HpcJob.job_state HpcJob.priority HpcJob.working_directory HpcJob.output_directory_size",
    "HpcJob.submit_time HpcJob.start_time HpcJob.end_time HpcJob.error_message HpcJob.configuration",
)
def fetch_jobs(id: str) -> object:
    """The jobs of a simulation, their properties read one by one."""
    return [_read(job) for job in data.Simulation.get(id, query(["hpc_jobs"])).hpc_jobs or ()]


@scenario(
    "WorkItem.get WorkItem.id WorkItem.name WorkItem.worker WorkItem.environment_name WorkItem.description",
    "WorkItem.owner WorkItem.date_created WorkItem.last_modified WorkItem.state WorkItem.error_message",
    "WorkItem.host_name WorkItem.worker_instance_id WorkItem.priority WorkItem.working_directory",
    "WorkItem.working_directory_size WorkItem.asset_collection_id WorkItem.tags WorkItem.files WorkItem.plugins",
    "WorkItemFile.file_type WorkItemFile.description WorkItemFile.file_name WorkItemFile.md5_checksum",
    "WorkItemFile.length WorkItemFile.uri SerializableEntity.parse_namedtuple_from_dict",
)
def fetch_work_item(id: str) -> object:
    """A work item, its properties read one by one."""
    found = _read(data.WorkItem.get(id, query(["tags", "files", "plugins"])))
    found["files"] = [_read(file) for file in found["files"] or ()]
    return found


@scenario(
    "AssetCollection.get AssetCollection.id AssetCollection.date_created AssetCollection.tags AssetCollection.assets",
    "AssetCollectionFile.relative_path AssetCollectionFile.tags AssetCollectionFile.file_name",
    "AssetCollectionFile.md5_checksum AssetCollectionFile.length AssetCollectionFile.uri",
)
def fetch_collection(id: str) -> object:
    """An asset collection, its properties read one by one."""
    found = _read(data.AssetCollection.get(id, query(["tags", "assets"])))
    found["assets"] = [_read(file) for file in found["assets"] or ()]
    return found


def _read(entity: Any) -> dict[str, Any]:
    names = {name for kind in type(entity).__mro__ for name, item in vars(kind).items() if isinstance(item, property)}
    found = {name: getattr(entity, name) for name in names if not name.startswith("_")}
    configuration = found.get("configuration")
    if configuration is not None:
        found["configuration"] = _read(configuration)
    return found


@scenario(
    "Suite.refresh Suite.name= Suite.description= Suite.configuration= Suite.save",
    "Experiment.refresh Experiment.name= Experiment.description= Experiment.configuration= Experiment.suite_id=",
    "Simulation.refresh Simulation.name= Simulation.description= Simulation.configuration= Simulation.experiment_id=",
)
def change(suite: str, experiment: str, simulation: str, configuration: dict[str, Any]) -> object:
    """New names, descriptions and configurations, and other parents; the answer is what refreshing shows."""
    children = query(["configuration"])
    found: dict[str, Any] = {}
    parents: dict[str, Any] = {
        "Suite": None,
        "Experiment": ("suite_id", suite),
        "Simulation": ("experiment_id", experiment),
    }
    for kind, id in (("Suite", suite), ("Experiment", experiment), ("Simulation", simulation)):
        entity = kind_named(kind).get(id, children)
        entity.name = f"changed {kind}"
        entity.description = f"a changed {kind}"
        entity.configuration = data.Configuration(**configuration)
        if parents[kind]:
            setattr(entity, *parents[kind])
        entity.save()
        entity.refresh(children)
        found[kind] = _read(entity)
    return found


@scenario("WorkItem.refresh WorkItem.name= WorkItem.description= WorkItem.save WorkItem.files")
def change_work_item(id: str, file: str) -> object:
    """A new name and description, and one more file."""
    item = data.WorkItem.get(id, query(["files"]))
    item.name = "changed WorkItem"
    item.description = "a changed WorkItem"
    item.add_file(data.WorkItemFile(file, "input"), data=b"one more")
    item.save()
    item.refresh(query(["files"]))
    return {"name": item.name, "description": item.description, "files": [each.file_name for each in item.files]}


@scenario("Simulation.add_file Simulation.save Simulation.files")
def add_a_file(id: str, name: str, content: str) -> object:
    """One more file for a saved simulation."""
    simulation = data.Simulation.get(id, query(["files"]))
    simulation.add_file(data.SimulationFile(name, "input"), data=content.encode())
    simulation.save()
    simulation.refresh(query(["files"]))
    return [each.file_name for each in simulation.files]


@scenario("TaggableEntity.set_tags")
def tag(kind: str, id: str, steps: list[list[Any]]) -> object:
    """The tags after each step."""
    entity = kind_named(kind).get(id)
    found: list[object] = []
    for step, tags in steps:
        getattr(entity, f"{step}_tags")(tags)
        found.append(kind_named(kind).get(id, query(["tags"])).tags)
    return found


@scenario(
    "Suite.set_tags Suite.merge_tags Suite.delete_tags Experiment.set_tags Experiment.merge_tags",
    "Experiment.delete_tags Simulation.set_tags Simulation.merge_tags Simulation.delete_tags WorkItem.set_tags",
    "WorkItem.merge_tags WorkItem.delete_tags AssetCollection.set_tags AssetCollection.merge_tags",
    "AssetCollection.delete_tags TaggableEntity.merge_tags TaggableEntity.delete_tags",
)
def tag_all(entities: dict[str, str]) -> object:
    """Every kind's tags after one replacement, one merge and one deletion."""
    found: dict[str, object] = {}
    for kind, id in entities.items():
        entity = kind_named(kind).get(id)
        entity.set_tags({"a": 1, "b": "two"})
        entity.merge_tags({"b": 2.5, "c": None})
        entity.delete_tags({"a": None})
        found[kind] = kind_named(kind).get(id, query(["tags"])).tags
    return found


@scenario("Suite.get_experiments")
def experiments_of(id: str) -> object:
    """The ids of a suite's experiments."""
    return [found.id for found in data.Suite.get(id).get_experiments()]


@scenario("Experiment.get_simulations")
def simulations_of(id: str) -> object:
    """The ids of an experiment's simulations."""
    return [found.id for found in data.Experiment.get(id).get_simulations()]


@scenario("CommissionableEntity.delete Client.delete")
def delete(kind: str, id: str, expire_now: bool = False) -> None:
    """Delete an entity."""
    kind_named(kind).get(id).delete(expire_now)


@scenario("Suite.delete Experiment.delete Simulation.delete WorkItem.delete")
def delete_all(entities: dict[str, str]) -> None:
    """Delete one of each kind."""
    for kind, id in entities.items():
        kind_named(kind).get(id).delete()


@scenario()
def refuse_unsaved() -> object:
    """What pyCOMPS says when it is asked for what only a saved entity can do."""
    said: list[str] = []
    simulation = data.Simulation("unsaved")
    for attempt in (simulation.delete, simulation.refresh, lambda: simulation.merge_tags({"a": 1})):
        try:
            attempt()
        except RuntimeError as exc:
            said.append(str(exc))
    simulations.Simulation._get_dirty_list().clear()
    return said


@scenario("SerializableEntity.py2rest SerializableEntity.convertToDict")
def spell(kind: str) -> object:
    """How pyCOMPS spells every property of a kind on the wire."""
    entity = kind_named(kind)
    made = data.Configuration(environment_name="Local", min_cores=2)
    names: list[str] = [name for name in entity.__dict__ if name[0] != "_" and is_property(entity.__dict__[name])]
    written = serializing.SerializableEntity.convertToDict(made)
    return {"names": dict(zip(names, entity.py2rest(names), strict=True)), "configuration": written}


@scenario("BaseEntity.get_entity_type")
def enumerations() -> object:
    """The members of every enumeration by number, and what named tuples hold."""
    kinds = (
        *(data.Priority, data.AssetType, simulations.SimulationState, work_items.WorkItemState),
        *(work_items.RelationType, jobs.HpcState, tagging.TagOperationMode, asset_manager.EntityType),
    )
    return {
        "enumerations": {kind.__name__: {member.name: member.value for member in kind} for kind in kinds},
        "WorkerOrPluginKey": work_items.WorkerOrPluginKey("a name", "a version"),
        "EntityType": base.get_entity_type(data.Simulation),
    }
