"""Work items, and what they have to do with other entities."""

from __future__ import annotations

from typing import Any

from interop.peer.library import BuilderWorkItem, data, work_items
from interop.peer.scenario import scenario

_RELATED = ("WorkItem", "Suite", "Experiment", "Simulation", "AssetCollection")
_ADD = {
    "WorkItem": "add_related_work_item",
    "Suite": "add_related_suite",
    "Experiment": "add_related_experiment",
    "Simulation": "add_related_simulation",
    "AssetCollection": "add_related_asset_collection",
}
_GET = {
    "WorkItem": "get_related_work_items",
    "Suite": "get_related_suites",
    "Experiment": "get_related_experiments",
    "Simulation": "get_related_simulations",
    "AssetCollection": "get_related_asset_collections",
}


@scenario(
    "WorkItem.add_related_work_item WorkItem.add_related_suite WorkItem.add_related_experiment",
    "WorkItem.add_related_simulation WorkItem.add_related_asset_collection",
)
def relate(item: str, related: dict[str, str], relation: str) -> None:
    """Relate a work item to one entity of each kind."""
    entity = data.WorkItem.get(item)
    for kind, id in related.items():
        getattr(entity, _ADD[kind])(id, work_items.RelationType[relation])


@scenario(
    "WorkItem.get_related_work_items WorkItem.get_related_suites WorkItem.get_related_experiments",
    "WorkItem.get_related_simulations WorkItem.get_related_asset_collections",
)
def related_to(item: str) -> object:
    """The ids of what a work item is related to, by kind and relation."""
    entity = data.WorkItem.get(item)
    relations: dict[str, Any] = {"any": None, **{one.name: one for one in work_items.RelationType}}
    return {
        kind: {name: [found.id for found in getattr(entity, _GET[kind])(one)] for name, one in relations.items()}
        for kind in _RELATED
    }


@scenario(
    "RelatableEntity.get_parent_related_workitems Suite.get_parent_related_workitems",
    "Experiment.get_parent_related_workitems Simulation.get_parent_related_workitems",
    "WorkItem.get_parent_related_workitems AssetCollection.get_parent_related_workitems",
)
def parents_of(related: dict[str, str], relation: str | None) -> object:
    """The work items that point to entities of each kind."""
    wanted = None if relation is None else work_items.RelationType[relation]
    return {
        kind: [found.id for found in getattr(data, kind).get(id).get_parent_related_workitems(wanted)]
        for kind, id in related.items()
    }


@scenario("BuilderWorkItem.__init__ BuilderWorkItem.save BuilderWorkItem.add_work_order BuilderWorkItem.set_tags")
def save_builder(name: str, order: str, commission: bool = False) -> object:
    """A work item that builds simulations from its order."""
    item = BuilderWorkItem(name, "Local", "builds a sweep")
    item.set_tags({"kind": "Builder"})
    item.add_work_order(data=order.encode())
    item.save()
    if commission:
        item.commission()
    return item.id


@scenario(
    "WorkItem.retrieve_output_file_info WorkItem.retrieve_output_files WorkItem.retrieve_output_files_from_info",
    "WorkItem.static_retrieve_output_files",
)
def read_item_outputs(id: str, paths: list[str]) -> object:
    """The names of a work item's outputs, and the contents of some, asked for in three ways and as a zip."""
    item = data.WorkItem.get(id)
    described = item.retrieve_output_file_info(paths)
    return {
        "names": [found.friendly_name for found in item.retrieve_output_file_info(None)],
        "contents": [
            item.retrieve_output_files(paths),
            item.retrieve_output_files_from_info(described),
            data.WorkItem.static_retrieve_output_files(id, paths),
        ],
        "zip": item.retrieve_output_files(paths, as_zip=True),
    }
