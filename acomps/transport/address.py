"""The address of a server: the host strings that are accepted, and the URL of every path."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from acomps.errors import MalformedAnswer, UsageError

__all__ = ["Address", "asset_path"]

_GRAMMAR: Final = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]+))?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HIGHEST_PORT: Final = 65_535
_LONGEST_HOST: Final = 253
_LONGEST_LABEL: Final = 63
_ACCEPTED: Final = (
    "write a host as in 'comps.idmod.org', 'https://comps.idmod.org' or 'http://localhost:8080' "
    "(http or https in lower case; nothing after the port)"
)


@dataclass(frozen=True, slots=True)
class Address:
    """One server: scheme, host, and the port where it is not the scheme's own."""

    scheme: str
    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str | None) -> Address:
        """The server that a host string (or COMPS_SERVER) names; https where it names no scheme.

        Raises UsageError, which says what is wrong and what is accepted.
        """
        wanted = (text or "").strip().rstrip("/")
        if not wanted:
            raise UsageError(f"the server is empty: {_ACCEPTED}")
        match = _GRAMMAR.fullmatch(wanted)
        if match is None:
            raise UsageError(f"{_shown(wanted)!r} is not a server: {_complaint(wanted)}; {_ACCEPTED}")
        scheme, host, port = match["scheme"] or "https", match["host"], match["port"]
        labels = host.removesuffix(".").split(".")
        if len(host) > _LONGEST_HOST or not all(0 < len(label) <= _LONGEST_LABEL for label in labels):
            raise UsageError(f"{wanted!r} is not a server: {host!r} is no host name; {_ACCEPTED}")
        number = None if port is None else int(port[:9])
        if number is not None and not 0 < number <= _HIGHEST_PORT:
            raise UsageError(f"{wanted!r} is not a server: a port is from 1 to {_HIGHEST_PORT}")
        return cls(scheme, host, None if number == _DEFAULT_PORTS[scheme] else number)

    @property
    def authority(self) -> str:
        """Host and port, as the Host header spells them."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def root(self) -> str:
        """The server's URL without a trailing slash."""
        return f"{self.scheme}://{self.authority}"

    @property
    def loopback(self) -> bool:
        """Whether the server is this machine by its very name."""
        host = self.host.lower().removesuffix(".")
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def url(self, path: str) -> str:
        """The URL of a path: files directly under the root, everything else under /api.

        An absolute URL of a file is taken from its `/asset/` on, so that the token goes to this server only. Names
        within the path are quoted by the caller; a query may follow it.
        """
        if path.startswith(("http://", "https://")):
            path = asset_path(path)
        path = path.removeprefix("/").replace("#", "%23")
        return f"{self.root}/{path}" if path.startswith("asset/") else f"{self.root}/api/{path}"

    def cache_name(self, os_user: str) -> str:
        """The name of the token file of this server, the same as pyCOMPS's."""
        host = self.root.replace(":", "_").replace("/", "_")
        return f"COMPS_Authtoken_{host}_{os_user}.txt"

    def __str__(self) -> str:
        return self.root


def asset_path(url: str) -> str:
    """The part of a file's URL from `/asset/` on, whatever host stands before it."""
    if url.startswith("asset/"):
        return f"/{url}"
    at = url.find("/asset/")
    if at < 0:
        where = url.partition("?")[0][:120]
        raise MalformedAnswer(f"the file URL {where!r} has no '/asset/' in it, so it cannot be fetched here")
    return url[at:]


def _shown(text: str) -> str:
    """`text` without the user name and password that may stand before an @."""
    before, at, after = text.rpartition("@")
    scheme, mark, _ = before.partition("://")
    return f"{scheme}://...@{after}" if at and mark else f"...@{after}" if at else text


def _complaint(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    if mark and scheme not in _DEFAULT_PORTS:
        return f"its scheme is {_shown(scheme)!r}"
    rest = rest if mark else text
    if "@" in rest:
        return "a user name does not belong into it (give username= and password=)"
    if "[" in rest or rest.count(":") > 1:
        return "an IPv6 address is not accepted, give the host's name"
    if "/" in rest or "?" in rest:
        return "it has a path or query"
    return "it is not made of letters, digits, '.', '-' and '_'"
