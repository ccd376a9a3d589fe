"""How COMPS spells the entities and their fields (protocol 3.1 and 3.2).

Both ends of the wire use these tables: the client to write queries and read answers, the local service the other
way round. Names are python's on the left and the wire's on the right.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from acomps.entities import EntityKind
from acomps.errors import UnknownField

__all__ = [
    "ASSET_COLLECTION",
    "ASSET_FILE",
    "CONFIGURATION",
    "EXPERIMENT",
    "FILE",
    "HPC_JOB",
    "OUTPUT_FILE",
    "SIMULATION",
    "SPELLINGS",
    "SUITE",
    "WORK_ITEM",
    "Spelling",
    "pascal",
]

#: The names that the rule (split on `_`, capitalise, join) does not give.
_EXCEPTIONS: Final = {"hpc_jobs": "HPCJobs", "md5_checksum": "MD5Checksum"}


def pascal(name: str) -> str:
    """The wire's spelling of a python field name."""
    return _EXCEPTIONS.get(name) or "".join(word.capitalize() for word in name.split("_"))


def _table(names: str, **others: str) -> Mapping[str, str]:
    return MappingProxyType({name: others.get(name) or pascal(name) for name in names.split()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """One entity on the wire: its kind, the key around its lists, and its fields."""

    kind: EntityKind
    plural: str
    basics: Mapping[str, str]
    children: Mapping[str, str]
    #: What only filters may name, in the wire's own spelling.
    filter_only: frozenset[str] = frozenset()

    def basic(self, name: str) -> str:
        """The wire's name of a basic property, which may be given in either spelling."""
        return self._find(name, self.basics, "field")

    def child(self, name: str) -> str:
        """The wire's name of a child object, which may be given in either spelling."""
        return self._find(name, self.children, "child")

    def filterable(self, name: str) -> str:
        """The wire's name of anything that a filter may name, which may be given in either spelling."""
        for wire in self.filter_only:
            if wire.lower() == name.replace("_", "").lower():
                return wire
        return self._find(name, self.basics, "field")

    def _find(self, name: str, table: Mapping[str, str], what: str) -> str:
        found = table.get(name)
        if found is not None:
            return found
        lowered = name.lower()
        for wire in table.values():
            if wire.lower() == lowered:
                return wire
        near = difflib.get_close_matches(lowered, table, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(table)}"
        raise UnknownField(f"{self.kind.text} has no {what} {name!r}; {hint}")


SUITE: Final = Spelling(
    kind=EntityKind.SUITE,
    plural="Suites",
    basics=_table("id name description owner date_created last_modified"),
    children=_table("tags configuration"),
)
EXPERIMENT: Final = Spelling(
    kind=EntityKind.EXPERIMENT,
    plural="Experiments",
    basics=_table("id suite_id name description owner date_created last_modified"),
    children=_table("tags configuration"),
)
SIMULATION: Final = Spelling(
    kind=EntityKind.SIMULATION,
    plural="Simulations",
    basics=_table(
        "id experiment_id name description owner date_created last_modified state error_message",
        state="SimulationState",
    ),
    children=_table("tags configuration files hpc_jobs"),
    filter_only=frozenset({"GroupName", "EnvironmentName"}),
)
WORK_ITEM: Final = Spelling(
    kind=EntityKind.WORK_ITEM,
    plural="WorkItems",
    basics=_table(
        "id name worker environment_name description owner date_created last_modified state error_message host_name "
        "worker_instance_id priority working_directory working_directory_size asset_collection_id"
    ),
    children=_table("tags files plugins"),
    filter_only=frozenset({"isTopLevel"}),
)
ASSET_COLLECTION: Final = Spelling(
    kind=EntityKind.ASSET_COLLECTION,
    plural="AssetCollections",
    basics=_table("id date_created"),
    children=_table("tags assets"),
)
SPELLINGS: Final[Mapping[EntityKind, Spelling]] = MappingProxyType(
    {spelling.kind: spelling for spelling in (SUITE, EXPERIMENT, SIMULATION, WORK_ITEM, ASSET_COLLECTION)}
)

CONFIGURATION: Final = _table(
    "environment_name simulation_input_args working_directory_root executable_path node_group_name "
    "maximum_number_of_retries priority min_cores max_cores exclusive asset_collection_id"
)
FILE: Final = _table("file_type description file_name md5_checksum length uri")
ASSET_FILE: Final = _table("relative_path tags file_name md5_checksum length uri")
HPC_JOB: Final = _table(
    "id job_id job_state priority working_directory output_directory_size submit_time start_time end_time "
    "error_message configuration"
)
OUTPUT_FILE: Final = _table(
    "id file_name path_from_root length url mime_type md5_checksum",
    file_name="FriendlyName",
    md5_checksum="MD5",
)
