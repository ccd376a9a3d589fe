"""Who is logged in: a token that the server has accepted, looked for once for any number of waiters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from acomps.cybergis.tokens import from_environment, from_jupyter
from acomps.errors import AuthenticationFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from acomps.cybergis.dialect import CyberGISDialect
    from acomps.cybergis.tokens import HubToken, TokenFile, TokenPrompt

__all__ = ["Access"]


class Access:
    """The login of one session. A token that the server refuses is never held."""

    def __init__(
        self,
        server: str,
        dialect: CyberGISDialect,
        who: Callable[[HubToken], Awaitable[str]],
        file: TokenFile,
        prompt: TokenPrompt,
        *,
        given: HubToken | None,
        hub: str | None,
        environ: Mapping[str, str],
    ) -> None:
        self._server, self._dialect, self._who, self._file, self._prompt = server, dialect, who, file, prompt
        self._given, self._hub, self._environ = given, hub, environ
        self._lock = anyio.Lock()
        self.username: str | None = None

    @property
    def token(self) -> HubToken | None:
        """The token of the user who is logged in."""
        return self._dialect.token

    async def current(self) -> HubToken:
        """The token, after a login if there is none."""
        if self.token is None:
            await self.login()
        if self.token is None:
            raise UsageError(f"{self._server}: logged out meanwhile; log in again")
        return self.token

    async def login(self) -> str:
        """The user's name, with the first token that the server accepts; see `CyberGISCompute.login`."""
        async with self._lock:
            if self.token is not None and self.username is not None:
                return self.username
            refusals: list[str] = []
            async for source, token in self._found():
                try:
                    name = await self._accepted(token)
                except AuthenticationFailed as exc:
                    if token is self._given:
                        raise
                    refusals.append(f"the one from {source} is not accepted ({exc.server_message})")
                    continue
                if source == str(self._file.path):
                    await self._file.store(token)  # whoever wrote it, from now on only its owner reads it
                return name
        found = "; ".join(refusals) or "none was found"
        raise UsageError(
            f"{self._server} wants a token of your JupyterHub: {found}. Give token= to CyberGISCompute, set "
            "CYBERGIS_COMPUTE_TOKEN, or call login(manual=True)"
        )

    async def login_with(self, token: HubToken, *, save: bool) -> str:
        """The user's name, with this token; the one before stays when it is refused."""
        async with self._lock:
            name = await self._accepted(token)
            if save:
                await self._file.store(token)
            return name

    async def login_by_prompt(self, host: str | None) -> str:
        """The user's name, with a token that is asked for; it is kept in the file."""
        token = await self._prompt.ask(self._server, host or self._hub)
        if token is None:
            raise UsageError(f"the login to {self._server} was given up")
        return await self.login_with(token, save=True)

    async def save(self) -> None:
        """Keep the token in the file."""
        await self._file.store(await self.current())

    def logout(self) -> None:
        """Forget the token; the file stays."""
        self._dialect.token = self.username = None

    async def _accepted(self, token: HubToken) -> str:
        self._dialect.guard(token)
        name = await self._who(token)
        self._dialect.token, self.username = token, name
        return name

    async def _found(self) -> AsyncIterator[tuple[str, HubToken]]:
        if self._given is not None:
            yield "the argument", self._given
            return
        if (token := from_environment(self._environ)) is not None:
            yield "CYBERGIS_COMPUTE_TOKEN", token
        if (token := await self._file.load()) is not None:
            yield str(self._file.path), token
        if (token := from_jupyter(self._environ, self._hub)) is not None:
            yield "JUPYTERHUB_API_TOKEN", token
