"""Login and renewal: one token for the whole session, fetched once for any number of waiters."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard

import anyio
import orjson

from acomps.errors import (
    AuthenticationFailed,
    MalformedAnswer,
    RateLimited,
    Refused,
    ServerFailed,
    TransportError,
    UsageError,
)
from acomps.events import Renewed
from acomps.transport.redaction import hide, logger
from acomps.transport.tokens import Token, TokenKind

if TYPE_CHECKING:
    from acomps.events import Sink
    from acomps.transport.answers import Answer
    from acomps.transport.clock import Clock
    from acomps.transport.credentials import CredentialPrompt, Credentials
    from acomps.transport.token_cache import TokenCache

__all__ = ["Exchange", "TokenFlow"]

_CLIENT_VERSION: Final = 12
#: However often a prompt would go on: a wrong password must not lock the account.
_LOGIN_ATTEMPTS: Final = 3
#: After a renewal that failed while the old token is still good.
_RENEWAL_PAUSE_S: Final = 60.0
_LOGIN: Final = "log in"
_RENEWAL: Final = "renew the token"


class Exchange(Protocol):
    """Sends one request to /api/tokens; with `repeat`, as often as the retry policy has it."""

    async def __call__(
        self, operation: str, method: str, payload: bytes, token: Token | None, *, repeat: bool
    ) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A token and, counted from the moment it was taken, how long it is fresh and how long it is usable."""

    token: Token
    renew_in_s: float
    expire_in_s: float
    since_monotonic: float
    since_wall: datetime

    def age_s(self, clock: Clock) -> float:
        # The wall clock also counts the time that a laptop slept; the monotonic one cannot be set back.
        by_wall = (clock.wall() - self.since_wall).total_seconds()
        return max(clock.monotonic() - self.since_monotonic, by_wall)

    def fresh(self, clock: Clock) -> bool:
        return self.age_s(clock) < self.renew_in_s

    def usable(self, clock: Clock) -> bool:
        return self.age_s(clock) < self.expire_in_s

    def postponed(self, clock: Clock) -> _Held:
        return replace(self, renew_in_s=min(self.age_s(clock) + _RENEWAL_PAUSE_S, self.expire_in_s))


class TokenFlow:
    """The session's token. With `username`, cached tokens of other users are left alone."""

    def __init__(
        self,
        server: str,
        exchange: Exchange,
        prompt: CredentialPrompt,
        cache: TokenCache,
        sink: Sink,
        clock: Clock,
        username: str | None = None,
    ) -> None:
        self._server, self._exchange, self._prompt, self._cache = server, exchange, prompt, cache
        self._sink, self._clock, self._username = sink, clock, username
        self._held: _Held | None = None
        self._lock = anyio.Lock()

    async def current(self, rejected: Token | None = None) -> Token:
        """A token to use now; never `rejected`, which the server has just refused.

        Raises AuthenticationFailed when the user name or password is not accepted, UsageError when there is nobody
        to ask for them.
        """
        held = self._good(rejected)
        if held is not None:
            return held.token
        async with self._lock:
            held = self._good(rejected)
            if held is None:
                held = self._held = await self._obtain(rejected)
            return held.token

    async def login(self) -> Token:
        """A new token, by asking for the user name and the password whatever token there is."""
        async with self._lock:
            self._held = await self._login(self._username)
            return self._held.token

    async def logout(self) -> None:
        """Forget the token, in memory and in the cache file."""
        async with self._lock:
            self._held = None
            await self._cache.clear()

    def _good(self, rejected: Token | None) -> _Held | None:
        held = self._held
        if held is None or held.token is rejected or not held.fresh(self._clock):
            return None
        return held

    async def _obtain(self, rejected: Token | None) -> _Held:
        cached = await self._cached()
        known = [held for held in (cached, self._held) if held is not None]
        usable = [held for held in known if held.usable(self._clock)]
        accepted = [held for held in usable if rejected is None or held.token.secret != rejected.secret]
        for held in accepted:
            if held.fresh(self._clock):
                return held  # another program has renewed it
        hint = self._username or next((held.token.user for held in known), None)
        to_renew = next((held for held in (*accepted, *usable) if held.token.kind is TokenKind.AUTH), None)
        if to_renew is None:
            return await self._login(hint)
        return await self._renew_or_login(to_renew, hint, still_good=to_renew in accepted)

    async def _renew_or_login(self, old: _Held, hint: str | None, *, still_good: bool) -> _Held:
        try:
            payload = orjson.dumps({"ClientVersion": _CLIENT_VERSION})
            # While the old token is good nobody should wait for the repeats of an early renewal.
            answer = await self._exchange(_RENEWAL, "PUT", payload, old.token, repeat=not still_good)
            return await self._take(_RENEWAL, answer)
        except (TransportError, ServerFailed, RateLimited, MalformedAnswer) as exc:
            if not still_good:
                raise
            logger.debug("renewal postponed: %s", exc)
            return old.postponed(self._clock)
        except AuthenticationFailed as exc:
            logger.debug("renewal refused: %s", exc)
            return await self._login(hint)
        except Refused as exc:
            logger.debug("renewal refused: %s", exc)
        try:
            return await self._login(hint)
        except UsageError:
            if not still_good:
                raise
            return old.postponed(self._clock)

    async def _login(self, hint: str | None) -> _Held:
        refusal: AuthenticationFailed | None = None
        tried: Credentials | None = None
        for attempt in range(1, _LOGIN_ATTEMPTS + 1):
            credentials = await self._prompt.ask(self._server, hint, attempt)
            if credentials is None or credentials == tried:
                break
            tried = credentials
            try:
                return await self._login_as(credentials)
            except AuthenticationFailed as exc:
                refusal = exc
        if refusal is not None:
            raise refusal
        raise UsageError(
            f"the login to {self._server} was given up: no user name and password; "
            "give username= and password= to acomps.connect"
        )

    async def _login_as(self, credentials: Credentials) -> _Held:
        encoded = base64.b64encode(credentials.password.encode()).decode()
        payload = orjson.dumps(
            {"Username": credentials.username, "Password": encoded, "ClientVersion": _CLIENT_VERSION}
        )
        try:
            answer = await self._exchange(_LOGIN, "POST", payload, None, repeat=True)
        except Refused as exc:
            # A server may repeat in its message what it was sent.
            exc.server_message = hide(exc.server_message, credentials.password, encoded)
            exc.args = (hide(str(exc), credentials.password, encoded),)
            if isinstance(exc, AuthenticationFailed):
                raise self._not_accepted(credentials, exc) from exc
            raise
        return await self._take(_LOGIN, answer)

    def _not_accepted(self, credentials: Credentials, refusal: AuthenticationFailed) -> AuthenticationFailed:
        said = f" ({refusal.server_message})" if refusal.server_message else ""
        return AuthenticationFailed(
            f"{self._server} does not accept the user name or password of {credentials.username!r}{said}; "
            "check both, and that this is the right server",
            status=refusal.status,
            server_message=refusal.server_message,
            correlation_id=refusal.correlation_id,
        )

    async def _take(self, operation: str, answer: Answer) -> _Held:
        """Hold, cache and announce the token of an answer."""
        text = answer.headers.get("x-comps-token") or _token_of(answer)
        try:
            token = Token.parse(text)
        except MalformedAnswer as exc:
            raise MalformedAnswer(f"{operation}: {self._server} sent no usable token: {exc}") from None
        held = self._issued_now(token)
        await self._cache.store(token)
        self._sink(Renewed(user=token.user))
        return held

    def _issued_now(self, token: Token) -> _Held:
        # By the server's own two times, so that a local clock that is wrong does not make it look expired.
        if token.created is not None and token.created < token.expiry:
            return self._hold(token, token.created)
        return self._hold(token, self._clock.wall())

    async def _cached(self) -> _Held | None:
        token = await self._cache.load()
        if token is None or (self._username and token.user.casefold() != self._username.casefold()):
            return None
        return self._hold(token, self._clock.wall())

    def _hold(self, token: Token, now_there: datetime) -> _Held:
        return _Held(
            token=token,
            renew_in_s=(token.renew_at - now_there).total_seconds(),
            expire_in_s=(token.expiry - now_there).total_seconds(),
            since_monotonic=self._clock.monotonic(),
            since_wall=self._clock.wall(),
        )


def _token_of(answer: Answer) -> str:
    """The token in the body, for an answer whose header lacks it."""
    document = answer.json()
    if _is_mapping(document):
        for name, value in document.items():
            if str(name).lower() == "token" and isinstance(value, str):
                return value
    return ""


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)
