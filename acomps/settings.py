"""Every number and file that a session works with, as one immutable value."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RetrySettings", "Settings", "Timeouts", "TlsSettings", "WatchSettings", "server_from_environment"]

KIB: Final = 1024
MIB: Final = 1024 * KIB

#: One POST of simulations or work items must stay strictly below this many bytes (the service's own limit).
BATCH_BYTES_LIMIT: Final = 38_912 * KIB
#: ... and hold at most this many entities.
BATCH_ENTITIES_LIMIT: Final = 100
#: Contents above this size travel by the chunk route; equal is still inline.
INLINE_BYTES_LIMIT: Final = 10 * MIB


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UsageError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each phase of a request may take without any progress, in seconds."""

    connect_s: float = 10.0
    read_s: float = 60.0
    write_s: float = 60.0
    pool_s: float = 120.0

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            _require(getattr(self, item.name) > 0, f"Timeouts.{item.name} must be more than 0 seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """How often and how long a request that may be repeated is repeated.

    The wait before attempt n is random between 0 and `first_wait_s * 2**(n-1)`, at most `longest_wait_s`, and
    never less than the server's Retry-After. `budget_ratio` bounds the repeats of a whole session: at most that
    many repeats per request sent, with `budget_reserve` free ones, so that a storm does not multiply itself.
    """

    attempts: int = 6
    total_s: float = 120.0
    first_wait_s: float = 0.2
    longest_wait_s: float = 15.0
    budget_ratio: float = 0.2
    budget_reserve: int = 50

    def __post_init__(self) -> None:
        _require(self.attempts >= 1, "RetrySettings.attempts must be at least 1")
        _require(self.total_s > 0, "RetrySettings.total_s must be more than 0 seconds")
        _require(
            0 < self.first_wait_s <= self.longest_wait_s,
            "RetrySettings: first_wait_s must be more than 0 and at most longest_wait_s",
        )
        _require(
            self.budget_ratio >= 0 and self.budget_reserve >= 0,
            "RetrySettings.budget_ratio and budget_reserve cannot be negative",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How the server proves who it is, and how we do. Verification cannot be switched off."""

    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None

    def __post_init__(self) -> None:
        _require(
            self.client_key is None or self.client_certificate is not None,
            "TlsSettings.client_key needs client_certificate beside it",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """How often a watch asks the server, and how long it waits for one that is away.

    The first looks are `first_s` apart, and none are ever closer. A watch that sees something move looks once in the
    time that it has lasted divided by `looks`, so that it learns of an end late by a hundredth at most; one that sees
    nothing move looks less and less often. Looks are at most `longest_s` apart.
    """

    first_s: float = 0.25
    longest_s: float = 15.0
    looks: int = 100
    #: The state of things is given at least this often, also when it is the same as before.
    heartbeat_s: float = 60.0
    #: So long the server may be away, as when it is started again; then its error is raised.
    outage_s: float = 120.0
    #: At most so many failed simulations are fetched for their error messages.
    failures_at_most: int = 20

    def __post_init__(self) -> None:
        _require(0 < self.first_s <= self.longest_s, "WatchSettings: first_s must be more than 0 and at most longest_s")
        _require(self.looks >= 1, "WatchSettings.looks must be at least 1")
        _require(self.heartbeat_s > 0, "WatchSettings.heartbeat_s must be more than 0 seconds")
        _require(self.outage_s >= 0, "WatchSettings.outage_s cannot be negative")
        _require(self.failures_at_most >= 1, "WatchSettings.failures_at_most must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one session works with; `dataclasses.replace` makes a variation."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: RetrySettings = field(default_factory=RetrySettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    #: What carries the requests: "lean" is the faster one, "lanes" knows proxies and loops other than asyncio's.
    transport: Literal["auto", "lean", "lanes"] = "auto"
    reads_at_once: int = 64
    saves_at_once: int = 4
    saves_at_most: int = 8
    page_size: int = 5_000
    batch_entities: int = BATCH_ENTITIES_LIMIT
    batch_bytes: int = BATCH_BYTES_LIMIT
    inline_bytes: int = INLINE_BYTES_LIMIT
    #: A file above `range_from_bytes` is fetched in ranges of `range_bytes`, `ranges_at_once` at the same time.
    range_from_bytes: int = 16 * MIB
    range_bytes: int = 8 * MIB
    ranges_at_once: int = 4
    token_cache_dir: Path | None = None
    #: Where the md5s of large files are kept between runs; None is the user's cache folder. Safe to delete.
    hash_cache_dir: Path | None = None

    def __post_init__(self) -> None:
        _require(self.transport in {"auto", "lean", "lanes"}, "Settings.transport must be 'auto', 'lean' or 'lanes'")
        _require(self.reads_at_once >= 1, "Settings.reads_at_once must be at least 1")
        _require(
            1 <= self.saves_at_once <= self.saves_at_most,
            "Settings.saves_at_once, where a save begins, must be from 1 to saves_at_most",
        )
        _require(1 <= self.page_size <= 100_000, "Settings.page_size must be from 1 to 100000 entities")
        _require(
            1 <= self.batch_entities <= BATCH_ENTITIES_LIMIT,
            f"Settings.batch_entities must be from 1 to {BATCH_ENTITIES_LIMIT}, the service's own limit",
        )
        _require(
            64 * KIB <= self.batch_bytes <= BATCH_BYTES_LIMIT,
            f"Settings.batch_bytes must be from 65536 to {BATCH_BYTES_LIMIT}, the service's own limit",
        )
        _require(
            0 <= self.inline_bytes <= INLINE_BYTES_LIMIT,
            f"Settings.inline_bytes must be from 0 to {INLINE_BYTES_LIMIT}, the service's own limit",
        )
        _require(self.range_bytes >= MIB, f"Settings.range_bytes must be at least {MIB}")
        _require(
            self.range_from_bytes >= MIB,
            f"Settings.range_from_bytes must be at least {MIB}: smaller files are one request in any case",
        )
        _require(self.ranges_at_once >= 1, "Settings.ranges_at_once must be at least 1")


def server_from_environment(environ: Mapping[str, str] = os.environ) -> str | None:
    """The server that the user's environment names (COMPS_SERVER), or None."""
    return environ.get("COMPS_SERVER", "").strip() or None
