"""EMOD's InsetChart.json, and what has its shape: named channels over time."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, cast

import orjson

from acomps.results.errors import UnreadableOutput

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Channel", "InsetChart", "read_inset_chart"]

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One quantity at every time step."""

    units: str
    data: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InsetChart:
    """The course of one simulation: channels of the same length, one value per time step."""

    header: Mapping[str, object]
    channels: Mapping[str, Channel]
    source: str = "InsetChart.json"

    def __getitem__(self, name: str) -> Channel:
        """The channel of this name."""
        if name in self.channels:
            return self.channels[name]
        near = difflib.get_close_matches(name, self.channels, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self.channels) or 'none'}"
        raise UnreadableOutput(f"{self.source} has no channel {name!r}: {hint}")

    @property
    def start_days(self) -> float:
        """The day of the first value."""
        return self._number("Start_Time", 0.0)

    @property
    def step_days(self) -> float:
        """The days from one value to the next."""
        return self._number("Simulation_Timestep", 1.0)

    def day(self, step: int) -> float:
        """The day of the value at `step`."""
        return self.start_days + step * self.step_days

    def _number(self, key: str, default: float) -> float:
        value = self.header.get(key, default)
        if not isinstance(value, int | float):
            raise UnreadableOutput(f"{self.source}: {key} is {value!r}, which is no number")
        return value


def read_inset_chart(
    source: Path | bytes, *, channels: Collection[str] | None = None, name: str = "InsetChart.json"
) -> InsetChart:
    """The chart in a file or in bytes, all its channels or only the named ones; `name` stands in errors about bytes."""
    where = name if isinstance(source, bytes) else str(source)
    try:
        document: JsonValue = orjson.loads(source if isinstance(source, bytes) else source.read_bytes())
    except OSError as error:
        raise UnreadableOutput(f"{where} cannot be read: {error.strerror or error}") from error
    except orjson.JSONDecodeError as error:
        raise UnreadableOutput(f"{where} is no JSON, perhaps cut short: {error}") from error
    header = document.get("Header") if isinstance(document, dict) else None
    held = document.get("Channels") if isinstance(document, dict) else None
    if not isinstance(header, dict) or not isinstance(held, dict):
        raise UnreadableOutput(f"{where} is no InsetChart: it must be an object with objects Header and Channels")
    wanted = held if channels is None else {key: value for key, value in held.items() if key in channels}
    chart = InsetChart(
        header=MappingProxyType(header),
        channels=MappingProxyType({key: _channel(f"{where}: {key!r}", value) for key, value in wanted.items()}),
        source=where,
    )
    _require_even(chart)
    return chart


def _channel(what: str, value: JsonValue) -> Channel:
    units = value.get("Units", "") if isinstance(value, dict) else None
    data = value.get("Data") if isinstance(value, dict) else None
    if not isinstance(units, str) or not isinstance(data, list):
        raise UnreadableOutput(f"{what} is no channel: it must be an object with a text Units and a list Data")
    strange = set(map(type, data)) - {int, float, bool}
    if strange:
        found = next(item for item in data if type(item) in strange)
        raise UnreadableOutput(f"{what} has {found!r} in its Data, which is no number")
    return Channel(units=units, data=tuple(map(float, cast("list[float]", data))))


def _require_even(chart: InsetChart) -> None:
    """Refuse channels of different lengths, and a header that promises another one."""
    steps = chart.header.get("Timesteps")
    for name, channel in chart.channels.items():
        steps = len(channel.data) if not isinstance(steps, int) else steps
        if len(channel.data) != steps:
            raise UnreadableOutput(
                f"{chart.source}: {name!r} has {len(channel.data)} values where there should be {steps}"
            )
