"""Which proxy leads to a server."""

from __future__ import annotations

import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Final

from acomps.errors import UsageError

if TYPE_CHECKING:
    from acomps.transport.address import Address

__all__ = ["Proxy", "proxy_for"]

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")


class Proxy:
    """The URL of a proxy; text forms leave out the user name and password in it."""

    def __init__(self, url: str) -> None:
        self.url = url if "://" in url else f"http://{url}"
        try:
            parts = urllib.parse.urlsplit(self.url)
            self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            self._shown, usable = "(not a URL)", False
        if not usable:
            raise UsageError(f"the proxy {self._shown} cannot be used: write it as in 'http://proxy.example.org:3128'")

    @property
    def encrypted(self) -> bool:
        """Whether the proxy itself is reached by TLS."""
        return self.url.startswith("https:")

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"Proxy({self._shown!r})"


def proxy_for(address: Address, given: str | None) -> Proxy | None:
    """The proxy to use: the one that was given, else the one of the environment, else none.

    The environment's is never used for this machine itself nor for what its no_proxy names. May ask the system's
    configuration, so call it in a thread.
    """
    if given is not None:
        return Proxy(given)
    if address.loopback or urllib.request.proxy_bypass(address.authority):
        return None
    known = urllib.request.getproxies()
    found = known.get(address.scheme) or known.get("all")
    return Proxy(found) if found else None
