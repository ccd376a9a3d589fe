"""One service, and pyCOMPS logged in to it; without pyCOMPS these tests are skipped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio
from support.local_service import Client, Running, running

import acomps
from interop.pycomps import Peer, Util, interpreter, started


@pytest.fixture(scope="session")
def pycomps_python() -> str:
    """The interpreter that has pyCOMPS."""
    python = interpreter()
    if python is None:
        pytest.skip("needs idm-pycomps 2.11.0: let ACOMPS_PYCOMPS_PYTHON name an interpreter that has it")
    return python


@pytest.fixture(scope="session")
def local(pycomps_python: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """The service that both sides talk to."""
    del pycomps_python
    with running(tmp_path_factory.mktemp("interop") / "data", "--cores", "2", "--cancel-grace", "0.5") as service:
        yield service


@pytest.fixture(scope="session")
def client(local: Running) -> Generator[Client]:
    """A plain HTTP client: the truth about what the service says."""
    with Client(local) as logged_in:
        yield logged_in


@pytest.fixture(scope="session")
def peer(pycomps_python: str, local: Running, tmp_path_factory: pytest.TempPathFactory) -> Generator[Peer]:
    """pyCOMPS, logged in."""
    with started(pycomps_python, tmp_path_factory.mktemp("peer")) as logged_in:
        told = logged_in.record("log_in", url=local.url, given=[[local.username, local.password]])
        assert told == {"asked": 1, "logged in": True}
        yield logged_in


@pytest.fixture(scope="session")
def util(peer: Peer, local: Running) -> Util:
    """The command line of pyCOMPS, logged in."""
    return Util(peer.python, local.url, peer.folder)


@pytest_asyncio.fixture(scope="session")
async def gateway(local: Running, settings: acomps.Settings) -> AsyncGenerator[acomps.Session]:
    """acomps, logged in to the same service."""
    async with acomps.connect(
        local.url, username=local.username, password=local.password, settings=settings
    ) as session:
        yield session
