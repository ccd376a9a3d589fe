"""What the CyberGIS side of the local service makes of bodies, paths and values that make no sense."""

from __future__ import annotations

from collections.abc import Generator

import httpx
import pytest
from support.local_service import record, running, text
from support.v2_calls import TOKEN, V2

_EMPTY: dict[str, object] = {}
NASTY: tuple[object, ...] = (
    *(None, True, -1, 1e308, 10**30, "", "x" * 5_000, "../../etc/passwd", "a\0b", "\n'\"`$(id)", "ä\u2028"),
    *([0], _EMPTY, [[0]], {"": ""}, {"type": [0]}, {"type": "git", "gitId": _EMPTY}, {"type": "local", "localPath": 5}),
    *({"type": "globus", "endpoint": [0], "path": None}, {"a=b": 1}, {"time": _EMPTY}, {"num_of_task": [1]}),
)
CALLS = {
    "POST /job": ("maintainer", "hpc", TOKEN),
    "PUT /job/{job}": ("param", "env", "slurm", "localExecutableFolder", "localDataFolder", TOKEN),
    "PUT /folder/{folder}": ("name", "isWritable"),
    "POST /folder/{folder}/download/globus-init": ("toEndpoint", "toPath", "fromPath"),
}


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> Generator[V2]:
    """The only user of a service."""
    with running(tmp_path_factory.mktemp("bad") / "data", "--cores", "2") as service, V2(service) as user:
        yield user


def sensible(answer: httpx.Response) -> bool:
    """Whether an answer is a good one, or a refusal that says why."""
    if answer.status_code == 200:
        return True
    return answer.status_code < 500 and bool(text(record(answer.json()), "error"))


@pytest.mark.parametrize("call", CALLS)
def test_no_value_of_a_field_breaks_a_call(v2: V2, call: str) -> None:
    job = v2.job("hello_world")
    folder = text(record(v2.run("hello_world")["remoteResultFolder"]), "id")
    to = {"toEndpoint": v2.ask("GET", "/user/jupyter-globus")["endpoint"], "toPath": "/root/x"}
    method, _, route = call.partition(" ")
    for field in CALLS[call]:
        for value in NASTY:
            answer = v2.call(method, route.format(job=job, folder=folder), **{**to, field: value})
            assert sensible(answer), (field, value, answer.text)
            if "{job}" in call and answer.status_code == 200:
                # What was accepted is judged at the latest when the job is submitted.
                assert sensible(v2.call("POST", f"/job/{job}/submit")), (field, value)
                job = v2.job("hello_world")


def test_no_path_reaches_anything_outside(v2: V2) -> None:
    for name in ("..%2f..%2fetc", "a%00b", "x" * 3_000, "%ff", "'--", "*"):
        for path in (f"/job/{name}", f"/folder/{name}", f"/git/{name}", f"/job/{name}/result-folder-zip"):
            answer = v2.call("GET", path)
            assert answer.status_code in {200, 401, 404}, (path, answer.text)
            if answer.status_code == 200:
                assert answer.json() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"null", b"\xff", b"{", b"[" * 50_000, b'{"a":' * 5_000])
def test_no_body_breaks_a_call(v2: V2, body: bytes) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        for method, path in (("POST", "/job"), ("GET", "/user"), ("PUT", "/job/x"), ("GET", "/hpc")):
            assert sensible(v2.http.request(method, path, content=body, headers={"content-type": kind}))
