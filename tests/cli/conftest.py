"""A service for the command line alone, so that `latest` is what its tests have made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from support.terminal import Terminal

from acomps.comps.child import Service, start_service


@pytest_asyncio.fixture(scope="session")
async def cli_service(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Service]:
    """The service."""
    async with start_service(tmp_path_factory.mktemp("cli-service")) as running:
        yield running


@pytest.fixture(scope="session")
def cli_home(tmp_path_factory: pytest.TempPathFactory, cli_service: Service) -> Path:
    """A home in which somebody is logged in."""
    home = tmp_path_factory.mktemp("cli-home")
    Terminal(home, cli_service, home).log_in()
    return home


@pytest.fixture
def cli(tmp_path: Path, cli_home: Path, cli_service: Service) -> Terminal:
    """A terminal in an empty folder, logged in."""
    return Terminal(tmp_path, cli_service, cli_home)
