"""Where the files of a harvest go: names made from a template, checked under POSIX and Windows rules."""

from __future__ import annotations

import difflib
import os
import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, TypeAlias

from acomps.entities import Experiment, Simulation
from acomps.errors import MalformedAnswer, UsageError
from acomps.transfer import place_below

if TYPE_CHECKING:
    from acomps.entities import TagValue

__all__ = ["DEFAULT_LAYOUT", "Layout", "Places", "place_key"]

#: A template, or a function of a simulation and a path in it; both give a path below the folder, with `/`.
Layout: TypeAlias = str | Callable[[Simulation, str], str]

DEFAULT_LAYOUT: Final = "{experiment.id}/{simulation.id}/{path}"

_Value: TypeAlias = str | int | float
#: The value of a field for one simulation, its experiment, and the path of one file.
_Read: TypeAlias = Callable[[Simulation, Experiment, str], _Value]

_FIELD: Final = re.compile(r"(?:(experiment|simulation)\.)?(\w+)(?:\[(.+)\])?")
_READS: Final[Mapping[str, _Read]] = {
    "experiment.id": lambda simulation, experiment, path: str(experiment.saved_id),
    "experiment.name": lambda simulation, experiment, path: experiment.name,
    "simulation.id": lambda simulation, experiment, path: str(simulation.saved_id),
    "simulation.name": lambda simulation, experiment, path: simulation.name,
    "simulation.state": lambda simulation, experiment, path: str(simulation.state or ""),
    "path": lambda simulation, experiment, path: path,
    "name": lambda simulation, experiment, path: PurePosixPath(path).name,
    "stem": lambda simulation, experiment, path: PurePosixPath(path).stem,
    "suffix": lambda simulation, experiment, path: PurePosixPath(path).suffix,
}
_TAGS: Final = ("tags", "simulation.tags", "experiment.tags")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
#: What a field may hold, to try a template before anything is known.
_SAMPLES: Final[tuple[_Value, ...]] = ("x", 1, 1.5)
#: Most file systems take names of 255 bytes, and calls take paths of 4,095; Windows 259 characters.
_NAME_BYTES: Final = 255
_PATH_LENGTH: Final = 259 if os.name == "nt" else 4_095


class Places:
    """The places of all files of one harvest below `into`; no two files get the same one."""

    def __init__(self, into: Path, layout: Layout, *reserved: str) -> None:
        """UsageError when the template cannot be right for any file; the names in `reserved` are taken."""
        self._into = into
        self._layout = layout
        self._prefix = len(str(into / "x")) - 1
        self._pieces = _parsed(layout) if isinstance(layout, str) else []
        # 64 bits of each place, so that a million of them take little memory.
        self._taken = {place_key(name) for name in reserved}

    @property
    def needs_experiment(self) -> bool:
        """Whether more than the experiment's id is asked for."""
        return any(piece.of_experiment for piece in self._pieces)

    def check(self, simulation: Simulation, experiment: Experiment) -> None:
        """UsageError when no file of this simulation can have a place, as far as that is known without a path."""
        for piece in self._pieces:
            if not piece.of_path:
                piece.text(simulation, experiment, "")

    def place(self, simulation: Simulation, experiment: Experiment, path: str) -> Path:
        """The place of one file. MalformedAnswer if the server's name for it is bad, UsageError if the layout is."""
        local = self._local(simulation, experiment, path)
        try:
            return self._checked(local)
        except (MalformedAnswer, UsageError) as exc:
            try:
                place_below(self._into, path, windows=True)
            except MalformedAnswer as bad:
                raise MalformedAnswer(
                    f"{simulation.described}: the server calls a file {path!r}, which is no name for a file "
                    "everywhere: a layout may give it another, for example by a function"
                ) from bad
            raise UsageError(
                f"the layout gives {local!r} for {path!r} of {simulation.described}, and no file can be called so "
                f"everywhere, or it would not lie below {self._into}: change the layout"
            ) from exc

    def take(self, place: Path) -> bool:
        """False when another file has this place already, also where capitals make no difference."""
        key = place_key(self.local(place))
        if key in self._taken:
            return False
        self._taken.add(key)
        return True

    def local(self, place: Path) -> str:
        """The place as it is written down: below the folder, with `/`."""
        return str(place)[self._prefix :].replace(os.sep, "/")

    def _local(self, simulation: Simulation, experiment: Experiment, path: str) -> str:
        if isinstance(self._layout, str):
            return "".join([piece.text(simulation, experiment, path) for piece in self._pieces])
        try:
            return str(self._layout(simulation, path))
        except Exception as exc:
            raise UsageError(f"the layout failed for {path!r} of {simulation.described}: {exc!r}") from exc

    def _checked(self, local: str) -> Path:
        place = place_below(self._into, local, windows=True)
        encoded = os.fsencode(local)
        # What is shorter than one name may be has no name that is too long.
        names = encoded.split(b"/") if len(encoded) > _NAME_BYTES else ()
        if self._prefix + len(local) > _PATH_LENGTH or any(len(name) > _NAME_BYTES for name in names):
            raise UsageError(f"{local!r} is too long")
        return place


class _Piece:
    """A constant text and the field behind it, if there is one."""

    def __init__(self, literal: str, field: str | None, spec: str) -> None:
        self._literal, self._field, self._spec = literal, field or "", spec
        self._read = None if field is None else _read(field)
        self.of_path = field in {"path", "name", "stem", "suffix"}
        self.of_experiment = self._field.startswith("experiment.") and field != "experiment.id"

    def sample(self) -> str:
        """What it could become; UsageError when the format can fit nothing."""
        if self._read is None:
            return self._literal
        for value in _SAMPLES:
            try:
                return self._literal + format(value, self._spec)
            except ValueError:
                continue
        raise UsageError(f"layout: {self._spec!r} behind {self._field!r} is no format that Python knows")

    def text(self, simulation: Simulation, experiment: Experiment, path: str) -> str:
        """The piece for one file."""
        if self._read is None:
            return self._literal
        value = self._read(simulation, experiment, path)
        if not self._spec:
            return f"{self._literal}{value}"
        if isinstance(value, str) and self._spec[-1] != "s" and _NUMBER.fullmatch(value):
            # The server gives tags back as texts.
            value = int(value) if value.lstrip("+-").isdecimal() else float(value)
        try:
            return self._literal + format(value, self._spec)
        except ValueError as exc:
            raise UsageError(
                f"layout: {self._field} of {simulation.described} is {value!r}, and {self._spec!r} cannot format that"
            ) from exc


def _parsed(template: str) -> list[_Piece]:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as exc:
        raise UsageError(f"layout {template!r}: {exc}") from exc
    pieces: list[_Piece] = []
    for literal, field, spec, conversion in parts:
        if conversion or "{" in (spec or ""):
            raise UsageError(f"layout {template!r}: a field has a name and a format, as in {{tags[Run_Number]:02}}")
        pieces.append(_Piece(literal, field, spec or ""))
    sample = "".join(piece.sample() for piece in pieces)
    try:
        place_below(Path(), sample, windows=True)
    except MalformedAnswer as exc:
        raise UsageError(
            f"layout {template!r} would make names like {sample!r}, which are not below the folder everywhere: "
            "it needs plain relative names, with `/` between them"
        ) from exc
    return pieces


def _read(field: str) -> _Read:
    """How to read a field; UsageError names the nearest one when there is none of this name."""
    found = _FIELD.fullmatch(field)
    if found is not None and found[3] is not None:
        owner, name, tag = found[1], found[2], found[3]
        if name == "tags":
            return _tag_of_experiment(tag) if owner == "experiment" else _tag_of_simulation(tag)
    elif field in _READS:
        return _READS[field]
    known = [*_READS, *(f"{name}[...]" for name in _TAGS)]
    near = difflib.get_close_matches(field, known, n=1) or [name for name in known if name.endswith(f".{field}")]
    hint = f"did you mean {{{near[0]}}}?" if near else f"there are {', '.join(known)}"
    raise UsageError(f"layout: there is no field {{{field}}}; {hint}")


def _tag_of_simulation(tag: str) -> _Read:
    return lambda simulation, experiment, path: _tag(simulation.tags, tag, simulation)


def _tag_of_experiment(tag: str) -> _Read:
    return lambda simulation, experiment, path: _tag(experiment.tags, tag, experiment)


def _tag(tags: Mapping[str, TagValue], tag: str, owner: Simulation | Experiment) -> _Value:
    if tag not in tags:
        near = difflib.get_close_matches(tag, tags, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(tags) or 'none'}"
        raise UsageError(f"layout: {owner.described} has no tag {tag!r}; {hint}")
    value = tags[tag]
    return "" if value is None else value


def place_key(local: str) -> int:
    """A number for a place, in this process: the same for names that some file system takes for the same."""
    return hash(local.lower() if local.isascii() else unicodedata.normalize("NFC", local).casefold())
