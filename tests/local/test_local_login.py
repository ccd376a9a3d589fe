"""Logging in and staying logged in."""

from __future__ import annotations

import getpass
import stat
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from support.local_service import Client, Running, log_in, refused

from acomps.local.errors import Refused
from acomps.local.tokens import Bearer, Tokens


def test_a_token_comes_in_header_and_body_in_the_layout_that_clients_parse(local: Running) -> None:
    with httpx.Client(base_url=local.url) as http:
        answer = log_in(http, local.username, local.password)
    token = answer.headers["X-COMPS-Token"]
    assert answer.status_code == 200
    assert answer.json()["Token"] == token
    fields = token.split(",", 15)
    assert fields[:3] == ["1", "Auth", getpass.getuser()]
    lifetime = datetime.strptime(fields[6], "%Y-%m-%d-%H-%M-%S") - datetime.strptime(fields[7], "%Y-%m-%d-%H-%M-%S")
    assert lifetime == timedelta(hours=4)
    assert fields[12:14] == ["LOCAL", "Local"]


def test_a_wrong_password_or_user_is_refused(local: Running) -> None:
    with httpx.Client(base_url=local.url) as http:
        refused(log_in(http, local.username, "wrong"), 401, "wrong user name or password")
        refused(log_in(http, "somebody", local.password), 401)
        refused(http.post("/api/tokens", json={"Username": local.username, "Password": "%%%"}), 401)
        refused(http.post("/api/tokens", json={"Username": local.username}), 400, "Password")


def test_no_call_works_without_a_token(local: Running) -> None:
    with httpx.Client(base_url=local.url) as http:
        for path in ("/api/Suites", "/API/simulations/", "/api/users", "/api/nothing", "/asset/Simulations/x/Output"):
            refused(http.get(path), 401, "log in")
        refused(http.put("/api/tokens", json={"ClientVersion": 12}), 401)


def test_a_changed_token_is_refused(client: Client) -> None:
    fields = client.http.headers["X-COMPS-Token"].split(",")
    for at, value in ((2, "root2"), (6, "2099-01-01-00-00-00"), (8, "AAAA"), (12, "OTHER")):
        forged = ",".join([*fields[:at], value, *fields[at + 1 :]])
        refused(client.http.get("/api/Suites", headers={"X-COMPS-Token": forged}), 401)


def test_renewing_gives_a_fresh_token_for_the_same_user(client: Client) -> None:
    answer = client.http.put("/api/tokens", json={"ClientVersion": 12})
    token = answer.headers["X-COMPS-Token"]
    assert token.split(",")[2] == client.username
    assert client.http.get("/api/Suites", headers={"X-COMPS-Token": token}).status_code == 200


def test_a_token_ends_with_its_lifetime() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    tokens = Tokens(b"key", lifetime_s=3600, clock=lambda: now)
    bearer = Bearer(name="jdoe", email="", groups=["LOCAL", "no-such"], environments=["Local"])
    token = tokens.issue(bearer)
    assert tokens.read(token).user == "jdoe"
    assert token.split(",")[12] == "LOCAL"
    now += timedelta(seconds=3600)
    with pytest.raises(Refused, match="expired"):
        tokens.read(token)


def test_secrets_are_readable_by_their_owner_only(local: Running) -> None:
    for name in ("password", "signing-key", "service.json"):
        assert stat.S_IMODE((local.data_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(local.data_dir.stat().st_mode) == 0o700


def test_users_and_environments_are_told(client: Client) -> None:
    assert client.http.get("/api/users?format=json").json()["Users"][0]["UserName"] == client.username
    assert client.http.get(f"/api/Users/{client.username}").status_code == 200
    refused(client.http.get("/api/users/nobody"), 404)
    environment = client.http.get("/api/Environments/local").json()["Environments"][0]
    assert environment["EnvironmentName"] == "Local"
    assert environment["GroupName"] == "LOCAL"
    assert set(environment["Macros"]) == {"USER", "HOME", "PUBLIC", "BIN", "INPUT"}
    assert client.http.get("/api/environments").json()["Environments"] == [environment]
    refused(client.http.get("/api/Environments/Calculon"), 404, "invalid environment-name: calculon")
