"""A scripted server that speaks CyberGIS-Compute: it knows one token, and says who that is."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import orjson
from support.transport_server import Arrived, Instruction, Reply, ScriptedServer

from acomps.cybergis import CyberGISCompute
from acomps.events import Event
from acomps.settings import RetrySettings, Settings, WatchSettings

HOST, SECRET = "hub.example.org", "a-secret-of-ana"
TOKEN = base64.b64encode(f"{HOST}@{SECRET}".encode()).decode()
QUICK = Settings(
    retry=RetrySettings(first_wait_s=0.01, longest_wait_s=0.02),
    watch=WatchSettings(first_s=0.01, longest_s=0.02, outage_s=5),
)


def said(document: object, status: int = 200, **headers: str) -> Reply:
    """An answer with a JSON body."""
    return Reply(status, orjson.dumps(document), headers)


def failed(error: str, status: int, **more: object) -> Reply:
    """An error body."""
    return said({"error": error, **more}, status)


def job(job_id: str = "1700000000aB3xY", /, **changes: object) -> dict[str, object]:
    """A job as the reference describes it, before anything has happened to it."""
    empty = ("remoteExecutableFolder", "remoteDataFolder", "remoteResultFolder", "localExecutableFolder")
    never = ("localDataFolder", "updatedAt", "deletedAt", "initializedAt", "finishedAt", "slurmId", "secretToken")
    return {
        "id": job_id,
        "userId": f"ana@{HOST}",
        "maintainer": "community_contribution",
        "hpc": "toy_community",
        **dict.fromkeys((*empty, *never)),
        **{"param": {}, "env": {}, "slurm": {}, "createdAt": "2030-01-02T03:04:05.678Z", "isFailed": False},
        **{"events": [], "logs": []},
        **changes,
    }


def event(number: int, kind: str) -> dict[str, object]:
    """An event of a job; all of them come in the same millisecond."""
    return {"id": number, "jobId": "1700000000aB3xY", "type": kind, "message": kind, "createdAt": NOW}


def log(number: int, message: str) -> dict[str, object]:
    """A log of a job."""
    return {"id": number, "jobId": "1700000000aB3xY", "message": message, "createdAt": NOW}


NOW = "2030-01-02T03:04:06.000Z"


class GisServer(ScriptedServer):
    """Answers `GET /user` by itself, everything else by what is kept for its target, its script, or its default."""

    def __init__(self, *script: Instruction, default: Instruction | None = None) -> None:
        super().__init__(*script, default=default)
        self.by_target: dict[str, list[Reply]] = {}

    def _instruction(self, arrived: Arrived) -> Instruction:
        if arrived.target.endswith("/user"):
            if fields(arrived).get("jupyterhubApiToken") == TOKEN:
                return said({"username": f"ana@{HOST}"})
            return failed("invalid token", 402, messages=[])
        if self.by_target.get(arrived.target):
            return self.by_target[arrived.target].pop(0)
        return self.script.popleft() if self.script else self.default

    @property
    def asked(self) -> list[Arrived]:
        """Everything but the questions who somebody is."""
        return [arrived for arrived in self.ledger if not arrived.target.endswith("/user")]


def fields(arrived: Arrived) -> Mapping[str, object]:
    """The body of a request, which is always an object."""
    document = arrived.json
    assert isinstance(document, dict)
    return cast("Mapping[str, object]", document)


@asynccontextmanager
async def session(
    server: ScriptedServer,
    folder: Path,
    events: list[Event] | None = None,
    *,
    transport: Literal["lean", "lanes"] = "lean",
) -> AsyncGenerator[CyberGISCompute]:
    """A session with a scripted server, whose environment is empty."""
    heard = [] if events is None else events
    async with CyberGISCompute(
        "127.0.0.1",
        server.port,
        "HTTP",
        token=TOKEN,
        token_file=folder / "cybergis_compute_user.json",
        settings=replace(QUICK, transport=transport),
        on_event=heard.append,
        environ={},
    ) as cybergis:
        yield cybergis
