"""Reading a record's fields out of a dict, one by one; what is left over is the rest."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from acomps.campaign.model import DataIndex

__all__ = ["Fields", "copied"]


def copied(found: Mapping[str, object]) -> dict[str, object]:
    """A dict of one's own, all the way down."""
    return {key: item if isinstance(item, int | str) else _copied(item) for key, item in found.items()}


def _copied(found: object) -> object:
    # `deepcopy` takes ten times as long for what JSON consists of.
    if isinstance(found, int | str):
        return found
    if type(found) is list:
        return [_copied(item) for item in cast("list[object]", found)]
    if type(found) is dict:
        return {key: _copied(item) for key, item in cast("dict[object, object]", found).items()}
    return copy.deepcopy(found)


class Fields:
    """The fields of one record; UsageError names what is wrong with one."""

    __slots__ = ("_found", "_taken", "_what")

    def __init__(self, found: Mapping[str, object], what: str) -> None:
        self._found = found
        self._taken: list[str] = []
        self._what = what

    def one(self, name: str) -> object:
        """Whatever is there, or None."""
        self._taken.append(name)
        return self._found.get(name)

    def whole(self, name: str, default: int | None = None) -> int:
        """An integer."""
        found = self.one(name)
        if found is None and default is not None:
            return default
        if not isinstance(found, int):
            raise self._wrong(name, found, "an integer")
        return found

    def text(self, name: str) -> str:
        """A text, empty by default."""
        found = self.one(name)
        return "" if found is None else str(found)

    def mapping(self, name: str) -> dict[str, object]:
        """A dict, empty by default."""
        found = self.one(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise self._wrong(name, found, "a dict")
        return cast("dict[str, object]", found)

    def items(self, name: str) -> Sequence[object]:
        """A list, empty by default."""
        found = self.one(name)
        if found is None:
            return []
        if not isinstance(found, list | tuple):
            raise self._wrong(name, found, "a list")
        return cast("Sequence[object]", found)

    def wholes(self, name: str) -> list[int]:
        """A list of integers."""
        found = self.items(name)
        if not all(isinstance(item, int) for item in found):
            raise self._wrong(name, found, "a list of integers")
        return [*cast("Sequence[int]", found)]

    def dicts(self, name: str) -> list[dict[str, object]]:
        """A list of dicts."""
        found = self.items(name)
        if not all(isinstance(item, dict) for item in found):
            raise self._wrong(name, found, "a list of dicts")
        return [*cast("Sequence[dict[str, object]]", found)]

    def indices(self, name: str) -> dict[str, int]:
        """A dict of integers."""
        return {**cast("dict[str, int]", self.mapping(name))}

    def data(self, name: str) -> DataIndex:
        """A dict of parameter indices, or lists of them."""
        return cast("DataIndex", copied(self.mapping(name)))

    def raw(self, name: str) -> dict[int, Sequence[object]]:
        """A dict of lists, whose keys are integers or texts of them."""
        return cast("dict[int, Sequence[object]]", self.mapping(name))

    def lists(self, name: str) -> dict[int, Sequence[Mapping[str, object]]]:
        """A dict of lists of dicts, whose keys are integers or texts of them."""
        return cast("dict[int, Sequence[Mapping[str, object]]]", self.mapping(name))

    def rest(self) -> dict[str, object]:
        """A copy of what was not asked for."""
        return copied({name: item for name, item in self._found.items() if name not in self._taken})

    def _wrong(self, name: str, found: object, wanted: str) -> UsageError:
        return UsageError(f"{name!r} of {self._what} must be {wanted}, not {found!r:.80}")
