"""A local service for the tests of work items, and a client with shortcuts for them."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from support.local_service import Running, running
from support.work_items import ItemClient


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """The shared service."""
    with running(tmp_path_factory.mktemp("workers") / "data", "--cores", "2", "--cancel-grace", "2") as service:
        yield service


@pytest.fixture(scope="session")
def client(workplace: Running) -> Generator[ItemClient]:
    """A client of the shared service."""
    with ItemClient(workplace) as logged_in:
        yield logged_in
