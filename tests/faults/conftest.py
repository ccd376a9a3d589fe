"""The world that all cases of the fault bench read from, and the options of the soak."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from faults.bench import World, fresh_world

import acomps
from acomps.comps.child import Service


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of a soak: the one that was given, or a new one."""
    given: int | None = request.config.getoption("--seed")
    return random.SystemRandom().randrange(10**9) if given is None else given


@pytest_asyncio.fixture(scope="session")
async def world(service: Service, service_folder: Path, settings: acomps.Settings) -> AsyncGenerator[World]:
    """A service with an experiment that has run."""
    async with fresh_world(service, service_folder, settings) as world:
        yield world
