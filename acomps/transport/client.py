"""The HTTP client of a session: it sends each request once, over httpx's transport seam.

With `failures`, `lanes`, `lean` and `body` this is all that touches httpx.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import re
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import httpx
import sniffio
from anyio import to_thread

from acomps.errors import MalformedAnswer, OutcomeUnknown, UsageError
from acomps.transport.answers import Answer, Headers
from acomps.transport.body import Body, BodyStream
from acomps.transport.dialect import COMPS, Dialect
from acomps.transport.failures import FailureTable
from acomps.transport.lanes import LaneTransport
from acomps.transport.lean import LeanTransport
from acomps.transport.proxies import Proxy, proxy_for
from acomps.transport.redaction import guard_logs, logger
from acomps.transport.refusals import refused
from acomps.transport.tls import empty_context, tls_context
from acomps.transport.tokens import Token

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Mapping

    from acomps.settings import Settings
    from acomps.transport.address import Address
    from acomps.transport.clock import Clock

__all__ = ["READS", "Client", "Outgoing", "Streamed", "parsed_url"]

#: The methods that change nothing.
READS: Final = frozenset({"GET", "HEAD"})
_PER_LANE: Final = 4
_CLOSE_S: Final = 5.0
_EMPTY: Final = httpx.ByteStream(b"")
_LONGEST_REFUSAL: Final = 1024 * 1024
#: A path and query with nothing in them to encode.
_PLAIN: Final = re.compile(r"/(?:[!$&'()*+,./0-9:;=?@A-Z_a-z~-]++|%[0-9A-Fa-f]{2})*+")
#: httpx takes longer to parse a URL than the rest of a small request takes; those of one server begin alike.
_known_url: Final = functools.lru_cache(16)(httpx.URL)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request, ready to be sent as often as needed; its token is put on when it is sent."""

    operation: str
    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes | Body | None = None


@dataclass(frozen=True, slots=True, repr=False)
class _Known:
    """The headers of the last request, and what they were made of."""

    lines: tuple[tuple[bytes, bytes], ...]
    token: Token | None
    headers: httpx.Headers


_NOTHING_KNOWN: Final = _Known((), None, httpx.Headers())


class Client:
    """Sends requests, each once, and turns whatever goes wrong into the errors of acomps."""

    def __init__(
        self, address: Address, settings: Settings, clock: Clock, *, at_once: int, dialect: Dialect = COMPS
    ) -> None:
        self._address, self._settings, self._clock, self._at_once = address, settings, clock, at_once
        self._dialect = dialect
        limits = settings.timeouts
        self._extensions = {
            "timeout": {
                "connect": limits.connect_s,
                "read": limits.read_s,
                "write": limits.write_s,
                "pool": limits.pool_s,
            }
        }
        self._transport: httpx.AsyncBaseTransport | None = None
        self._failures = FailureTable(address, limits, None)
        self._answered = False
        self._known = _NOTHING_KNOWN
        self.user_agent = b"acomps"

    async def open(self) -> None:
        """Read certificates and the proxy configuration, and make the transport; nothing is connected yet."""
        guard_logs()
        context, proxy, version = await to_thread.run_sync(self._read_surroundings)
        self.user_agent = f"acomps/{version}".encode()
        self._failures = FailureTable(self._address, self._settings.timeouts, proxy)
        self._transport = self._made_for(context, proxy)

    def _made_for(self, context: ssl.SSLContext, proxy: Proxy | None) -> httpx.AsyncBaseTransport:
        """The lean transport where it can be used and nothing else is wanted, else lanes."""
        wanted = self._settings.transport
        on_asyncio = sniffio.current_async_library() == "asyncio"
        if wanted == "lean" and (proxy is not None or not on_asyncio):
            what = f"use the proxy {proxy}" if proxy is not None else "run on another loop than asyncio's"
            raise UsageError(f"Settings.transport: 'lean' cannot {what}; set it to 'auto'")
        if wanted != "lanes" and proxy is None and on_asyncio:
            return LeanTransport(self._at_once, context)
        try:
            return LaneTransport(
                lanes=-(-self._at_once // _PER_LANE),
                per_lane=_PER_LANE,
                verify=context,
                proxy=None
                if proxy is None
                else httpx.Proxy(proxy.url, ssl_context=context if proxy.encrypted else None),
            )
        except ImportError as exc:
            raise UsageError(f"the proxy {proxy} needs one more package: pip install socksio") from exc

    def _read_surroundings(self) -> tuple[ssl.SSLContext, Proxy | None, str]:
        proxy = proxy_for(self._address, self._settings.proxy)
        encrypted = self._address.scheme == "https" or (proxy is not None and proxy.encrypted)
        context = tls_context(self._settings.tls) if encrypted else empty_context()
        try:
            version = importlib.metadata.version("acomps")
        except importlib.metadata.PackageNotFoundError:
            version = "unknown"
        return context, proxy, version

    async def aclose(self) -> None:
        """Close every connection; what is under way fails."""
        transport, self._transport = self._transport, None
        self._known = _NOTHING_KNOWN
        if transport is not None:
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await transport.aclose()

    async def ask(self, outgoing: Outgoing, token: Token | None) -> Answer:
        """Send once and read the whole answer; an answer that refuses is raised."""
        request, body = self._request(outgoing, token)
        try:
            if body is not None:
                await body.begin()
            response = await self._sent(outgoing, request)
            headers = Headers(response.headers.raw)
            try:
                content = await _whole(response, headers)
            except BaseException:
                await response.aclose()
                raise
        except httpx.RequestError as exc:
            raise self._failures.translate(exc, outgoing.operation, answered=self._answered) from exc
        finally:
            if body is not None:
                await _end(body)
        self._answered = True
        return self._judged(outgoing, response.status_code, headers, content)

    async def start(self, outgoing: Outgoing, token: Token | None) -> Streamed:
        """Send once and return at the head of the answer; the caller closes it."""
        request, _ = self._request(outgoing, token)
        try:
            response = await self._sent(outgoing, request)
        except httpx.RequestError as exc:
            raise self._failures.translate(exc, outgoing.operation, answered=self._answered) from exc
        self._answered = True
        streamed = Streamed(outgoing.operation, response, self._failures)
        if refused(streamed.status):
            async with aclosing(streamed):
                content = b"".join([piece async for piece in streamed.beginning(_LONGEST_REFUSAL)])
            self._judged(outgoing, streamed.status, streamed.headers, content)
        return streamed

    def _judged(self, outgoing: Outgoing, status: int, headers: Mapping[str, str], content: bytes) -> Answer:
        """The answer, or the error that it means."""
        logger.debug("%s: %s %s: %d", outgoing.operation, outgoing.method, outgoing.url, status)
        answer = Answer(outgoing.operation, status, headers, content)
        failure = self._dialect.failure(answer, self._address.root, self._clock.wall)
        if failure is not None:
            raise failure
        if content and outgoing.method not in READS and headers.get("content-type", "").startswith("text/html"):
            # Of a read the content is looked at; of these often only that there was an answer.
            raise MalformedAnswer(
                f"{outgoing.operation}: a web page came in the place of the answer; "
                "is there a login page or a gateway between here and the server?"
            )
        return answer

    async def _sent(self, outgoing: Outgoing, request: httpx.Request) -> httpx.Response:
        # Not through an httpx client, for nothing of what one adds is wanted here: redirects, cookies, netrc, a log.
        if self._transport is None:
            raise UsageError(f"{outgoing.operation}: the session is not open; use it inside `async with`")
        return await self._transport.handle_async_request(request)

    def _request(self, outgoing: Outgoing, token: Token | None) -> tuple[httpx.Request, BodyStream | None]:
        content = outgoing.content
        body = None if content is None or isinstance(content, bytes) else BodyStream(content)
        stream = body or (httpx.ByteStream(content) if isinstance(content, bytes) else _EMPTY)
        try:
            url, target = parsed_url(outgoing.url)
            extensions = {**self._extensions, "target": target}
            # With `stream=` httpx adds no header of its own, which costs less and leaves nothing to chance.
            request = httpx.Request(
                outgoing.method,
                url,
                headers=self._headers(outgoing.headers, token),
                stream=stream,
                extensions=extensions,
            )
        except httpx.InvalidURL as exc:
            raise UsageError(f"{outgoing.operation}: the path cannot be made a URL: {exc}") from exc
        return request, body

    def _headers(self, lines: tuple[tuple[bytes, bytes], ...], token: Token | None) -> httpx.Headers:
        """The lines with the token; what most requests have in common is made once."""
        known = self._known
        if lines is not known.lines or token is not known.token:
            secret = () if token is None else ((b"X-COMPS-Token", token.secret.encode("latin-1")),)
            known = self._known = _Known(lines, token, httpx.Headers([*lines, *secret]))
        return known.headers


class Streamed:
    """An answer whose head has arrived; see StreamedAnswer."""

    def __init__(self, operation: str, response: httpx.Response, failures: FailureTable) -> None:
        self._operation, self._response, self._failures = operation, response, failures
        self.status = response.status_code
        self.headers: Mapping[str, str] = Headers(response.headers.raw)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The bytes as they come; raises OutcomeUnknown when they are fewer than was announced."""
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            raise MalformedAnswer(f"{self._operation}: the server compressed ({encoding}) what must come plain")
        announced = self.headers.get("content-length", "")
        got = 0
        try:
            async for piece in self._response.aiter_raw():
                got += len(piece)
                yield piece
        except httpx.RequestError as exc:
            raise self._failures.translate(exc, self._operation, answered=True) from exc
        if announced.isdigit() and got != int(announced):
            raise OutcomeUnknown(f"{self._operation}: the answer ended after {got} of {announced} bytes")

    async def beginning(self, most: int) -> AsyncGenerator[bytes]:
        """The unpacked body up to about `most` bytes; a body that breaks off just ends."""
        got = 0
        try:
            async for piece in self._response.aiter_bytes():
                yield piece
                got += len(piece)
                if got >= most:
                    return
        except httpx.RequestError as exc:
            logger.debug("%s: the body of a refusal broke off: %r", self._operation, exc)

    async def aclose(self) -> None:
        """Give the connection back, or drop it if the body was not read to its end."""
        with anyio.move_on_after(_CLOSE_S, shield=True):
            await self._response.aclose()


def parsed_url(url: str) -> tuple[httpx.URL, bytes]:
    """A URL that leads to the server of `url`, and what is asked of it."""
    path_begins = url.find("/", url.find("://") + 3)
    # httpx takes `.` and `..` out of paths.
    if path_begins > 0 and "/." not in url and _PLAIN.fullmatch(url, path_begins):
        return _known_url(url[:path_begins]), url[path_begins:].encode()
    parsed = httpx.URL(url)
    return parsed, parsed.raw_path


async def _whole(response: httpx.Response, headers: Headers) -> bytes:
    """The body of an answer."""
    stream = response.stream
    if "content-encoding" in headers or not isinstance(stream, httpx.AsyncByteStream):
        return await response.aread()
    # What is not packed need not pass the three generators that could unpack it.
    content = b"".join([piece async for piece in stream])
    await stream.aclose()
    return content


async def _end(body: BodyStream) -> None:
    with anyio.move_on_after(_CLOSE_S, shield=True), contextlib.suppress(RuntimeError):
        # RuntimeError: the iteration is still running somewhere else, and ends by itself.
        await body.aclose()
