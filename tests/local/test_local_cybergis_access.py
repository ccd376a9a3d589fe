"""Who may do what on the CyberGIS side of the local service: tokens, hubs, and whose jobs and folders they are."""

from __future__ import annotations

import base64
from collections.abc import Generator
from json import dumps

import httpx
import pytest
from support.local_service import Record, Running, record, records, running, text
from support.v2_calls import V2, refused, token_for

from acomps.local.accounts.users import UsersFile

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """A service with one user."""
    with running(tmp_path_factory.mktemp("single") / "data", "--cores", "2") as service:
        yield service


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """A service with two users, one of whom may use one resource only."""
    data = tmp_path_factory.mktemp("shared") / "data"
    data.mkdir()
    (data / "service.toml").write_text(
        '[[environments]]\nname = "Local"\ngroup = "gis"\n'
        '[cybergis]\nhub = "hub.example.org"\n'
        '[[cybergis.hpcs]]\nname = "open"\n'
        '[[cybergis.hpcs]]\nname = "picked"\nallowlist = ["ann@hub.example.org"]\n'
        '[[cybergis.hpcs]]\nname = "denied"\ndenylist = ["Bob"]\n'
    )
    for name in ("ann", "bob"):
        UsersFile(data).add(name, PASSWORD, groups=["gis"], email=f"{name}@example.org")
    with running(data, "--cores", "2") as service:
        yield service


@pytest.fixture(scope="module")
def ann(shared: Running) -> Generator[V2]:
    with V2(shared, "ann", PASSWORD) as user:
        yield user


@pytest.fixture(scope="module")
def bob(shared: Running) -> Generator[V2]:
    with V2(shared, "bob", PASSWORD) as user:
        yield user


def user(
    service: Running, json: object = None, content: bytes | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    """What the service answers to a body that is sent as it is."""
    sent = dumps(json).encode() if content is None else content
    return httpx.request(
        "GET", f"{service.url}/v2/user", headers={"content-type": "application/json", **(headers or {})}, content=sent
    )


def test_the_four_outcomes_of_a_token(single: Running) -> None:
    host = single.url.removeprefix("http://")
    good = token_for(host, single.password)
    assert user(single, json={"jupyterhubApiToken": good}).json() == {"username": f"{single.username}@localhost"}
    for absent in ({}, {"jupyterhubApiToken": None}):
        refused(user(single, json=absent), 402, "invalid input", 'requires property "jupyterhubApiToken"')
    refused(user(single, json={"jupyterhubApiToken": 5}), 402, "is not of a type(s) string")
    for unknown in ("no base64!", base64.b64encode(b"no sign").decode(), token_for("hub.example.org", single.password)):
        refused(user(single, json={"jupyterhubApiToken": unknown}), 404, "Cannot find jupyterhubHost in allowlist")
    for false in ("x", "a,b", single.password + "x"):
        refused(user(single, json={"jupyterhubApiToken": token_for(host, false)}), 402, "invalid token")


def test_a_token_travels_in_a_body_or_a_header_and_never_in_an_address(single: Running) -> None:
    good = token_for("localhost", single.password)
    form = {"content-type": "application/x-www-form-urlencoded"}
    sent = httpx.QueryParams({"jupyterhubApiToken": good})
    assert user(single, content=str(sent).encode(), headers=form).status_code == 200
    assert user(single, json={}, headers={"authorization": f"Bearer {good}"}).status_code == 200
    refused(httpx.get(f"{single.url}/v2/user", params=sent), 402, "invalid input")
    body = dumps({"jupyterhubApiToken": good}).encode()
    refused(user(single, content=body, headers={"content-type": "text/plain"}), 402, "invalid input")


def test_a_token_of_the_service_counts_as_one_of_the_hub(single: Running, shared: Running, ann: V2) -> None:
    hub = httpx.get(f"{single.url}/hub/api/user", headers={"Authorization": f"token {single.password}"})
    assert record(hub.json())["name"] == single.username
    for wrong in ({}, {"Authorization": "token wrong"}):
        assert httpx.get(f"{single.url}/hub/api/user", headers=wrong).status_code == 403
    comps = base64.b64decode(ann.token).decode().partition("@")[2]
    make = f"{shared.url}/hub/api/users/ann/tokens"
    made = httpx.post(make, headers={"Authorization": f"token {comps}"}, json={"expires_in": 60})
    plain = text(record(made.json()), "token")
    assert "@" not in plain
    answer = user(shared, json={"jupyterhubApiToken": token_for("hub.example.org", plain)})
    assert answer.json() == {"username": "ann@hub.example.org"}
    others = httpx.post(make.replace("ann", "bob"), headers={"Authorization": f"token {comps}"})
    assert others.status_code == 403


def test_listings_are_open_and_show_nothing_secret(shared: Running) -> None:
    with httpx.Client(base_url=shared.url) as anybody:
        for path in ("", "/hpc", "/maintainer", "/container", "/git", "/whitelist", "/allowlist", "/announcement"):
            answer = anybody.get(f"/v2{path}")
            assert answer.status_code == 200
            assert "example.org" not in answer.text or "list" in path
            assert "denylist" not in answer.text
        hpcs = record(anybody.get("/v2/hpc").json()["hpc"])
        assert [*hpcs] == ["open", "picked", "denied"]
        for hpc in map(record, hpcs.values()):
            assert {"ip", "port", "is_community_account", "description", "globus"} <= set(hpc)
        hello = record(record(anybody.get("/v2/git").json()["git"])["hello_world"])
        assert hello["default_hpc"] == "open"
        for rule in (*record(hello["slurm_input_rules"]).values(), record(hello["param_rules"])["times"]):
            assert {"max", "min", "step", "default_value"} <= set(record(rule))
        assert "hub.example.org" in anybody.get("/v2/allowlist").json()["allowlist"]
        assert anybody.get("/v2/git/hello_world").json() == hello
        refused(anybody.get("/v2/git/nothing"), 401)


def test_jobs_are_made_where_they_are_allowed(ann: V2, bob: V2) -> None:
    assert ann.ask("POST", "/job", hpc="picked")["hpc"] == "picked"
    assert bob.ask("POST", "/job", hpc="")["hpc"] == "open"
    for hpc in ("picked", "denied"):
        refused(bob.call("POST", "/job", hpc=hpc), 401, "Not authorized for HPC")
    refused(ann.call("POST", "/job", hpc="nowhere"), 401, "unrecognized hpc")
    refused(ann.call("POST", "/job", hpc="nowhere", maintainer="nobody"), 401, "unrecognized maintainer")
    refused(ann.call("POST", "/job", hpc=5, maintainer="nobody"), 402, "invalid input")
    refused(ann.http.post("/job", json={"jupyterhubApiToken": "x"}), 402, "invalid token")


def test_jobs_and_folders_are_their_owners_alone(ann: V2, bob: V2) -> None:
    job = ann.run("hello_world")
    name = text(job, "id")
    folder = text(record(job["remoteResultFolder"]), "id")
    for method, path in (
        ("GET", ""),
        ("PUT", ""),
        ("POST", "/submit"),
        ("PUT", "/cancel"),
        ("GET", "/events"),
        ("GET", "/logs"),
        ("GET", "/result-folder-content"),
        ("GET", "/result-folder-zip"),
    ):
        theirs = bob.call(method, f"/job/{name}{path}", param={"a": 1})
        nobodys = bob.call(method, f"/job/1700000000aaaaa{path}", param={"a": 1})
        refused(theirs, 401, "invalid access")
        assert theirs.text == nobodys.text
    refused(bob.call("GET", f"/statistic/job/{name}"), 401, "invalid access")
    assert bob.rows(f"/folder/{folder}") == []
    globus = record(bob.ask("GET", "/user/jupyter-globus"))
    to = {"toEndpoint": globus["endpoint"], "toPath": f"{globus['root_path']}/x"}
    for method, path in (
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/download/globus-init"),
        ("GET", "/download/globus-status"),
    ):
        refused(bob.call(method, f"/folder/{folder}{path}", name="mine", **to), 404, "unknown folder")
    assert name not in dumps(bob.ask("GET", "/user/job"))
    assert folder not in dumps(bob.ask("GET", "/folder"))
    assert ann.read(name) == job
    data = {"type": "globus", "endpoint": globus["endpoint"], "path": "/ann/x"}
    stolen = bob.run("hello_world", localDataFolder=data)
    assert stolen["isFailed"] is True


def test_without_a_login_nothing_but_listings_is_to_be_had(shared: Running) -> None:
    calls = [
        *((("GET", path), 402) for path in ("/user", "/user/job", "/user/slurm-usage", "/user/jupyter-globus")),
        *((("GET", path), 402) for path in ("/folder", "/folder/x", "/folder/x/download/globus-status", "/job/x")),
        *(
            (("GET", f"/job/x/{path}"), 402)
            for path in ("events", "logs", "result-folder-content", "result-folder-zip")
        ),
        *((("PUT", path), 402) for path in ("/job/x", "/job/x/cancel", "/folder/x")),
        *((("POST", path), 402) for path in ("/job", "/job/x/submit", "/folder/x/download/globus-init")),
        (("DELETE", "/folder/x"), 402),
    ]
    with httpx.Client(base_url=f"{shared.url}/v2") as anybody:
        for (method, path), status in calls:
            refused(anybody.request(method, path, json={}), status, "invalid input")
        for path in ("/job/x", "/job/x/events", "/job/x/result-folder-zip"):
            answer = anybody.request("GET", path, json={"jupyterhubApiToken": token_for("hub.example.org", "no")})
            refused(answer, 401, "submit without login is not allowed")


def test_what_is_no_call_and_what_never_answered_say_so(ann: V2) -> None:
    for method, path in (("GET", "/nothing"), ("DELETE", "/job"), ("POST", "/user")):
        refused(ann.call(method, path), 404, "not a call")
    for path in ("/job/x/pause", "/job/x/resume", "/clean"):
        refused(ann.call("PUT", path), 405, "neither pauses")
    assert ann.ask("GET", "/HPC/") == ann.ask("GET", "/hpc")
    refused(ann.http.request("PUT", "/job/x", content=b"{", headers={"content-type": "application/json"}), 400, "JSON")
    refused(ann.call("PUT", "/job/x", param={"a": "x" * 200_000}), 402, "longer than")


def test_the_list_of_jobs_has_the_newest_last(ann: V2) -> None:
    made = [text(ann.ask("POST", "/job"), "id") for _ in range(3)]
    listed: list[Record] = records(ann.ask("GET", "/user/job")["job"])
    assert [job["id"] for job in listed][-3:] == made
