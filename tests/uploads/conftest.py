"""What tests of uploads share: sessions through a fault proxy, and files that are old enough to be remembered."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from support.fault_proxy import FaultProxy, fault_proxy

import acomps
from acomps.comps.child import Service

MakeFile = Callable[..., Path]


@pytest.fixture
def private(settings: acomps.Settings, tmp_path: Path) -> acomps.Settings:
    """Settings with a hash cache of the test's own, and little patience."""
    retry = acomps.RetrySettings(first_wait_s=0.01, longest_wait_s=0.05)
    return dataclasses.replace(settings, hash_cache_dir=tmp_path / "hashes", retry=retry)


@pytest_asyncio.fixture
async def proxy(service: Service) -> AsyncGenerator[FaultProxy]:
    """A proxy in front of the service."""
    async with fault_proxy(service.url) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def far(service: Service, proxy: FaultProxy, private: acomps.Settings) -> AsyncGenerator[acomps.Session]:
    """A session through the proxy."""
    async with acomps.connect(
        proxy.url, username=service.username, password=service.password, settings=private
    ) as session:
        await session.environments.list()
        proxy.ledger.clear()
        yield session


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Makes files that nobody has sent before, changed last a minute ago."""

    def make(name: str, length: int, folder: Path | None = None) -> Path:
        path = (folder or tmp_path) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(fresh(length))
        age(path)
        return path

    return make


def fresh(length: int) -> bytes:
    """Bytes that nobody has sent before."""
    return (uuid.uuid4().bytes + os.urandom(1024 * 1024) * (length // (1024 * 1024) + 1))[:length]


def age(path: Path, seconds: float = 60) -> None:
    """Let the file have been changed some time ago."""
    now = path.stat().st_mtime
    os.utime(path, (now - seconds, now - seconds))
