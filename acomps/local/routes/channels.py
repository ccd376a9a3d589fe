"""The channels of many simulations' charts in one answer, for multi-charts (protocol 6.12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.entities.states import EntityKind
from acomps.local.errors import Refused
from acomps.local.files.bodies import read_body
from acomps.local.files.charts import read_chart
from acomps.local.gate import viewer_of
from acomps.local.jsons import decode, guid, own_object, renamed, text
from acomps.local.routes.answers import json_answer
from acomps.local.routes.outputs import directory_of
from acomps.local.routing import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core
    from acomps.local.files.charts import Channel
    from acomps.local.jsons import JSON

__all__ = ["routes"]

_CHART: Final = "output/InsetChart.json"
_KEYS: Final = {"simulationids": "ids", "filename": "path", "channels": "channels"}
MAX_SIMULATIONS: Final = 1_000
#: The values of one answer, together; a client asks for more in several calls.
MAX_VALUES: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which channels of which simulations; all of them when none is named."""

    ids: list[str]
    path: str
    channels: frozenset[str]


def routes(core: Core) -> list[Route]:
    """The routes of this module."""

    async def asked(request: Request) -> _Asked:
        return _asked(decode(await read_body(request, core.settings.max_json_bytes)))

    async def metadata(request: Request) -> Response:
        viewer, wanted = viewer_of(request), await asked(request)
        names: dict[str, None] = {}
        for simulation in wanted.ids:
            names.update(dict.fromkeys(await core.job(_channels, core, viewer, simulation, wanted.path)))
        return json_answer({"Channels": sorted(names)})

    async def data(request: Request) -> Response:
        viewer, wanted = viewer_of(request), await asked(request)
        units: dict[str, str] = {}
        simulations: dict[str, dict[str, object]] = {}
        values = 0
        for simulation in wanted.ids:
            found = await core.job(_channels, core, viewer, simulation, wanted.path)
            chosen = {
                name: channel for name, channel in found.items() if not wanted.channels or name in wanted.channels
            }
            values += sum(len(channel.data) for channel in chosen.values())
            if values > MAX_VALUES:
                raise Refused(400, f"this is more than {MAX_VALUES} values: ask for fewer simulations or channels")
            for name, channel in chosen.items():
                units.setdefault(name, channel.units)
            if chosen:
                simulations[simulation] = {name: {"Data": channel.data} for name, channel in chosen.items()}
        info = [{"Name": name, "Units": unit} for name, unit in sorted(units.items())]
        return json_answer({"Info": info, "Simulations": simulations})

    return [
        Route("/api/channeldata/metadata", metadata, methods=["POST"]),
        Route("/api/channeldata/datastream", data, methods=["POST"]),
    ]


def _asked(document: JSON) -> _Asked:
    given = renamed(own_object(document, "the request's body"), _KEYS)
    ids, channels = given.get("ids"), given.get("channels", [])
    if not isinstance(ids, list) or not isinstance(channels, list):
        raise Refused(400, 'the request\'s body must be {"SimulationIds": [...], "Filename": ..., "Channels": [...]}')
    if len(ids) > MAX_SIMULATIONS:
        raise Refused(400, f"{len(ids)} simulations are more than the {MAX_SIMULATIONS} of one request")
    return _Asked(
        ids=[*dict.fromkeys(guid(one, "each of the SimulationIds") for one in ids)],
        path=text(given.get("path", _CHART), "Filename").replace("\\", "/"),
        channels=frozenset(text(channel, "each of the Channels") for channel in channels),
    )


def _channels(core: Core, viewer: Viewer, simulation: str, path: str) -> Mapping[str, Channel]:
    """The channels of one simulation; none where it has not (or not yet) written a chart."""
    place = directory_of(core, viewer, EntityKind.SIMULATION, simulation, None)
    if place is None:
        return {}
    try:
        return read_chart(place[1], path)
    except Refused:
        return {}
    except ValueError as exc:
        raise Refused(400, f"simulation {simulation}: {exc}"[:400]) from exc
