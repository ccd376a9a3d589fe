"""What the service answers to requests that are wrong, hostile or too large."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.local_service import Client, Running, md5, refused, running, until

from acomps.local.errors import Refused
from acomps.local.files.contents import Contents
from acomps.local.files.forms import FormReader

FORM = "multipart/form-data; boundary=BBB"
HEAD = b'--BBB\r\nContent-Disposition: form-data; name="not_a_file"; filename="Simulations"\r\n\r\n[]\r\n'


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"{}", b'{"Suites": {}}', b'{"Suites": [1]}', b"\xff", b"[" * 5000]
)
def test_malformed_json_is_refused(client: Client, body: bytes) -> None:
    refused(client.http.post("/api/Suites", content=body), 400)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"[]"),
        ("multipart/form-data", HEAD + b"--BBB--\r\n"),
        ("multipart/form-data; boundary=" + "B" * 100, HEAD + b"--BBB--\r\n"),
        (FORM, b""),
        (FORM, b"nothing of the kind"),
        (FORM, HEAD),
        (FORM, b"--BBB--\r\n"),
        (FORM, HEAD[:40]),
        (FORM, HEAD.replace(b"[]", b"[") + b"--BBB--\r\n"),
        (FORM, HEAD.replace(b"[]", b"{}") + b"--BBB--\r\n"),
        (FORM, HEAD + b'--BBB\r\nContent-Disposition: form-data; name="x"\r\n\r\ndata\r\n--BBB--\r\n'),
        (FORM, HEAD + b"--BBB\r\n\r\ndata\r\n--BBB--\r\n"),
        (FORM, b"--BBB\r\nA\x00B: x\r\n\r\n[]\r\n--BBB--\r\n"),
        (FORM, b"--BBB\r\n" + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n[]\r\n--BBB--\r\n"),
    ],
)
def test_malformed_multipart_is_refused(client: Client, content_type: str, body: bytes) -> None:
    refused(client.http.post("/api/Simulations", content=body, headers={"Content-Type": content_type}), 400)


def test_data_under_a_wrong_md5_is_refused_and_not_stored(client: Client) -> None:
    for data in (b"small", b"large" * 100_000):
        part = b'--BBB\r\nContent-Disposition: form-data; name="' + md5(b"other").encode() + b'"\r\n\r\n' + data
        body = HEAD + part + b"\r\n--BBB--\r\n"
        refused(client.http.post("/api/Simulations", content=body, headers={"Content-Type": FORM}), 400, md5(data))
        refused(client.http.get(f"/api/upload/check/{md5(data)}"), 404)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "..\\x", "C:x", "C:\\x", "a\0b", "x" * 300, "Assets"]
)
def test_file_names_that_lead_elsewhere_are_refused(client: Client, name: str) -> None:
    files = [{"FileName": name, "MD5Checksum": md5(b"data")}]
    refused(client.form("Simulations", [{"Name": "s", "Files": files}], [b"data"]), 400)
    if name != "Assets":
        refused(client.form("AssetCollections", [{"Assets": files}], [b"data"]), 400)


@pytest.mark.parametrize(
    "folder", ["..", "a/../b", "/abs", "\\abs", "C:\\x", "c:/x", "a\0b", "a/..\\..\\b", "x/" * 2000]
)
def test_asset_folders_that_lead_elsewhere_are_refused(client: Client, folder: str) -> None:
    assets = [{"FileName": "f", "RelativePath": folder, "MD5Checksum": md5(b"data")}]
    refused(client.form("AssetCollections", [{"Assets": assets}], [b"data"]), 400)


def test_names_that_cannot_stand_side_by_side_are_refused(client: Client) -> None:
    def asset(folder: str, name: str) -> dict[str, str]:
        return {"RelativePath": folder, "FileName": name, "MD5Checksum": md5(b"data")}

    refused(client.form("AssetCollections", [{"Assets": [asset("a", "b"), asset("a/", "b")]}], [b"data"]), 400, "two")
    both = [asset("a/b", "c"), asset("a", "b")]
    refused(client.form("AssetCollections", [{"Assets": both}], [b"data"]), 400, "folder")
    files = [{"FileName": "f", "MD5Checksum": md5(b"data")}] * 2
    refused(client.form("Simulations", [{"Name": "s", "Files": files}], [b"data"]), 400, "two files")


def test_a_text_that_is_no_unicode_is_refused(client: Client) -> None:
    refused(client.http.post("/api/Suites", content=b'{"Suites": [{"Name": "\\ud800"}]}'), 400)


def test_bodies_over_the_limit_are_refused(client: Client) -> None:
    refused(client.http.post("/api/Suites", content=b" " * (64 * 1024 * 1024 + 1)), 400, "longer than")

    def endless() -> list[bytes]:
        return [b" " * 1024 * 1024] * 70

    refused(client.http.post("/api/Suites", content=iter(endless())), 400, "longer than")
    document = b"[" + b" " * (64 * 1024 * 1024) + b"]"
    body = HEAD.replace(b"[]", document) + b"--BBB--\r\n"
    refused(client.http.post("/api/Simulations", content=body, headers={"Content-Type": FORM}), 400, "longer than")
    refused(client.form("Simulations", [{"Name": "s"}] * 1001), 400, "1001 entities")
    parts = HEAD + b"--BBB\r\n\r\n\r\n" * 20_001 + b"--BBB--\r\n"
    refused(client.http.post("/api/Simulations", content=parts, headers={"Content-Type": FORM}), 400)


def test_unknown_calls_are_refused_in_the_same_shape(client: Client) -> None:
    refused(client.http.get("/api/Nothing"), 404, "/api/nothing")
    refused(client.http.get("/elsewhere"), 404)
    refused(client.http.delete("/api/AssetCollections/00000000-0000-0000-0000-000000000000"), 405)
    refused(client.http.patch("/api/Suites"), 405)


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(client: Client, local: Running) -> None:
    data = b"x" * 300_000
    part = b'--BBB\r\nContent-Disposition: form-data; name="' + md5(data).encode() + b'"\r\n\r\n' + data
    body = HEAD.replace(b"[]", b'[{"Name":"half"}]') + part
    head = (
        f"POST /api/Simulations HTTP/1.1\r\nHost: x\r\nX-COMPS-Token: {client.http.headers['X-COMPS-Token']}\r\n"
        f"Content-Type: {FORM}\r\nContent-Length: {len(body) + 1000}\r\n\r\n"
    )
    address = local.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as connection:
        connection.sendall(head.encode() + body)
    incoming = local.data_dir / "contents" / "incoming"
    until(lambda: list(incoming.iterdir()) == [], "nothing half-stored is left")
    assert client.listed("Simulations", filters="Name=half") == []


def test_nothing_is_written_outside_the_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "inside" / "data"
    data.parent.mkdir()
    with running(data) as service, Client(service) as client:
        collection = client.assets({"bin/run.sh": b"#!/bin/sh\necho ok > result\n"})
        simulation = client.simulations(client.experiment("Assets/bin/run.sh", AssetCollectionId=collection))[0]
        assert client.run(simulation) == ["Succeeded"]
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert [path.name for path in data.parent.iterdir()] == ["data"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=80), max_size=6), st.data())
def test_a_form_is_the_same_however_it_is_cut(tmp_path: Path, contents: list[bytes], data: st.DataObject) -> None:
    store = Contents(tmp_path / "contents")
    parts = [
        b'--BBB\r\nContent-Disposition: form-data; name="' + md5(content).encode() + b'"\r\n\r\n' + content + b"\r\n"
        for content in contents
    ]
    body = HEAD.replace(b"[]", json.dumps({"x": 1}).encode()) + b"".join(parts) + b"--BBB--\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    reader = FormReader(b"BBB", store, max_parts=10, max_document_bytes=100)
    for first, last in zip([0, *cuts], [*cuts, len(body)], strict=True):
        reader.feed(body[first:last])
    form = reader.finish()
    assert json.loads(form.document) == {"x": 1}
    assert form.contents == {md5(content): len(content) for content in contents}
    assert store.lengths(list(form.contents)) == form.contents
    store.close()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_a_refusal(tmp_path: Path, body: bytes) -> None:
    store = Contents(tmp_path / "contents")
    reader = FormReader(b"BBB", store, max_parts=10, max_document_bytes=100)
    with contextlib.closing(store), contextlib.closing(reader), contextlib.suppress(Refused):
        reader.feed(b"--BBB\r\n" + body)
        reader.finish()
