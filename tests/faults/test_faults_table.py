"""The table: every operation under every fault that can hit it, and what has to come of it."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import pytest
from faults.bench import Bench, World, secrets_in
from faults.expectations import expected_errors
from faults.operations import OPERATIONS, Operation
from faults.troubles import TROUBLES, Trouble

from acomps import AcompsError

CASES = [
    pytest.param(operation, trouble, transport, id=f"{operation.name}-{trouble.name}{suffix}")
    for trouble in TROUBLES.values()
    for operation in OPERATIONS.values()
    if not trouble.only or operation.name in trouble.only
    for transport, suffix in (("lean", ""), ("lanes", "-on-lanes"))
    if transport == "lean" or trouble.lanes
]

#: Of what will not get better, so many requests are made; a 401 may be the token's fault, and is tried with another.
PERMANENT = {"400": 1, "401": 2, "403": 1, "404": 1, "redirected": 1, "429 for long": 1, "503 for long": 1}
#: The operations of which a single request is hit.
SINGLE = {"save", "commission", "list"}


@pytest.mark.parametrize(("kind", "trouble", "transport"), CASES)
async def test_under_faults(
    world: World,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: type[Operation],
    trouble: Trouble,
    transport: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    operation = kind(world, tmp_path)
    await operation.prepare()
    expected = expected_errors(kind.name, trouble.meaning)
    error: AcompsError | None = None
    async with Bench.of(world, tmp_path, transport=transport, logged_in=kind.logged_in) as bench:
        trouble.set_up(bench, operation)
        if bench.first is not None:
            await bench.first()
        with anyio.fail_after(60):
            try:
                operation.verify(await operation.run(bench))
            except AcompsError as exc:
                error = exc
                operation.verify_failed()
        if error is not None and not isinstance(error, expected):
            raise error
        assert error is not None or not expected, f"one of {expected} should have come"
        hits = [request for request in bench.proxy.ledger if operation.hits(request)]
        assert operation.sparing(hits), [(request.method, request.target) for request in hits]
        if trouble.meaning in PERMANENT and kind.name in SINGLE:
            assert len(hits) == PERMANENT[trouble.meaning], "a permanent error was tried again"
        if trouble.meaning in {"401", "expelled"} and kind.name not in {"login", "renewal"}:
            logins = [request.method for request in bench.proxy.ledger if request.target.endswith("/tokens")]
            assert logins == ["PUT"], "one renewal is enough"
        await bench.usable()
        assert not secrets_in(bench.secrets(), error, caplog.records)
        caplog.clear()
