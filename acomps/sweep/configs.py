"""A JSON configuration with gaps, and where in it a parameter's name points to."""

from __future__ import annotations

import codecs
import difflib
import itertools
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

from acomps.errors import ContentError, UsageError
from acomps.sweep.values import JsonValue, require_finite

if TYPE_CHECKING:
    from acomps.sweep.points import Names

__all__ = ["Configs", "read_base"]

Place: TypeAlias = tuple[str, ...]

#: Where EMOD-shaped configurations keep what one sweeps over.
PARAMETERS_KEY: Final = "parameters"


def read_base(base: Mapping[str, object] | Path) -> bytes:
    """The base as JSON; a copy, so that later changes of the mapping do not reach the sweep."""
    if isinstance(base, Path):
        try:
            text = base.read_bytes().removeprefix(codecs.BOM_UTF8)
        except OSError as error:
            raise ContentError(f"the base configuration cannot be read: {error}") from error
        _document(text, str(base))
        return text
    if not isinstance(base, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a type checker
        raise UsageError(f"the base is {base!r}; it must be a mapping or a pathlib.Path of a JSON file")
    try:
        text = orjson.dumps(dict(base), option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise UsageError(f"the base cannot be written as JSON: {error}") from error
    require_finite("the base", dict(base))
    return text


def _document(text: bytes, source: str = "the base") -> dict[str, JsonValue]:
    try:
        document: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{source} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{source} is JSON, but no object at the top")
    return document


class Template:
    """A configuration as JSON with gaps; filling them is one join of bytes."""

    def __init__(self, document: dict[str, JsonValue], places: Sequence[Place]) -> None:
        """Takes the document for itself."""
        marks = [f"acomps-{uuid.uuid4().hex}" for _ in places]
        for place, mark in zip(places, marks, strict=True):
            _put(document, place, mark)
        text = orjson.dumps(document)
        found = sorted((text.index(mark.encode()), index) for index, mark in enumerate(marks))
        self._order = [index for _, index in found]
        self._pieces: list[bytes] = []
        for index in self._order:
            before, _, text = text.partition(f'"{marks[index]}"'.encode())
            self._pieces += (before, b"")
        self._pieces.append(text)

    def fill(self, values: Sequence[bytes]) -> bytes:
        """The configuration with these values, which are in the order of the places."""
        pieces = self._pieces.copy()
        pieces[1::2] = [values[index] for index in self._order]
        return b"".join(pieces)


class Configs:
    """The base configuration and its templates, one for each set of parameters that occurs."""

    def __init__(self, base: bytes, adding: frozenset[str]) -> None:
        self.base = base
        self._adding = adding
        self._templates: dict[Names, Template] = {}

    def template(self, names: Names) -> Template:
        """The base with gaps for these parameters."""
        found = self._templates.get(names)
        if found is None:
            document = _document(self.base)
            places = [self._place(document, name) for name in names]
            _require_apart(dict(zip(names, places, strict=True)))
            found = self._templates[names] = Template(document, places)
        return found

    def _place(self, document: dict[str, JsonValue], name: object) -> Place:
        if not isinstance(name, str) or not all(name.split(".")):
            raise UsageError(f"a parameter's name must be a text, perhaps with single dots inside, not {name!r}")
        if name in document:
            return (name,)
        inner = document.get(PARAMETERS_KEY)
        shortcuts = inner if isinstance(inner, dict) else {}
        if name in shortcuts:
            return (PARAMETERS_KEY, name)
        head = name.partition(".")[0]
        adding = name in self._adding
        if head not in document and head not in shortcuts and not adding:
            raise _unknown(name, head, [*document, *shortcuts])
        if head in document or not isinstance(inner, dict):
            return _walk(document, name, adding=adding)
        return (PARAMETERS_KEY, *_walk(inner, name, adding=adding))


def _walk(document: dict[str, JsonValue], name: str, *, adding: bool) -> Place:
    """The place that a dotted name means; a part is an index where the configuration has a list."""
    node: JsonValue = document
    place: list[str] = []
    for part in name.split("."):
        if isinstance(node, dict):
            if part not in node and not adding:
                raise _unknown(name, part, list(node))
            place.append(part)
            node = node.get(part, {})
        elif isinstance(node, list):
            if not part.isdecimal() or int(part) >= len(node):
                raise UsageError(f"{name!r}: {part!r} is no index of a list of {len(node)}")
            place.append(str(int(part)))
            node = node[int(part)]
        else:
            raise UsageError(f"{name!r}: there is nothing inside {'.'.join(place)!r}, which is {node!r}")
    return tuple(place)


def _put(document: dict[str, JsonValue], place: Place, value: JsonValue) -> None:
    """Set a value at its place; objects on the way that are not there are made."""
    node: JsonValue = document
    *way, last = place
    for key in way:
        if isinstance(node, dict):
            node = node.setdefault(key, {})
        elif isinstance(node, list):
            node = node[int(key)]
    if isinstance(node, dict):
        node[last] = value
    elif isinstance(node, list):
        node[int(last)] = value


def _require_apart(places: Mapping[str, Place]) -> None:
    """Refuse two parameters of which one would overwrite the other."""
    for (one, here), (other, there) in itertools.combinations(places.items(), 2):
        if here[: len(there)] == there[: len(here)]:
            raise UsageError(f"{one!r} and {other!r} are in the same place of the configuration: give one of them")


def _unknown(name: str, part: str, there: Sequence[str]) -> UsageError:
    near = difflib.get_close_matches(part, there, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(there)[:10]) or 'none'}."
    return UsageError(f"the base has no parameter {name!r}: {hint} One that is new must be named: adding=[{name!r}]")
