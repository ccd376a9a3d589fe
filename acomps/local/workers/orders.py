"""Work orders: the file of a work item that says what its worker is to do (protocol 11)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused
from acomps.local.jsons import JSON, decode, own_object, renamed

if TYPE_CHECKING:
    from acomps.local.files.contents import Contents
    from acomps.local.workers import Item, ItemFile, WorkerKey

__all__ = ["part", "read_order", "work_order_of"]

_TYPE: Final = "workorder"
_NAME: Final = "workorder.json"
MAX_ORDER_BYTES: Final = 64 * 1024 * 1024


def work_order_of(item: Item) -> ItemFile:
    """The item's work order: its file of that type, or else of that name."""
    for file in item.files:
        if file.type.lower() == _TYPE:
            return file
    for file in item.files:
        if file.name.lower() == _NAME:
            return file
    raise Refused(400, "the work item has no work order: a file of FileType WorkOrder")


def read_order(item: Item, contents: Contents, key: WorkerKey) -> dict[str, JSON]:
    """The work order of an item, which must be meant for this worker."""
    file = work_order_of(item)
    if file.length > MAX_ORDER_BYTES:
        raise Refused(400, f"the work order has {file.length} bytes; at most {MAX_ORDER_BYTES} are read")
    stored = contents.fetch([file.md5]).get(file.md5)
    if stored is None:
        raise Refused(400, "the content of the work order is no longer in the content store")
    order = own_object(decode(stored if isinstance(stored, bytes) else Path(stored).read_bytes(), "WorkOrder"), "it")
    meant = renamed(order, {"workitem_type": "type"}).get("type", key.name)
    if meant != key.name:
        raise Refused(400, f"the work order is one for the worker {meant!r}, not for {key.name}"[:400])
    return order


def part(order: dict[str, JSON], *names: str) -> dict[str, JSON]:
    """The object at that place of a work order; an empty one when it is not there."""
    for depth, name in enumerate(names, 1):
        found = renamed(order, {name.lower(): name}).get(name, {})
        order = own_object(found, f"{'.'.join(names[:depth])} of the work order")
    return order
