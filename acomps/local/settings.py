"""Every number and place that the service works with, as one immutable value."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import platformdirs

from acomps.local.accounts.users import User, UsersFile
from acomps.local.cybergis.settings import CybergisSettings
from acomps.local.environments import Environment
from acomps.local.errors import CannotServe

__all__ = ["ServiceSettings", "default_data_dir"]

MIB: Final = 1024 * 1024


def default_data_dir() -> Path:
    """Where the service keeps its data when nobody says otherwise: the platform's user-data folder."""
    return Path(platformdirs.user_data_dir("acomps", appauthor=False)) / "local"


def _all_cores() -> int:
    """The cores that this process may use, which can be fewer than the machine has."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What one service works with; `dataclasses.replace` makes a variation."""

    data_dir: Path = field(default_factory=default_data_dir)
    host: str = "127.0.0.1"
    #: 0 takes any free port.
    port: int = 0
    #: Every answer is held back this long, to measure clients at a distance.
    latency_ms: float = 0.0
    #: So many cores are given to simulations at the same time.
    cores: int = field(default_factory=_all_cores)
    token_lifetime_s: float = 4 * 3600.0
    #: How long the self-authorising links to files hold.
    link_lifetime_s: float = 7 * 24 * 3600.0
    #: Between asking a cancelled simulation to end and ending it.
    cancel_grace_s: float = 5.0
    #: Parts of a content to which nothing is added for so long are removed.
    keep_uploads_s: float = 7 * 24 * 3600.0
    max_upload_bytes: int = 256 * 1024 * MIB
    #: The contents of one zip of assets, together (protocol 7).
    max_zip_bytes: int = 1024 * MIB
    max_json_bytes: int = 64 * MIB
    max_form_bytes: int = 512 * MIB
    max_form_parts: int = 20_000
    max_entities_per_request: int = 1_000
    max_page: int = 100_000
    #: What was deleted can be brought back by hand for so long.
    keep_deleted_s: float = 14 * 24 * 3600.0
    #: Contents that nobody has asked for and nothing refers to are freed after so long.
    keep_unreferenced_s: float = 7 * 24 * 3600.0
    #: Between two looks for what can go.
    sweep_every_s: float = 3600.0
    #: With both files the service speaks https.
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    #: Where simulations run; empty is one environment named Local, with its folders in the data folder.
    environments: tuple[Environment, ...] = ()
    #: Users that the configuration names, beside those in the users file.
    users: tuple[User, ...] = ()
    #: What is served under /v2.
    cybergis: CybergisSettings = field(default_factory=CybergisSettings)
    #: Threads for the database and file work of requests; more than one only where one is held up.
    jobs_at_once: int = 8

    def __post_init__(self) -> None:
        if self.latency_ms < 0:
            raise CannotServe("the latency cannot be negative")
        if self.cores < 1:
            raise CannotServe("at least one core is needed to run simulations")
        if not 0 <= self.port <= 65_535:
            raise CannotServe(f"port {self.port} is not a number from 0 to 65535")
        object.__setattr__(self, "data_dir", self.data_dir.expanduser().absolute())

    def require_loopback(self) -> None:
        """A service with one user and no passwords of people answers to this machine only."""
        if self.host == "localhost" or self.users or UsersFile(self.data_dir).load():
            return
        try:
            loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise CannotServe(
                f"the single-user service listens on this machine only: {self.host!r} is not a loopback address, "
                "use 127.0.0.1 (and an ssh tunnel from elsewhere), "
                "or add users first: acomps serve-user add NAME --group GROUP"
            )
