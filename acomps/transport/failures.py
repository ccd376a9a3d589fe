"""What an exception of httpx means for the caller.

The table holds for httpx's own transport on httpcore; another transport needs its own, and its own fault tests.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final

import anyio
import httpx

from acomps.errors import (
    AcompsError,
    AnswerTimedOut,
    ConnectTimedOut,
    MalformedAnswer,
    NotSent,
    OutcomeUnknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acomps.settings import Timeouts
    from acomps.transport.address import Address
    from acomps.transport.proxies import Proxy

__all__ = ["FailureTable", "Unreachable"]

#: getaddrinfo's words for "there is no such name"; EAI_AGAIN, a resolver that does not answer, is not among them.
_NO_SUCH_NAME: Final = frozenset(
    code
    for code in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None), getattr(socket, "EAI_FAIL", None))
    if code is not None
)


class Unreachable(NotSent):
    """Repeating it is safe and pointless: the address, the certificate or the settings must change first."""


class FailureTable:
    """Turns what httpx raises into the errors of acomps, with the names that the user knows."""

    def __init__(self, address: Address, timeouts: Timeouts, proxy: Proxy | None) -> None:
        self._address, self._timeouts, self._proxy = address, timeouts, proxy

    def translate(self, error: httpx.RequestError, operation: str, *, answered: bool) -> AcompsError:
        """The error to raise from `error`; `answered` = this server has been reached before in this session."""
        match error:
            case httpx.ConnectTimeout():
                limit = f"no connection to {self._peer} within {self._timeouts.connect_s:g} s"
                return ConnectTimedOut(f"{operation}: {limit}; check the host, the port and the network")
            case httpx.PoolTimeout():
                return ConnectTimedOut(
                    f"{operation}: no connection became free within {self._timeouts.pool_s:g} s; "
                    "do fewer things at once or raise Timeouts.pool_s"
                )
            case httpx.ConnectError():
                return self._not_connected(error, operation, answered=answered)
            case httpx.ProxyError():
                return Unreachable(
                    f"{operation}: the proxy {self._proxy} refuses to connect to {self._address.root}: {error}; "
                    "check the proxy's address, user name and password"
                )
            case httpx.ReadTimeout():
                return AnswerTimedOut(
                    f"{operation}: {self._address.root} sent nothing for {self._timeouts.read_s:g} s; "
                    "whether it acted is unknown"
                )
            case httpx.WriteTimeout():
                return AnswerTimedOut(
                    f"{operation}: {self._address.root} took nothing for {self._timeouts.write_s:g} s; "
                    "whether it acted is unknown"
                )
            case httpx.DecodingError():
                return MalformedAnswer(f"{operation}: the compressed answer cannot be unpacked ({error})")
            case _:
                return OutcomeUnknown(
                    f"{operation}: the connection to {self._address.root} broke ({_words(error)}); "
                    f"whether the server acted is unknown{self._scheme_hint(answered=answered)}"
                )

    @property
    def _peer(self) -> str:
        return self._address.root if self._proxy is None else f"the proxy {self._proxy}"

    def _scheme_hint(self, *, answered: bool) -> str:
        if answered or self._address.scheme == "https":
            return ""
        return f". If the server speaks https, write https://{self._address.authority}"

    def _not_connected(self, error: httpx.ConnectError, operation: str, *, answered: bool) -> NotSent:
        start = f"{operation}: cannot connect to {self._peer}: "
        # Through a proxy that is not encrypted itself, TLS is always with the server behind it.
        behind = self._proxy is not None and not self._proxy.encrypted
        start_tls = f"{operation}: cannot connect to {self._address.root}: " if behind else start
        for cause in _causes(error):
            match cause:
                case ssl.SSLCertVerificationError():
                    return Unreachable(
                        f"{start_tls}its certificate is not accepted ({cause.verify_message}). If it is signed by an "
                        "authority of your own, give its file as TlsSettings.ca_bundle; else check the host name"
                    )
                case ssl.SSLError():
                    return Unreachable(f"{start_tls}TLS failed ({cause.reason or cause}). {self._plain_hint()}")
                case anyio.EndOfStream() | anyio.BrokenResourceError() | ConnectionResetError():
                    return NotSent(f"{start_tls}the connection was closed during TLS. {self._plain_hint()}")
                case socket.gaierror():
                    # After one answer the name is known to be right, and the resolver is what fails for now.
                    kind = Unreachable if cause.errno in _NO_SUCH_NAME and not answered else NotSent
                    return kind(f"{start}the host name is not known ({cause.strerror}); check its spelling")
                case ConnectionRefusedError():
                    return NotSent(
                        f"{start}connection refused; check the port, whether http or https is right, "
                        "and whether the service runs"
                    )
                case _:
                    continue
        return NotSent(f"{start}{_words(error)}; check the host, the port and the network")

    def _plain_hint(self) -> str:
        return f"If it serves plain http, write http://{self._address.authority}"


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exceptions behind `error`, nearest first; httpcore hides some of them by `raise ... from None`."""
    todo, seen = [error], set[int]()
    while todo:
        current = todo.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        members: tuple[BaseException, ...] = getattr(current, "exceptions", ())
        todo += [link for link in (*members, current.__cause__, current.__context__) if link is not None]
