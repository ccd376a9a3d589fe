"""What differs between the services that a channel speaks to: URLs, what every body holds, what an answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from acomps.transport.refusals import refusal, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from acomps.errors import Refused
    from acomps.transport.address import Address
    from acomps.transport.answers import Answer

__all__ = ["COMPS", "Dialect"]


class Dialect(Protocol):
    """How one kind of service is spoken to."""

    def url(self, address: Address, path: str) -> str:
        """The URL of a path at this server."""
        ...

    def content(self, content: bytes | None) -> bytes | None:
        """The body to send for a body that is not streamed, or for none."""
        ...

    def failure(self, answer: Answer, root: str, wall: Callable[[], datetime]) -> Refused | None:
        """The error that an answer means, None for a good one; `root` is the server's URL."""
        ...


class _Comps:
    """COMPS: paths under /api, bodies as they are, refusals told by their status."""

    def url(self, address: Address, path: str) -> str:
        return address.url(path)

    def content(self, content: bytes | None) -> bytes | None:
        return content

    def failure(self, answer: Answer, root: str, wall: Callable[[], datetime]) -> Refused | None:
        return refusal(answer, root, wall) if refused(answer.status) else None


COMPS: Final[Dialect] = _Comps()
