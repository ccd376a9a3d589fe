"""Charts that simulations write: named channels over time, as EMOD's InsetChart.json has them. This blocks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

from acomps.local.files.outputs import open_inside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["MAX_CHART_BYTES", "Channel", "read_chart"]

_Value: TypeAlias = "dict[str, _Value] | list[_Value] | str | int | float | bool | None"

#: Charts are read whole; what is larger is none.
MAX_CHART_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity: its unit, and its value at every time step as the simulation wrote it."""

    units: str
    data: list[object]


def read_chart(folder: Path, path: str) -> Mapping[str, Channel]:
    """The channels in the file at `path` under `folder`; ValueError for what is no chart, Refused for nothing."""
    handle = open_inside(folder, path)
    with os.fdopen(handle, "rb") as file:
        content = file.read(MAX_CHART_BYTES + 1)
    if len(content) > MAX_CHART_BYTES:
        raise ValueError(f"{path} has more than {MAX_CHART_BYTES} bytes")
    document: _Value = orjson.loads(content)
    channels = document.get("Channels") if isinstance(document, dict) else None
    if not isinstance(channels, dict):
        raise ValueError(f"{path} has no Channels")
    return {name: _channel(path, name, channel) for name, channel in channels.items()}


def _channel(path: str, name: str, channel: _Value) -> Channel:
    data = channel.get("Data") if isinstance(channel, dict) else None
    if not isinstance(channel, dict) or not isinstance(data, list):
        raise ValueError(f"channel {name!r} of {path} has no Data")
    return Channel(str(channel.get("Units", "")), [*data])
