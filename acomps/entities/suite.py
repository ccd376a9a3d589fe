"""A suite: experiments that belong together."""

from __future__ import annotations

from dataclasses import dataclass

from acomps.entities.configuration import Configuration
from acomps.entities.record import NamedRecord

__all__ = ["Suite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite(NamedRecord):
    """A named group of experiments; its configuration is what they inherit."""

    configuration: Configuration | None = None
