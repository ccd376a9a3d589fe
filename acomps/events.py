"""What happens inside long calls, as frozen values sent to a sink; the library itself never prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "Downloaded",
    "Event",
    "Harvesting",
    "Listed",
    "Renewed",
    "Retrying",
    "Saved",
    "Sink",
    "Uploaded",
    "Waiting",
    "ignore",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One request of a save was confirmed: `entities` in it, `total` confirmed by this call so far."""

    entities: int
    total: int
    bytes_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One page of a listing arrived: `entities` in it, `total` read by this call so far."""

    entities: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """`bytes` more of a file arrived; negative when some do not count and are fetched again.

    What an earlier run has left counts too, so the sum is the length of the file once it is whole.
    """

    path: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvesting:
    """One more file of a harvest is done: how many were fetched so far, with how many bytes, were there, or failed."""

    files: int
    bytes: int
    skipped: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """`bytes` more of a content are on the server or on their way; negative when some have to be sent again.

    What the server has already counts too, so the sum is the length of the content once it is there.
    """

    name: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """`operation` failed for `reason` and is tried again, for the `attempt`-th time, after `wait_s` seconds."""

    operation: str
    attempt: int
    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A watch has had no usable answer for `lasted_s` seconds, for `reason`; it asks again after `wait_s` seconds."""

    lasted_s: float
    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """The session got a new token for `user`."""

    user: str


Event: TypeAlias = Saved | Listed | Downloaded | Harvesting | Uploaded | Retrying | Renewed | Waiting
Sink: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The sink of a caller who did not ask for progress."""
