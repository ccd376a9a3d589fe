"""What the tests of the transport share: both transports."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator
from typing import TypeAlias

import pytest
import trustme
from support.transport_session import on_transport

from acomps.transport.lanes import LaneTransport
from acomps.transport.lean import LeanTransport
from acomps.transport.tls import empty_context

MakeTransport: TypeAlias = Callable[..., LaneTransport | LeanTransport]


@pytest.fixture(params=["lean", "lanes"])
def each_transport(request: pytest.FixtureRequest) -> Generator[str]:
    """The test runs twice, its channels once on each transport, whose name this is."""
    with on_transport("lanes" if request.param == "lanes" else "auto"):
        yield request.param


@pytest.fixture(params=["lean", "lanes"])
def new_transport(request: pytest.FixtureRequest) -> MakeTransport:
    """Makes a transport with at most so many connections; the test runs with each kind."""

    def make(limit: int = 1, verify: ssl.SSLContext | None = None) -> LaneTransport | LeanTransport:
        context = verify or empty_context()
        return LeanTransport(limit, context) if request.param == "lean" else LaneTransport(limit, 1, context)

    return make


@pytest.fixture
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts yet."""
    return trustme.CA()
