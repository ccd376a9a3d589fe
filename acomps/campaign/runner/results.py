"""What a campaign has found: one result for each point, and the frame of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from acomps.errors import ExtraMissing, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import polars

__all__ = ["Result", "Results"]

_NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A point: `outputs` once it has succeeded, `error` when it was given up, neither while it is on its way.

    `id` is that of its newest attempt, the `attempts`-th.
    """

    stage: str
    round: int
    point: int
    inputs: Mapping[str, object]
    outputs: Mapping[str, object] | None = field(default=None, repr=False)
    error: str = ""
    attempts: int = 0
    id: str | None = None


class Results:
    """The results of a campaign in the order of its stages, rounds and points."""

    def __init__(self, found: Sequence[Result]) -> None:
        self._found = tuple(found)

    def __getitem__(self, index: int) -> Result:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._found)

    def of(self, stage: str, round: int | None = None) -> Results:
        """Those of one stage, or of one of its rounds (from 0)."""
        return Results([one for one in self if one.stage == stage and round in {None, one.round}])

    @property
    def succeeded(self) -> Results:
        """Those with outputs."""
        return Results([one for one in self if one.outputs is not None])

    def best(self, score: Callable[[Result], float], count: int = 1) -> list[Result]:
        """The `count` succeeded points with the lowest score, the lowest first; points of one score stay in order."""
        found = sorted(self.succeeded, key=score)[:count]
        if not found:
            raise UsageError("no point has succeeded, so none is the best")
        return found

    def frame(self) -> polars.DataFrame:
        """A row for each point: stage, round, point, attempts, id, error, then inputs and outputs by their names.

        An output that has the name of an input, or of one of these columns, is called "outputs.<name>".
        """
        try:
            import polars
        except ImportError as exc:
            raise ExtraMissing("a frame of results", "data") from exc
        facts = ("stage", "round", "point", "attempts", "id", "error")
        inputs = dict.fromkeys(name for one in self for name in one.inputs)
        outputs = dict.fromkeys(name for one in self for name in one.outputs or _NOTHING)
        columns: dict[str, list[object]] = {name: [getattr(one, name) for one in self] for name in facts}
        for name in inputs:
            columns[f"inputs.{name}" if name in columns else name] = [one.inputs.get(name) for one in self]
        for name in outputs:
            column = f"outputs.{name}" if name in columns else name
            columns[column] = [(one.outputs or _NOTHING).get(name) for one in self]
        return polars.DataFrame(columns, strict=False)

    def write(self, to: Path) -> None:
        """Write the frame to a .parquet, .csv or .json file; in a .csv, lists and documents are JSON texts. Blocks."""
        table, kind = self.frame(), to.suffix.lower()
        draft = to.with_name(f".{to.name}.{secrets.token_hex(6)}")
        try:
            if kind == ".parquet":
                table.write_parquet(draft)
            elif kind == ".json":
                table.write_json(draft)
            elif kind == ".csv":
                _flat(table).write_csv(draft)
            else:
                raise UsageError(f"{to.name!r} must end in .parquet, .csv or .json")
            draft.replace(to)
        finally:
            draft.unlink(missing_ok=True)


def _flat(table: polars.DataFrame) -> polars.DataFrame:
    """The frame with lists and documents as JSON texts."""
    import polars

    texts = [
        polars.Series(
            name, [None if value is None else orjson.dumps(value).decode() for value in table[name].to_list()]
        )
        for name, kind in table.schema.items()
        if kind.is_nested()
    ]
    return table.with_columns(texts)
