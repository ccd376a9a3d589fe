"""One local service for all tests of this folder that do not need one of their own."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from support.local_service import Client, Running, running


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """The shared service."""
    with running(tmp_path_factory.mktemp("local") / "data", "--cores", "2") as service:
        yield service


@pytest.fixture(scope="session")
def client(local: Running) -> Generator[Client]:
    """A client of the shared service."""
    with Client(local) as logged_in:
        yield logged_in
