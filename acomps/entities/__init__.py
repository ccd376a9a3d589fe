"""The records of a simulation gateway: frozen values without I/O, one module each."""

from acomps.entities.accounts import Environment, User
from acomps.entities.asset_collection import AssetCollection
from acomps.entities.configuration import Configuration
from acomps.entities.experiment import Experiment
from acomps.entities.files import AssetCollectionFile, OutputFile, SimulationFile, WorkItemFile
from acomps.entities.hpc_job import HpcJob
from acomps.entities.simulation import Simulation
from acomps.entities.states import (
    EntityKind,
    JobState,
    Priority,
    RelationType,
    SimulationState,
    TagOperation,
    WorkItemState,
)
from acomps.entities.suite import Suite
from acomps.entities.tags import Tags, TagValue
from acomps.entities.work_item import Relation, Worker, WorkItem

__all__ = [
    "AssetCollection",
    "AssetCollectionFile",
    "Configuration",
    "EntityKind",
    "Environment",
    "Experiment",
    "HpcJob",
    "JobState",
    "OutputFile",
    "Priority",
    "Relation",
    "RelationType",
    "Simulation",
    "SimulationFile",
    "SimulationState",
    "Suite",
    "TagOperation",
    "TagValue",
    "Tags",
    "User",
    "WorkItem",
    "WorkItemFile",
    "WorkItemState",
    "Worker",
]
