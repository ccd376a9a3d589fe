"""Which files of every simulation are asked for, by their paths or by patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from acomps.comps.output_paths import by_path, normal, selected
from acomps.errors import NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from acomps.comps.outputs import Outputs
    from acomps.entities import OutputFile, Simulation

__all__ = ["Wanted", "not_there"]

_ASSETS: Final = "assets/"


class Wanted:
    """The paths and patterns of a harvest; they mean the same as in `comps.outputs.list`."""

    def __init__(self, patterns: str | Iterable[str]) -> None:
        given = [patterns] if isinstance(patterns, str) else list(patterns)
        self.asked: Sequence[str] = tuple(dict.fromkeys(_checked(pattern) for pattern in given))
        if not self.asked:
            raise UsageError("nothing is asked for: give paths or patterns, such as 'output/*.json', or '**' for all")

    async def of(self, simulation: Simulation, outputs: Outputs) -> tuple[dict[str, OutputFile], dict[str, NotFound]]:
        """The files that are wanted of a simulation by their paths, and the patterns that name none with the errors.

        NotFound for a simulation that has no output at all.
        """
        listed: Mapping[str, OutputFile] = {}
        if not all(map(_of_assets, self.asked)):
            listed = by_path(await outputs.list(simulation))
        chosen: dict[str, OutputFile] = {}
        missing: dict[str, NotFound] = {}
        for pattern in self.asked:
            try:
                if _of_assets(pattern) and normal(pattern) not in listed:
                    found = await outputs.list(simulation, [pattern])
                else:
                    found = selected(listed, [pattern], simulation.described)
            except NotFound as exc:
                missing[pattern] = exc
            else:
                chosen.update((file.path, file) for file in found)
        return chosen, missing


def not_there(simulation: Simulation, pattern: str) -> NotFound:
    """The error of a file that was missing before, and for good."""
    return NotFound(f"{simulation.described} has no output file {pattern!r}", status=404)


def _of_assets(pattern: str) -> bool:
    return normal(pattern).startswith(_ASSETS)


def _checked(pattern: object) -> str:
    if not isinstance(pattern, str) or not pattern.strip("/\\ "):
        raise UsageError(f"a path or pattern is a text such as 'output/*.json', not {pattern!r}")
    return pattern.replace("\\", "/")
