"""The enumerations of the protocol. The value is the wire's text, `code` the number that filters accept."""

from __future__ import annotations

import enum
from typing import Self

__all__ = [
    "EntityKind",
    "JobState",
    "Priority",
    "RelationType",
    "SimulationState",
    "TagOperation",
    "WorkItemState",
]


class Spelled(enum.Enum):
    """A member per text of the protocol, and UNKNOWN for the texts of newer servers.

    `SimulationState("Paused")` equals `SimulationState.UNKNOWN`, and its value is still "Paused".
    """

    code: int

    def __new__(cls, text: str, code: int = -1) -> Self:
        member = object.__new__(cls)
        member._value_ = text
        member.code = code
        return member

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or "UNKNOWN" not in cls.__members__:
            return None
        stranger = object.__new__(cls)
        stranger._name_ = "UNKNOWN"
        stranger._value_ = value
        stranger.code = -1
        return stranger

    @property
    def text(self) -> str:
        """The server's own spelling."""
        return str(self.value)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Spelled) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self._name_)

    def __str__(self) -> str:
        return self.text


class SimulationState(Spelled):
    """Where a simulation is on its way (protocol 10.1)."""

    CREATED = "Created", 0
    COMMISSION_REQUESTED = "CommissionRequested", 1
    PROVISIONING = "Provisioning", 2
    COMMISSIONED = "Commissioned", 3
    RUNNING = "Running", 4
    RETRY = "Retry", 5
    SUCCEEDED = "Succeeded", 6
    FAILED = "Failed", 7
    CANCEL_REQUESTED = "CancelRequested", 8
    CANCELED = "Canceled", 9
    UNKNOWN = "?"

    @property
    def final(self) -> bool:
        """True when the simulation will not change its state any more by itself."""
        return self.name in {"SUCCEEDED", "FAILED", "CANCELED"}

    @property
    def active(self) -> bool:
        """True when the simulation is commissioned and not yet at an end: what `cancel` applies to."""
        return self.name in {"COMMISSION_REQUESTED", "PROVISIONING", "COMMISSIONED", "RUNNING", "RETRY"}


class WorkItemState(Spelled):
    """Where a work item is on its way (protocol 10.2). The codes are not in chronological order."""

    CREATED = "Created", 0
    COMMISSION_REQUESTED = "CommissionRequested", 5
    COMMISSIONED = "Commissioned", 10
    VALIDATING = "Validating", 30
    RUNNING = "Running", 40
    WAITING = "Waiting", 50
    RESUME_REQUESTED = "ResumeRequested", 60
    CANCEL_REQUESTED = "CancelRequested", 80
    CANCELED = "Canceled", 90
    RESUMED = "Resumed", 100
    CANCELING = "Canceling", 120
    SUCCEEDED = "Succeeded", 130
    FAILED = "Failed", 140
    UNKNOWN = "?"

    @property
    def final(self) -> bool:
        """True when the work item will not change its state any more by itself."""
        return self.name in {"SUCCEEDED", "FAILED", "CANCELED"}

    @property
    def active(self) -> bool:
        """True when the work item is commissioned and not yet at an end: what `cancel` applies to."""
        return self.name in {
            "COMMISSION_REQUESTED",
            "COMMISSIONED",
            "VALIDATING",
            "RUNNING",
            "WAITING",
            "RESUME_REQUESTED",
            "RESUMED",
        }


class JobState(Spelled):
    """Where one attempt on the cluster is (the protocol's HpcState)."""

    NOT_SET = "NotSet", 0
    CONFIGURING = "Configuring", 1
    SUBMITTED = "Submitted", 2
    VALIDATING = "Validating", 4
    EXTERNAL_VALIDATION = "ExternalValidation", 8
    QUEUED = "Queued", 16
    RUNNING = "Running", 32
    FINISHING = "Finishing", 64
    FINISHED = "Finished", 128
    FAILED = "Failed", 256
    CANCELED = "Canceled", 512
    CANCELING = "Canceling", 1024
    UNKNOWN = "?"


class Priority(Spelled):
    """The order in which a queue is served."""

    LOWEST = "Lowest", 0
    BELOW_NORMAL = "BelowNormal", 1
    NORMAL = "Normal", 2
    ABOVE_NORMAL = "AboveNormal", 3
    HIGHEST = "Highest", 4
    UNKNOWN = "?"


class RelationType(Spelled):
    """What a work item has to do with another entity."""

    DEPENDS_ON = "DependsOn", 0
    CREATED = "Created", 1
    UNKNOWN = "?"


class TagOperation(Spelled):
    """What a tag call does: add and overwrite, replace all, or remove the named ones."""

    MERGE = "Merge", 1
    REPLACE = "Replace", 2
    DELETE = "Delete", 3


class EntityKind(Spelled):
    """The entities that can be related to a work item, by their name on the wire."""

    SUITE = "Suite", 0
    EXPERIMENT = "Experiment", 1
    SIMULATION = "Simulation", 2
    WORK_ITEM = "WorkItem", 3
    ASSET_COLLECTION = "AssetCollection", 4
    UNKNOWN = "?"
