"""The routes of the service, one module per subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.entities.states import EntityKind
from acomps.local.routes import (
    accounts,
    assets,
    environments,
    output_zips,
    outputs,
    relations,
    statistics,
    uploads,
    zips,
)
from acomps.local.routes.entities import EntityRoutes

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.routing import Route

    from acomps.local.core import Core

__all__ = ["all_routes"]


def all_routes(core: Core, wake: Callable[[], None]) -> list[Route]:
    """Every route; `wake` tells the scheduler that there may be work."""
    return [
        *accounts.routes(core),
        *environments.routes(core),
        *uploads.routes(core),
        *relations.routes(core),
        *statistics.routes(core),
        *(route for kind in EntityKind if kind.code >= 0 for route in EntityRoutes(core, kind, wake).routes()),
        *outputs.routes(core),
        *output_zips.routes(core),
        *assets.routes(core),
        *zips.routes(core),
    ]
