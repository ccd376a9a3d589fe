"""Objects of the wire as keyword arguments of records: which key is which field, and how its value is read.

Keys that no table knows are ignored, so that a newer server can add fields; a null is the same as no key.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from acomps.entities import Tags
from acomps.errors import MalformedAnswer, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "Read",
    "Table",
    "filler",
    "identity",
    "maker",
    "repeated",
    "several",
    "shared",
    "table_of",
    "tags",
    "values",
    "whole",
    "yes_no",
]

#: What makes a field's value; None for a text, the most frequent of all.
Read: TypeAlias = Callable[[Any], object]
Table: TypeAlias = Mapping[str, tuple[str, Read | None]]

#: So many values of a kind are remembered where an answer says the same again and again.
REMEMBERED: Final = 1_024
_TEXT: Final = frozenset({str})
_GUID_LETTERS: Final = 36
_GUID_DIGITS: Final = 32
#: A UUID refuses to be changed, but not its slots.
_put_number: Final = vars(uuid.UUID)["int"].__set__
_put_safety: Final = vars(uuid.UUID)["is_safe"].__set__
_SAFETY: Final = uuid.SafeUUID.unknown


def repeated(read: Read) -> Read:
    """`read` for values that come again and again, such as states: each is read once."""
    return functools.lru_cache(REMEMBERED)(read)


def identity(value: Any) -> uuid.UUID:
    """An id or md5. What is in the form of the protocol takes a quarter of the time that `uuid.UUID` takes."""
    if type(value) is not str or len(value) != _GUID_LETTERS:
        return uuid.UUID(value)
    digits = value.replace("-", "")
    if len(digits) != _GUID_DIGITS:
        return uuid.UUID(value)
    made = object.__new__(uuid.UUID)
    _put_number(made, int(digits, 16))
    _put_safety(made, _SAFETY)
    return made


def whole(value: Any) -> int:
    """A whole number."""
    if type(value) is not int:
        raise TypeError("a whole number")
    return value


def yes_no(value: Any) -> bool:
    """A truth value."""
    return bool(value)


def tags(value: Any) -> Tags:
    """Tags, whose values are texts whatever the server sends."""
    items: dict[str, Any] = value
    if type(items) is not dict:
        items = dict(value)
    if {type(item) for item in items.values()} <= _TEXT:
        return Tags.trusted(items)
    return Tags.trusted(
        {key: item if type(item) is str else "" if item is None else str(item) for key, item in items.items()}
    )


def table_of(names: Mapping[str, str], **reads: Read) -> Table:
    """Wire key -> (field, reader), under the wire's spelling and under its lower-case form."""
    unknown = reads.keys() - names.keys()
    assert not unknown, unknown  # noqa: S101 - a table of this room that names no field is a mistake in this room
    table = {wire: (name, reads.get(name)) for name, wire in names.items()}
    return {**table, **{wire.lower(): entry for wire, entry in table.items()}}


def values(raw: object, table: Table, what: str) -> dict[str, Any]:
    """The fields that `raw` holds; `what` names it in the error when it is malformed."""
    found: dict[str, Any] = {}
    for key, value in _object(raw, what).items():
        entry = table.get(key) or table.get(key.lower())
        if entry is None or value is None:
            continue
        name, read = entry
        try:
            if read is not None:
                found[name] = read(value)
            elif type(value) is str:
                found[name] = value
            else:
                raise TypeError("a text")
        except (TypeError, ValueError, AttributeError) as exc:
            raise _wrong(what, key, value) from exc
    return found


def _object(raw: object, what: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise MalformedAnswer(f"the server sent {type(raw).__name__} where {what} belongs")
    return cast("dict[str, Any]", raw)


def _wrong(what: str, key: str, value: object) -> MalformedAnswer:
    return MalformedAnswer(f"{what}: the server sent {value!r} as {key}")


def filler(
    kind: type[DataclassInstance], table: Table, what: str, needs: Sequence[str] = (), **missing: object
) -> Read:
    """What reads an object of the wire straight into the slots of a frozen record, without the checks of its making.

    For the records that come by the hundred thousand, and whose checks are about what users give. A field that is not
    there has its default, or the value in `missing`; the object is malformed without those that it `needs`.
    """
    puts = {field.name: getattr(kind, field.name).__set__ for field in dataclasses.fields(kind)}
    blank = [
        (puts[field.name], missing.get(field.name, field.default))
        for field in dataclasses.fields(kind)
        if field.name not in needs
    ]
    ways = {key: (puts[name], read) for key, (name, read) in table.items()}
    needed = operator.attrgetter(*needs) if needs else _nothing

    def read(raw: Any) -> object:
        items: dict[str, Any] = raw
        if type(items) is not dict:
            items = _object(raw, what)
        made = object.__new__(kind)
        for put, default in blank:
            put(made, default)
        for key, value in items.items():
            way = ways.get(key) or ways.get(key.lower())
            if way is None or value is None:
                continue
            put, read = way
            try:
                if read is not None:
                    put(made, read(value))
                elif type(value) is str:
                    put(made, value)
                else:
                    raise TypeError("a text")
            except (TypeError, ValueError, AttributeError) as exc:
                raise _wrong(what, key, value) from exc
        try:
            needed(made)
        except AttributeError as exc:
            raise MalformedAnswer(f"{what}: the server left out the {exc.name}") from exc
        return made

    return read


def _nothing(record: object) -> None:
    """No field is needed."""


def maker(make: Callable[..., object], names: Mapping[str, str], what: str, **reads: Read) -> Read:
    """What reads an object of the wire and makes a record of it."""
    table = table_of(names, **reads)

    def read(raw: object) -> object:
        fields = values(raw, table, what)
        try:
            return make(**fields)
        except (TypeError, UsageError) as exc:
            raise MalformedAnswer(f"{what}: the server left out what it must have: {exc}") from exc

    return read


def shared(read: Read) -> Read:
    """`read` for small flat objects that are often the same, as in a sweep: equal ones become one record."""
    known: dict[tuple[Any, ...], tuple[dict[str, Any], object]] = {}
    # Often it is the very one that came last.
    latest: tuple[object, object] = (object(), None)

    def read_or_share(raw: Any) -> object:
        nonlocal latest
        items: dict[str, Any] = raw
        before = latest
        if items == before[0]:
            return before[1]
        if type(items) is not dict:
            return read(raw)
        key = tuple(items.values())
        try:
            same = known.get(key)
        except TypeError:
            return read(items)  # Something in it is not flat, and so has no hash.
        if same is not None and same[0] == items:
            latest = same
            return same[1]
        found = read(items)
        if len(known) >= REMEMBERED:
            known.clear()
        known[key] = items, found
        return found

    return read_or_share


def several(read: Read) -> Read:
    """A tuple of what `read` makes of each element."""
    return lambda value: tuple([read(item) for item in value])
