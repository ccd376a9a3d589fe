"""What tests share: one local service in a process of its own, and a session with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

import acomps
from acomps.comps.child import Service, start_service


@pytest.fixture(scope="session")
def token_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for tokens, so that tests leave the user's own login alone."""
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture(scope="session")
def settings(token_cache: Path) -> acomps.Settings:
    """Settings of a session that belongs to the tests."""
    return acomps.Settings(token_cache_dir=token_cache)


@pytest.fixture(scope="session")
def service_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service of the tests keeps its data."""
    return tmp_path_factory.mktemp("service")


@pytest_asyncio.fixture(scope="session")
async def service(service_folder: Path) -> AsyncGenerator[Service]:
    """A local service that all tests of a run share."""
    async with start_service(service_folder) as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def comps(service: Service, settings: acomps.Settings) -> AsyncGenerator[acomps.Session]:
    """A session with the service."""
    async with acomps.connect(
        service.url, username=service.username, password=service.password, settings=settings
    ) as session:
        yield session


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a soak can be told; pytest reads options from here only."""
    parser.addoption("--seed", type=int, default=None, help="the seed of `-m soak`; printed by every soak")
    parser.addoption("--soak-minutes", type=float, default=10.0, help="how long `-m soak` goes on")
