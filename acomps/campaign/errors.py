"""What can go wrong with a store, named by what the caller can do about it."""

from __future__ import annotations

from acomps.errors import AcompsError, UsageError

__all__ = [
    "AlreadySet",
    "NoSuchRecord",
    "StoreDamaged",
    "StoreFailed",
    "StoreInUse",
    "WorkflowBatchUpdateFailedError",
    "WorkflowNotFoundError",
]


class WorkflowNotFoundError(AcompsError):
    """There is no store at the path."""


class WorkflowBatchUpdateFailedError(AcompsError):
    """Another program changed the store's files since they were read: nothing of the batch was written."""


class NoSuchRecord(UsageError, LookupError):
    """No task, iteration, run, parameter, loop, submission or jobscript has this index."""


class AlreadySet(AcompsError, RuntimeError):
    """The parameter has its value: parameters are written once."""


class StoreInUse(AcompsError):
    """Another process owns the store; the message says which one, on which host and since when."""


class StoreDamaged(AcompsError):
    """A file of the store is not what was written there."""


class StoreFailed(AcompsError):
    """A change could not be brought to the disk. Close the store and open it again: it has the state before that."""
