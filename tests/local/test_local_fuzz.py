"""Thousands of strange requests on every route: none of them is answered with a 5xx, and the service goes on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

import anyio
import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from starlette.routing import Route, Router
from support.local_service import Client, Running, md5, refused

from acomps.local import ServiceSettings
from acomps.local.app import Service

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"

#: In-process requests; and those over a real socket, where the head is parsed, too.
CASES = 5_000
OVER_A_SOCKET = 400
SEED = 20_260_101

NAMES = [
    "Suites",
    "Experiments",
    "Simulations",
    "WorkItems",
    "AssetCollections",
    "Id",
    "Ids",
    "Name",
    "Description",
    "Owner",
    "Tags",
    "Configuration",
    "Files",
    "SuiteId",
    "ExperimentId",
    "Worker",
    "name",
    "version",
    "EnvironmentName",
    "Priority",
    "AssetCollectionId",
    "FileName",
    "FileType",
    "MD5Checksum",
    "RelativePath",
    "Assets",
    "FileNameForAsset",
    "MD5",
    "OperationMode",
    "Username",
    "Password",
    "ClientVersion",
    "MinCores",
    "MaxCores",
    "Exclusive",
    "MaximumNumberOfRetries",
    "NodeGroupName",
    "WorkingDirectoryRoot",
    "ExecutablePath",
    "SimulationInputArgs",
    "SimulationIds",
    "Filename",
    "Channels",
    "ContainerType",
    "Plugins",
    "SimulationState",
    "HPCJobs",
]
WORDS = (
    *NAMES,
    *(
        "Local",
        "local",
        "Merge",
        "Replace",
        "Delete",
        "Normal",
        "Highest",
        "Created",
        "DependsOn",
        "CommissionRequested",
    ),
    *(
        "CancelRequested",
        "Running",
        "desc",
        "Name desc",
        "1",
        "0",
        "-1",
        "1e999",
        "NaN",
        "true",
        "",
        " ",
        ".",
        "..",
        "/",
    ),
    *("../../etc/passwd", "C:\\x", "a\0b", "\ud7ff\uffff", "🦠" * 5, "ﬃ", "%", "%%", "'", '"; DROP TABLE suites;--'),
    *("$COMPS_PATH(USER)/x", "$COMPS_PATH(NOPE)", "$COMPS_PATH(USER)/../..", "x" * 3_000, "9" * 400, "\u202e", "\t\n"),
    *("00000000-0000-0000-0000-000000000000", "{00000000-0000-0000-0000-000000000000}", "2020-01-01", "0001-01-01"),
    *("9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "20200101T00"),
    *("SimulationState=0", "Name~%", "Name~\\", "Id=x", "DateCreated>0001-01-01T00:00:00+14:00", "a>=1e308", "=", "~x"),
    *("GroupName!=x", "EnvironmentName~a", "isTopLevel=1", "WorkingDirectorySize>1e400", "LastModified<9999-12-31"),
    *("Tags,Configuration,Files,HPCJobs,Assets,Plugins", "Tags", "Configuration", "HPCJobs", "simulationcount"),
)
QUERY_KEYS = [
    "fields",
    "children",
    "filters",
    "tagfilters",
    "orderby",
    "offset",
    "count",
    "coalesceconfig",
    "expirenow",
    "format",
    "statsoperations",
    "id",
    "Id",
    "zip",
    "flatten",
    "hpcjobid",
    "RelatedObject",
    "RelationType",
    "groupnames",
    "EnvironmentName",
    "until",
    "signature",
    "followSymLinks",
]
NUMBERS = (0, 1, -1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, 1e308, -0.0, 5e-324, 0.1)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
BOUNDARY = "BBB"


@dataclass(frozen=True, slots=True)
class Case:
    """One request."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


class Maker:
    """Makes cases out of random numbers: hypothesis gives the seeds, which are small and come back when they fail."""

    def __init__(self, seed: int, paths: Sequence[tuple[str, frozenset[str]]], ids: Sequence[str]) -> None:
        self._random = Random(seed)
        self._paths = paths
        self._ids = ids

    def case(self) -> Case:
        """A request that is nearly right."""
        random = self._random
        path, methods = random.choice(self._paths)
        method = random.choice(sorted(methods)) if random.random() < 0.9 else random.choice(METHODS)
        parts = [self._segment(part) if part.startswith("{") else part for part in path.split("/")]
        path = "/".join(parts)
        if random.random() < 0.05:
            path += random.choice(("/", "//", "/x", "%00", "%ff", "/..", "?", "#"))
        query = [(random.choice(QUERY_KEYS), self._text()) for _ in range(random.choice((0, 0, 0, 1, 1, 2, 4)))]
        content_type, body = self._body(path) if method not in {"GET", "HEAD"} or random.random() < 0.1 else ("", b"")
        headers = {"Content-Type": content_type} if content_type else {}
        if random.random() < 0.2:
            name, values = random.choice(
                (
                    ("Range", ("bytes=0-", "bytes=-0", "bytes=5-1", "bytes=-", "bytes=99999999999999999999-", "x")),
                    (
                        "Content-Range",
                        ("bytes 0-0/1", "bytes 0-4/5", "bytes 5-1/3", "bytes 0-9/10", "bytes 1-1/99", "x"),
                    ),
                    ("Content-Encoding", ("gzip", "identity", "")),
                    ("Accept", ("text/html", "")),
                    ("Host", ("evil.example\\x", "a b", "[::1]:80", "")),
                    ("X-COMPS-Token", ("", "x", ",".join("1" * 15), "\xe9")),
                )
            )
            headers[name] = random.choice(values)
        return Case(method, path, query, headers, body)

    def _segment(self, name: str) -> str:
        random = self._random
        if random.random() < 0.6:
            match name.strip("{}").partition(":")[0]:
                case "state":
                    return random.choice(("CommissionRequested", "CancelRequested", "Running"))
                case "collection":
                    return random.choice(("simulations", "workitems", "Suites"))
                case "kind":
                    return random.choice(("Simulation", "WorkItem", "AssetCollection", "x"))
                case "relation":
                    return random.choice(("DependsOn", "Created", "x"))
                case "md5":
                    return md5(random.choice((b"data", b"", b"other")))
                case _:
                    return random.choice(self._ids)
        text = self._text()
        kept = "".join(letter for letter in text if letter not in "/?#\\")[:200]
        return "".join(f"%{byte:02x}" for byte in kept.encode("utf-8", "replace")) or "x"

    def _text(self) -> str:
        random = self._random
        roll = random.random()
        if roll < 0.15:
            return random.choice(self._ids)
        if roll < 0.25:
            return ",".join(random.choice(WORDS) for _ in range(random.randint(0, 4)))
        if roll < 0.35:
            return f"{random.choice(NAMES)}{random.choice(('=', '!=', '~', '<', '>=', '=='))}{random.choice(WORDS)}"
        return random.choice(WORDS)

    def _value(self, depth: int) -> JSON:
        random = self._random
        roll = random.random()
        if depth <= 0 or roll < 0.45:
            return random.choice(
                (self._text(), random.choice(NUMBERS), None, True, False, [], {}, random.choice(self._ids))
            )
        if roll < 0.65:
            return [self._value(depth - 1) for _ in range(random.randint(0, 3))]
        return {random.choice(NAMES): self._value(depth - 1) for _ in range(random.randint(1, 4))}

    def _entity(self) -> JSON:
        """Something that a save takes, with a few things wrong."""
        random = self._random
        entity: dict[str, JSON] = {
            "Name": "n",
            "Tags": {"a": "b"},
            "Configuration": {"EnvironmentName": "Local", "ExecutablePath": "/bin/true"},
            "Files": [{"FileName": "x", "MD5Checksum": md5(b"data")}],
            "Assets": [{"FileName": "x", "RelativePath": "a", "MD5Checksum": md5(b"data")}],
            "Worker": {"name": "w", "version": "1"},
            "EnvironmentName": "Local",
        }
        for _ in range(random.randint(0, 3)):
            place: dict[str, JSON] = entity
            below = random.choice((None, "Tags", "Configuration", "Worker"))
            inner = entity.get(below) if below else None
            if isinstance(inner, dict):
                place = inner
            place[random.choice(NAMES)] = self._value(2)
        return entity

    def _document(self, path: str) -> bytes:
        random = self._random
        if random.random() < 0.1:
            return random.choice(
                (b"", b"{", b"[" * 2_000, b'{"a":' * 1_500, b"\xff\xfe", b'"\\ud800"', b"1e999", b"nul", b"\0", b"[1,]")
            )
        document: JSON = self._value(4)
        if random.random() < 0.6:
            key = next((name for name in NAMES[:5] if name.lower() in path.lower()), "Suites")
            entities: list[JSON] = [self._entity() for _ in range(random.randint(0, 3))]
            document = {key: entities} if key in {"Suites", "Experiments"} else entities
        return json.dumps(document).encode("utf-8", "surrogatepass")

    def _body(self, path: str) -> tuple[str, bytes]:
        random = self._random
        document = self._document(path)
        if random.random() < 0.45:
            return random.choice(("application/json", "application/json", "text/plain", "")), document
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="not_a_file"; filename="x"\r\n\r\n'.encode()
        body = head + document + b"\r\n"
        for data in random.choices((b"data", b"", b"other", b"large" * 20_000), k=random.randint(0, 2)):
            name = md5(data) if random.random() < 0.8 else self._text().replace("\r", "").replace("\n", "")
            part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
            body += part.encode("utf-8", "replace") + data + b"\r\n"
        body += f"--{BOUNDARY}--\r\n".encode()
        if random.random() < 0.25:
            cut = random.randint(0, len(body))
            body = (
                body[:cut] + random.choice((b"", b"\r\n\r\n", b"\0\0", b"--BBB")) + body[cut + random.randint(0, 9) :]
            )
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return random.choice((kind, kind, kind, "multipart/form-data", f"multipart/mixed; boundary={BOUNDARY}")), body


def paths_of(router: Router) -> list[tuple[str, frozenset[str]]]:
    """Every route that there is."""
    return [(route.path, frozenset(route.methods or ())) for route in router.routes if isinstance(route, Route)]


@dataclass(frozen=True, slots=True)
class Target:
    """A service in this process."""

    http: httpx.AsyncClient
    paths: list[tuple[str, frozenset[str]]]
    ids: list[str]
    #: How many answers had which status.
    answers: Counter[int] = field(default_factory=Counter[int])


@pytest_asyncio.fixture(scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    data = tmp_path_factory.mktemp("fuzz") / "data"
    service = Service(ServiceSettings(data_dir=data, cores=1))
    person = service.core.access.people.all()[0]
    headers = {"X-COMPS-Token": service.core.access.token(person.name)}
    up, down = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        # In a task of its own: a fixture begins in one task and ends in another.
        async with service.router.lifespan_context(service.router):
            up.set()
            await down.wait()

    serving = asyncio.create_task(serve())
    await up.wait()
    transport = httpx.ASGITransport(service.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as http:
        yield Target(http, paths_of(service.router), [*await begin(http), md5(b"data"), "not-an-id", person.name])
    down.set()
    await serving


async def begin(http: httpx.AsyncClient) -> list[str]:
    """One entity of each kind to be found by the cases."""
    ids: list[str] = []
    for plural in ("Suites", "Experiments"):
        answer = await http.post(f"/api/{plural}", json={plural: [{"Name": "x", "Tags": {"a": "1"}}]})
        ids += answer.json()["Ids"]
    item = {"Name": "x", "Worker": {"name": "w", "version": "1"}, "EnvironmentName": "Local"}
    for plural, document in (("Simulations", {"Name": "x"}), ("WorkItems", item), ("AssetCollections", {})):
        parts = {"not_a_file": (plural, json.dumps([document]), "application/json")}
        ids += (await http.post(f"/api/{plural}", files=parts)).json()["Ids"]
    return ids


async def status_of(http: httpx.AsyncClient, case: Case) -> tuple[int, str]:
    if case.method == "DELETE" and "tokens" in case.path.lower():
        return 0, "what comes after would not get far without a token"
    try:
        answer = await http.request(
            case.method,
            httpx.URL(case.path, params=list(case.query)) if case.query else case.path,
            headers={name: value.encode("latin-1") for name, value in case.headers.items()},  # type: ignore[arg-type] # bytes pass as they are
            content=case.body,
        )
    except (httpx.InvalidURL, httpx.LocalProtocolError):
        return 0, "httpx does not send this"
    return answer.status_code, answer.text[:500]


@settings(
    max_examples=CASES // 100,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
@example(seed=SEED)
async def test_no_request_makes_the_service_fail(target: Target, seed: int) -> None:
    """Each example is a hundred requests out of one seed."""
    maker = Maker(seed, target.paths, target.ids)
    for number in range(100):
        case = maker.case()
        status, said = await status_of(target.http, case)
        assert status < 500, f"{status} {said}\nrequest {number} of seed {seed}: {case}"
        target.answers[status] += 1


def test_many_of_the_cases_get_further_than_the_door(target: Target) -> None:
    """What is refused at once shows nothing."""
    answered = target.answers
    assert answered.total() > CASES * 0.9
    assert sum(answered[status] for status in (200, 206)) > CASES * 0.1
    assert answered[400] > CASES * 0.2
    assert answered[401] < CASES * 0.1


async def test_no_request_over_a_socket_makes_the_service_fail(local: Running, client: Client, target: Target) -> None:
    headers = {"X-COMPS-Token": client.http.headers["X-COMPS-Token"]}
    async with httpx.AsyncClient(base_url=local.url, headers=headers, timeout=30) as http:
        maker = Maker(SEED, target.paths, [*await begin(http), md5(b"data")])
        for number in range(OVER_A_SOCKET):
            case = maker.case()
            with anyio.fail_after(30):
                status, said = await status_of(http, case)
            assert status < 500, f"{status} {said}\nrequest {number} of seed {SEED}: {case}"
        assert (await http.get("/api/Suites")).status_code == 200
    assert local.process.poll() is None


def test_every_route_is_among_the_cases(target: Target) -> None:
    def first_folders(path: str) -> str:
        return "/".join(path.lower().split("/")[1:3])

    seen = {first_folders(Maker(seed, target.paths, target.ids).case().path) for seed in range(3_000)}
    expected = {first_folders(path) for path, _ in target.paths}
    assert {path for path in expected if "{" not in path} <= seen


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_moments_outside_of_the_calendar_are_refused(client: Client, moment: str) -> None:
    refused(client.http.get("/api/Simulations", params={"filters": f"DateCreated>{moment}"}), 400, "needs a date")


@pytest.mark.parametrize("value", [{}, [], "perhaps", 2, 0.5])
def test_a_flag_that_is_none_is_refused(client: Client, value: JSON) -> None:
    body = {"Experiments": [{"Name": "x", "Configuration": {"Exclusive": value}}]}
    refused(client.http.post("/api/Experiments", json=body), 400, "Exclusive must be true or false")
