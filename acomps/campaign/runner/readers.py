"""From the files that a simulation left to the values that are kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias, cast

import orjson

from acomps.errors import ContentError, UsageError

__all__ = ["Channels", "Reader", "documents"]

#: Makes named values of the files of one simulation, by their paths. An exception is a failure of that attempt.
Reader: TypeAlias = Callable[[Mapping[str, bytes]], Mapping[str, object]]


def documents(files: Mapping[str, bytes]) -> dict[str, object]:
    """Each file by its name without the ending: JSON as what it says, anything else as a text."""
    return {
        PurePosixPath(path).stem: orjson.loads(content) if path.lower().endswith(".json") else content.decode()
        for path, content in files.items()
    }


class Channels:
    """Reads channels of the one InsetChart that is among the files, each as a list with a number for each step."""

    __slots__ = ("names",)

    def __init__(self, *names: str) -> None:
        if not names:
            raise UsageError("say which channels are to be read")
        self.names = names

    def __call__(self, files: Mapping[str, bytes]) -> dict[str, list[float]]:
        """The channels; ContentError names one that is not there."""
        [content] = files.values()
        try:
            found = cast("dict[str, dict[str, list[float]]]", orjson.loads(content)["Channels"])
            return {name: found[name]["Data"] for name in self.names}
        except (ValueError, KeyError, TypeError) as exc:
            raise ContentError(f"{next(iter(files))} is no InsetChart with the channels {list(self.names)}") from exc

    def __repr__(self) -> str:
        return f"Channels({', '.join(map(repr, self.names))})"
