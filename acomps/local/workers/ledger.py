"""The records of work items: each call is one transaction, in which an item takes at most one step (protocol 10.2)."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import orjson
from sqlalchemy import case, select, update

from acomps.entities.states import Priority, WorkItemState
from acomps.local.records import schema
from acomps.local.workers import WorkerKey
from acomps.local.workers.dependencies import blocked, unfinished

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Select

    from acomps.local.core import Core
    from acomps.local.workers.registry import Workers

__all__ = ["Claimed", "Ledger", "Standing"]

_items: Final = schema.work_items

_FINAL: Final = [state.text for state in WorkItemState if state.final]
_TO_CANCEL: Final = [WorkItemState.CANCEL_REQUESTED.text, WorkItemState.CANCELING.text]
#: States in which the next step is the service's own.
_DUE: Final = _items.c.state.in_(
    [
        state.text
        for state in (
            WorkItemState.COMMISSIONED,
            WorkItemState.RESUME_REQUESTED,
            WorkItemState.CANCEL_REQUESTED,
            WorkItemState.CANCELING,
        )
    ]
)
#: Commissioned, and not yet told that there is no such worker.
_UNANSWERED: Final = (_items.c.state == WorkItemState.COMMISSION_REQUESTED.text) & _items.c.error_message.is_(None)
_RANK: Final = case(
    {priority.text: priority.code for priority in Priority}, value=_items.c.priority, else_=Priority.NORMAL.code
)
#: Higher priorities first, then the order in which the items were made.
_QUEUE: Final = (_RANK.desc(), _items.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A work item that is to be brought on, as it is on record."""

    id: str
    name: str
    owner: str
    worker: WorkerKey
    environment_name: str
    asset_collection_id: str | None
    state: WorkItemState


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is to be done next."""

    #: In Validating or Resumed by this call.
    begin: Sequence[Claimed]
    #: At work here, and to be cancelled.
    cancel: Collection[str]
    #: Some item has taken a step, so that it may take the next one.
    moved: bool
    #: Some item waits for others, whose ends nobody announces.
    waiting: bool


class Ledger:
    """Reads and writes the states of work items. Everything here blocks."""

    def __init__(self, core: Core, workers: Workers) -> None:
        self._core = core
        self._workers = workers
        self._instance = str(uuid.uuid4())
        self._host = socket.gethostname()

    def recover(self) -> list[Claimed]:
        """After a start: the items that ran when the records ended. What stood half-way takes its step again."""
        with self._core.database.writing() as connection:
            _move_all(connection, WorkItemState.VALIDATING, WorkItemState.COMMISSIONED)
            _move_all(connection, WorkItemState.RESUMED, WorkItemState.RESUME_REQUESTED)
            # There may be other workers than before.
            connection.execute(
                update(_items)
                .where(_items.c.state == WorkItemState.COMMISSION_REQUESTED.text)
                .values(error_message=None)
            )
            at_work = [WorkItemState.RUNNING.text, *_TO_CANCEL]
            return [_claimed(*row) for row in connection.execute(_rows().where(_items.c.state.in_(at_work)))]

    def settle(self, active: Collection[str], room: int) -> Standing:
        """Every item takes the step that is due; at most `room` begin. `active` are those at work here."""
        with self._core.database.reading() as connection:
            waiting = _in_state(connection, WorkItemState.WAITING)
            held = blocked(connection) if waiting else set[str]()
            ready = [item_id for item_id in waiting if item_id not in held]
            # Most of what wakes a service is about simulations, and there is one writer for all.
            due = ready or connection.scalar(select(_items.c.id).where(_DUE | _UNANSWERED).limit(1))
        if not due:
            return Standing(begin=(), cancel=(), moved=False, waiting=bool(waiting))
        with self._core.database.writing() as connection:
            # From the end of the way to its beginning, so that none takes two steps at once.
            moved = _end_canceled(connection, active)
            moved |= bool(_move_all(connection, WorkItemState.CANCEL_REQUESTED, WorkItemState.CANCELING))
            canceling = _in_state(connection, WorkItemState.CANCELING)
            begin = _begin(connection, WorkItemState.RESUME_REQUESTED, WorkItemState.RESUMED, room)
            begin += _begin(connection, WorkItemState.COMMISSIONED, WorkItemState.VALIDATING, room - len(begin))
            for item_id in ready:
                _move(connection, item_id, WorkItemState.WAITING, WorkItemState.RESUME_REQUESTED)
            moved |= bool(ready or begin) | self._accept(connection)
        return Standing(
            begin=begin,
            cancel=set(active).intersection(canceling),
            moved=moved,
            waiting=len(ready) < len(waiting),
        )

    def _accept(self, connection: Connection) -> bool:
        """Hand commissioned items to the workers that they name; the others are told which workers there are."""
        accepted = False
        found = connection.execute(select(_items.c.id, _items.c.worker).where(_UNANSWERED)).all()
        for item_id, worker in found:
            key = _key(worker)
            if self._workers.get(key) is not None:
                accepted = True
                connection.execute(
                    update(_items)
                    .where(_items.c.id == item_id)
                    .values(
                        state=WorkItemState.COMMISSIONED.text,
                        host_name=self._host,
                        worker_instance_id=self._instance,
                        error_message=None,
                    )
                )
            else:
                connection.execute(
                    update(_items).where(_items.c.id == item_id).values(error_message=self._workers.missing(key))
                )
        return accepted

    def start(self, item_id: str, came_from: WorkItemState, directory: Path) -> bool:
        """Record that the item runs; False when a client has cancelled it meanwhile."""
        with self._core.database.writing() as connection:
            started = _move(connection, item_id, came_from, WorkItemState.RUNNING)
            if started:
                connection.execute(
                    update(_items).where(_items.c.id == item_id).values(working_directory=str(directory))
                )
        return started

    def wait_if_blocked(self, item_id: str) -> bool:
        """Let the item wait for what it depends on; False when there is nothing to wait for."""
        with self._core.database.writing() as connection:
            reason = unfinished(connection, item_id)
            if reason is None:
                return False
            _move(connection, item_id, WorkItemState.RUNNING, WorkItemState.WAITING, reason)
        return True

    def wait(self, item_id: str, message: str | None) -> None:
        """Let the item wait as its worker wants it; it is resumed at once when there is nothing to wait for."""
        with self._core.database.writing() as connection:
            reason = message or unfinished(connection, item_id)
            _move(connection, item_id, WorkItemState.RUNNING, WorkItemState.WAITING, reason)

    def end(self, item_id: str, state: WorkItemState, message: str | None, size: int) -> None:
        """Record how the item ended; one that a client has asked to cancel is cancelled."""
        with self._core.database.writing() as connection:
            asked = _items.c.state.in_(_TO_CANCEL)
            connection.execute(
                update(_items)
                .where(_items.c.id == item_id, _items.c.state.not_in(_FINAL))
                .values(
                    state=case((asked, WorkItemState.CANCELED.text), else_=state.text),
                    error_message=case((asked, None), else_=message),
                    working_directory_size=size,
                )
            )

    def put_back(self, item_ids: Collection[str]) -> None:
        """The service stops: what it has interrupted begins anew when it is there again."""
        interrupted = [WorkItemState.VALIDATING.text, WorkItemState.RESUMED.text, WorkItemState.RUNNING.text]
        message = "the service was stopped while this work item ran; it begins anew"
        with self._core.database.writing() as connection:
            for item_id in item_ids:
                connection.execute(
                    update(_items)
                    .where(_items.c.id == item_id, _items.c.state.in_(interrupted))
                    .values(state=WorkItemState.COMMISSIONED.text, error_message=message)
                )


def _rows() -> Select[str, str, str, str, str, str | None, str]:
    return select(
        _items.c.id,
        _items.c.name,
        _items.c.owner,
        _items.c.worker,
        _items.c.environment_name,
        _items.c.asset_collection_id,
        _items.c.state,
    )


def _claimed(
    item_id: str, name: str, owner: str, worker: str, environment_name: str, collection: str | None, state: str
) -> Claimed:
    return Claimed(
        id=item_id,
        name=name,
        owner=owner,
        worker=_key(worker),
        environment_name=environment_name,
        asset_collection_id=collection,
        state=WorkItemState(state),
    )


def _key(worker: str) -> WorkerKey:
    document = orjson.loads(worker)
    return WorkerKey(str(document["Name"]), str(document["Version"]))


def _in_state(connection: Connection, state: WorkItemState) -> list[str]:
    return list(connection.scalars(select(_items.c.id).where(_items.c.state == state.text)))


def _begin(connection: Connection, before: WorkItemState, after: WorkItemState, room: int) -> list[Claimed]:
    if room <= 0:
        return []
    queue = _rows().where(_items.c.state == before.text).order_by(*_QUEUE).limit(room)
    found = [_claimed(*row) for row in connection.execute(queue)]
    for item in found:
        _move(connection, item.id, before, after)
    return [replace(item, state=after) for item in found]


def _move(
    connection: Connection, item_id: str, before: WorkItemState, after: WorkItemState, message: str | None = None
) -> bool:
    """Take a step, unless a client has moved the item elsewhere meanwhile."""
    moved = connection.execute(
        update(_items)
        .where(_items.c.id == item_id, _items.c.state == before.text)
        .values(state=after.text, error_message=message)
    )
    return bool(moved.rowcount)


def _move_all(connection: Connection, before: WorkItemState, after: WorkItemState) -> int:
    moved = connection.execute(update(_items).where(_items.c.state == before.text).values(state=after.text))
    return moved.rowcount


def _end_canceled(connection: Connection, active: Collection[str]) -> bool:
    """What is to be cancelled and is not at work here is at its end."""
    ended = connection.execute(
        update(_items)
        .where(_items.c.state == WorkItemState.CANCELING.text, _items.c.id.not_in(active))
        .values(state=WorkItemState.CANCELED.text, error_message=None)
    )
    return bool(ended.rowcount)
