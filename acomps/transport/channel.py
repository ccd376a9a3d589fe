"""The channel: the one way by which gateways talk to a server."""

from __future__ import annotations

import functools
import urllib.parse
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

import anyio

from acomps.errors import AuthenticationFailed, UsageError
from acomps.events import ignore
from acomps.threads import Threads
from acomps.transport.auth import TokenFlow
from acomps.transport.client import READS, Client, Outgoing
from acomps.transport.clock import Clock
from acomps.transport.credentials import GivenCredentials
from acomps.transport.dialect import COMPS, Dialect
from acomps.transport.retry import Replay, RetryPolicy
from acomps.transport.token_cache import TokenCache

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

    from acomps.events import Sink
    from acomps.settings import Settings
    from acomps.transport.address import Address
    from acomps.transport.answers import Answer, StreamedAnswer
    from acomps.transport.body import Body
    from acomps.transport.credentials import CredentialPrompt
    from acomps.transport.tokens import Token

__all__ = ["Channel"]

T = TypeVar("T")

_JSON: Final = "application/json"
_NO_HEADERS: Final[Mapping[str, str]] = {}
#: One connection more than calls need, for a login or a renewal.
_TOKEN_CALLS: Final = 1
#: As many as a slow file system may need; one is enough for a quick one.
_THREADS: Final = 32


class Channel:
    """An open way to one server: authorised, limited, repeated by policy, its failures translated.

    At most `settings.reads_at_once` GETs are under way, a stream counting until it is closed, and as many other calls;
    further ones wait their turn. All methods raise the errors of `acomps.errors`; cancelling any of them drops
    its connection. To be used inside `async with`. Without a `prompt` there is no login: what a service wants in its
    place is put into the bodies by its `dialect`.
    """

    def __init__(
        self,
        address: Address,
        settings: Settings,
        prompt: CredentialPrompt | None,
        sink: Sink = ignore,
        *,
        username: str | None = None,
        clock: Clock | None = None,
        dialect: Dialect = COMPS,
    ) -> None:
        self.clock = clock = clock or Clock()
        if username is None and isinstance(prompt, GivenCredentials):
            username = prompt.credentials.username
        self.address, self.settings = address, settings
        writes = max(settings.reads_at_once, settings.saves_at_once)
        at_once = settings.reads_at_once + writes + _TOKEN_CALLS
        # Not a CapacityLimiter: it lends only one place to each task, and a task may hold several streams.
        self._reads = anyio.Semaphore(settings.reads_at_once, fast_acquire=True)
        self._writes = anyio.Semaphore(writes, fast_acquire=True)
        self._dialect = dialect
        #: For the blocking work of calls, such as writing the files that they fetch.
        self.threads = Threads(_THREADS)
        self._client = Client(address, settings, clock, at_once=at_once, dialect=dialect)
        self._policy = RetryPolicy(settings.retry, sink, clock)
        cache = TokenCache(address, settings.token_cache_dir)
        self._flow = (
            None if prompt is None else TokenFlow(address.root, self._exchange, prompt, cache, sink, clock, username)
        )

    async def __aenter__(self) -> Self:
        await self._client.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; more than once does no harm."""
        await self._client.aclose()
        self.threads.close()

    async def token(self) -> Token:
        """The session's token, after a login if it has none: the user, the groups and the environments."""
        return await self._tokens.current()

    async def login(self) -> Token:
        """A new token by a new login, whatever token there is; that one stays when the login fails."""
        return await self._tokens.login()

    async def logout(self) -> None:
        """Forget the token and remove its cache file; a later call logs in again."""
        await self._tokens.logout()

    async def call(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        replay: Replay,
        query: Sequence[tuple[str, str]] = (),
        json: bytes | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        retry: bool = True,
        on_event: Sink | None = None,
    ) -> Answer:
        """The answer to one request, read whole; its status is below 300.

        `operation` names the call in errors, as in "save 100 simulations of experiment X". `json` is encoded already.
        `retry=False` makes it one attempt, whatever `replay` says; a new login after a 401 is no attempt of it.
        `on_event` hears of the repeats of this call, besides the session's sink.
        """
        if json is not None and body is not None:
            raise UsageError(f"{operation}: give json or body, not both")
        outgoing = self._outgoing(
            operation, method, path, query=query, content=json if body is None else body, headers=headers
        )
        async with self._reads if method in READS else self._writes:
            send = partial(self._client.ask, outgoing)
            return await self._authorised(operation, replay, send, repeat=retry, on_event=on_event)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> AsyncGenerator[StreamedAnswer]:
        """An answer whose body is read piece by piece, uncompressed; a file's URL may be absolute.

        Getting the head of the answer is repeated by policy as a read; a body that breaks is the caller's to resume.
        """
        outgoing = self._outgoing(operation, method, path, query=query, headers=headers, encodings=b"identity")
        async with self._reads:
            start = partial(self._client.start, outgoing)
            async with aclosing(await self._authorised(operation, Replay.SAFE, start)) as answer:
                yield answer

    @property
    def _tokens(self) -> TokenFlow:
        if self._flow is None:
            raise UsageError(f"{self.address.root}: this channel has no login of its own")
        return self._flow

    async def _authorised(
        self,
        operation: str,
        replay: Replay,
        send: Callable[[Token | None], Awaitable[T]],
        *,
        repeat: bool = True,
        on_event: Sink | None = None,
    ) -> T:
        """Send with the session's token; after a 401, which did nothing, once more with a new one."""
        token = None if self._flow is None else await self._flow.current()
        try:
            return await self._policy.around(operation, replay, partial(send, token), repeat=repeat, on_event=on_event)
        except AuthenticationFailed:
            if self._flow is None:
                raise
        token = await self._tokens.current(rejected=token)
        return await self._policy.around(operation, replay, partial(send, token), repeat=repeat, on_event=on_event)

    async def _exchange(
        self, operation: str, method: str, payload: bytes, token: Token | None, *, repeat: bool
    ) -> Answer:
        outgoing = self._outgoing(operation, method, "/tokens", content=payload)
        # A second token does no harm, so an unknown outcome may be repeated.
        ask = partial(self._client.ask, outgoing, token)
        return await self._policy.around(operation, Replay.SAFE, ask, repeat=repeat)

    def _outgoing(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        content: bytes | Body | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        encodings: bytes = b"gzip, deflate",
    ) -> Outgoing:
        url = self._dialect.url(self.address, path)
        if query:
            url = f"{url}{'&' if '?' in url else '?'}{urllib.parse.urlencode(query, safe='~')}"
        if content is None or isinstance(content, bytes):
            content = self._dialect.content(content)
            content_type, length = _JSON, len(content or b"")
        else:
            content_type, length = content.content_type, content.length
        lines = _common(self.address.authority, encodings, self._client.user_agent, content_type)
        if method not in READS or content is not None:
            lines = (*lines, (b"Content-Length", b"%d" % length))
        if headers:
            own = _encoded(headers, operation)
            names = {name.lower() for name, _ in own}
            lines = (*(line for line in lines if line[0].lower() not in names), *own)
        return Outgoing(operation, method, url, lines, content)


@functools.lru_cache(64)
def _common(authority: str, encodings: bytes, user_agent: bytes, content_type: str) -> tuple[tuple[bytes, bytes], ...]:
    """The header lines of all requests to one server; the same object again, by which a client knows them."""
    return (
        (b"Host", authority.encode()),
        (b"Accept", _JSON.encode()),
        (b"Accept-Encoding", encodings),
        (b"User-Agent", user_agent),
        (b"Content-Type", content_type.encode("latin-1")),
    )


def _encoded(headers: Mapping[str, str], operation: str) -> list[tuple[bytes, bytes]]:
    encoded: list[tuple[bytes, bytes]] = []
    for name, value in headers.items():
        if not (name.isascii() and name.isprintable() and value.isprintable()):
            raise UsageError(f"{operation}: the header {name!r} holds a control character")
        try:
            encoded.append((name.encode("ascii"), value.encode("latin-1")))
        except UnicodeEncodeError:
            raise UsageError(f"{operation}: the header {name!r} holds a character outside of Latin-1") from None
    return encoded
