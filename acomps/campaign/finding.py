"""Which form of store a folder has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.campaign.json_layout import JSONLayout
from acomps.campaign.zarr_layout import ZarrLayout

if TYPE_CHECKING:
    from pathlib import Path

    from acomps.campaign.layout import Layout

__all__ = ["JSON", "ZARR", "find_layout"]

JSON = JSONLayout()
ZARR = ZarrLayout()


def find_layout(store: Path) -> Layout | None:
    """The form of the store in a folder, if there is one; blocks."""
    layouts: tuple[Layout, ...] = (ZARR, JSON)
    return next((layout for layout in layouts if layout.is_here(store)), None)
