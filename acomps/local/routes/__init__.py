"""The routes of the service, one module per subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.entities.states import EntityKind
from acomps.local.routes import (
    accounts,
    assets,
    channels,
    climate,
    environments,
    metrics,
    output_zips,
    outputs,
    relations,
    statistics,
    traffic,
    uploads,
    zips,
)
from acomps.local.routes.entities import EntityRoutes

if TYPE_CHECKING:
    from collections.abc import Callable

    from acomps.local.core import Core
    from acomps.local.routing import Route

__all__ = ["all_routes"]


def all_routes(core: Core, wake: Callable[[], None]) -> list[Route]:
    """Every route; `wake` tells the scheduler that there may be work."""
    # The first that fits is taken: what is most asked for comes first; contents before outputs, as a content may be
    # named "output", and statistics before their experiments.
    kinds = sorted((kind for kind in EntityKind if kind.code >= 0), key=lambda kind: kind is not EntityKind.SIMULATION)
    return [
        *assets.routes(core),
        *outputs.routes(core),
        *statistics.routes(core),
        *(route for kind in kinds for route in EntityRoutes(core, kind, wake).routes()),
        *accounts.routes(core),
        *environments.routes(core),
        *uploads.routes(core),
        *relations.routes(core),
        *metrics.routes(core),
        *channels.routes(core),
        *climate.routes(core),
        *traffic.routes(core),
        *output_zips.routes(core),
        *zips.routes(core),
    ]
