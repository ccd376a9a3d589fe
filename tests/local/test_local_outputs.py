"""Reading what simulations leave behind, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.local_service import Client, Running, md5, record, records, refused, text

PROGRAM = b"""#!/bin/sh
mkdir -p output/deep
printf 0123456789 > output/ten.txt
: > output/empty.txt
printf 'in a place' > 'output/deep/a name with #?% & blanks.txt'
head -c 3000000 /dev/zero > large.bin
ln -s /etc/passwd outside.txt
ln -s /etc etc
ln -s ../../../../../../../../../../../../../etc/passwd output/up.txt
ln -s output/ten.txt inside.txt
mkfifo pipe
"""


@pytest.fixture(scope="module")
def simulation(client: Client) -> str:
    """A simulation with outputs of all sorts."""
    collection = client.assets({"asset.txt": b"not an output"})
    experiment = client.experiment("./make.sh", AssetCollectionId=collection)
    made = client.simulations(experiment, files={"make.sh": PROGRAM})[0]
    assert client.run(made) == ["Succeeded"]
    return made


def test_the_flat_list_names_the_files_inside(client: Client, simulation: str) -> None:
    outputs = client.outputs(simulation)
    assert set(outputs) == {
        "make.sh",
        "stdout.txt",
        "stderr.txt",
        "large.bin",
        "inside.txt",
        "output/ten.txt",
        "output/empty.txt",
        "output/deep/a name with #?% & blanks.txt",
    }
    ten = outputs["output/ten.txt"]
    assert (ten["Length"], ten["PathFromRoot"], ten["FriendlyName"], ten["Type"]) == (10, "output", "ten.txt", "File")
    assert ten["MimeType"] == "text/plain"
    assert outputs["inside.txt"]["Type"] == "SymLinkFile"
    for path, resource in outputs.items():
        with client.http.__class__() as stranger:
            content = stranger.get(text(resource, "Url")).content
        assert content == (client.workdir(simulation) / path).read_bytes()


def test_the_tree_names_folders_and_does_not_follow_links(client: Client, simulation: str) -> None:
    answer = client.http.get(
        f"/asset/simulations/{simulation}/output/?flatten=0&hpcjobid={client.jobs(simulation)[0]['Id']}"
    )
    top = {text(entry, "FriendlyName"): entry for entry in records(answer.json()["Resources"])}
    assert top["Assets"]["Type"] == "SymLinkDirectory"
    assert "Items" not in top["Assets"]
    assert "outside.txt" not in top
    assert [record(entry)["FriendlyName"] for entry in records(top["output"]["Items"])] == [
        "deep",
        "empty.txt",
        "ten.txt",
    ]


@pytest.mark.parametrize(
    ("asked", "status", "content", "said"),
    [
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-100", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-100", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
    ],
)
def test_ranges(
    client: Client, simulation: str, asked: str, status: int, content: bytes | None, said: str | None
) -> None:
    url = text(client.outputs(simulation)["output/ten.txt"], "Url")
    answer = client.http.get(url, headers={"Range": asked})
    assert answer.status_code == status
    assert answer.headers.get("Content-Range") == said
    if content is not None:
        assert answer.content == content


def test_an_empty_file_is_never_out_of_range(client: Client, simulation: str) -> None:
    url = text(client.outputs(simulation)["output/empty.txt"], "Url")
    for asked in ("bytes=0-", "bytes=-5"):
        answer = client.http.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, b"")


def test_a_range_of_a_large_file_is_streamed_whole(client: Client, simulation: str) -> None:
    url = text(client.outputs(simulation)["large.bin"], "Url")
    assert len(client.http.get(url).content) == 3_000_000
    answer = client.http.get(url, headers={"Range": "bytes=100-2500099"})
    assert (answer.status_code, len(answer.content)) == (206, 2_500_000)
    assert answer.headers["Content-Length"] == "2500000"


@pytest.mark.parametrize(
    "path",
    [
        "outside.txt",
        "etc/passwd",
        "output/up.txt",
        "pipe",
        "output",
        "missing.txt",
        "Assets/asset.txt",
        "..%2F..%2F..%2Fservice.sqlite",
        "%2Fetc%2Fpasswd",
        "output/..%2Fmake.sh",
        "output/%2e%2e/make.sh",
        "a%00b",
    ],
)
def test_nothing_outside_the_working_directory_can_be_read(client: Client, simulation: str, path: str) -> None:
    job = client.jobs(simulation)[0]["Id"]
    answer = client.http.get(f"/asset/outputs/simulations/{simulation}/{job}/{path}")
    assert answer.status_code == 404, answer.text
    assert b"root:" not in answer.content


def test_a_link_opens_its_own_file_only(client: Client, local: Running, simulation: str) -> None:
    outputs = client.outputs(simulation)
    query = text(outputs["output/ten.txt"], "Url").partition("?")[2]
    other = text(outputs["make.sh"], "Url").partition("?")[0]
    with client.http.__class__() as stranger:
        assert stranger.get(f"{other}?{query}").status_code == 401
        assert stranger.get(f"{local.url}/asset/Simulations/{simulation}/Output?flatten=1").status_code == 401


def test_a_link_opens_its_file_however_its_query_is_put_together(client: Client, simulation: str) -> None:
    url = text(client.outputs(simulation)["output/ten.txt"], "Url")
    path, _, query = url.partition("?")
    until, signature = query.split("&")
    with client.http.__class__() as stranger:
        for good in (f"{until}&{signature}", f"{signature}&x=1&{until}", query.replace("until", "%75ntil")):
            assert stranger.get(f"{path}?{good}").status_code == 200
        for bad in (until, signature, f"{until}0&{signature}", f"{query}0", f"{until}&signature=", "%ff%fe=\xff"):
            assert stranger.get(f"{path}?{bad}").status_code == 401


def test_the_outputs_of_what_was_deleted_are_gone(client: Client) -> None:
    deleted = client.simulations(client.experiment("/bin/sh", "-c 'echo here'"))[0]
    client.run(deleted)
    job = text(client.jobs(deleted)[0], "Id")
    file, listing = f"/asset/outputs/simulations/{deleted}/{job}/stdout.txt", f"/asset/Simulations/{deleted}/Output"
    assert client.http.get(file).content == b"here\n"
    client.http.delete(f"/api/Simulations/{deleted}").raise_for_status()
    for path in (file, listing, f"{listing}?hpcjobid={job}"):
        refused(client.http.get(path), 404, "Failed to retrieve")


def test_unknown_places_are_refused(client: Client, simulation: str) -> None:
    refused(client.http.get("/asset/Simulations/00000000-0000-0000-0000-000000000000/Output"), 404)
    refused(client.http.get(f"/asset/Experiments/{simulation}/Output"), 404)
    unknown = client.http.get(f"/asset/Simulations/{simulation}/Output?hpcjobid=00000000-0000-0000-0000-000000000000")
    assert unknown.status_code == 404


def test_a_running_simulation_can_be_read(client: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    running = client.simulations(client.experiment("/bin/sh", f"-c 'echo begun; read x < {tmp_path}/gate'"))[0]
    client.commission("Simulations", running)
    client.wait([running], "Running")
    assert "stdout.txt" in client.outputs(running)
    (tmp_path / "gate").write_text("on\n")
    client.wait([running], "Succeeded")


def test_large_contents_can_be_sent_in_slices(client: Client) -> None:
    data = os.urandom(1_500_000)
    name = md5(data)
    refused(client.http.get(f"/api/upload/check/{name}"), 404)
    slices: Sequence[tuple[int, int]] = ((0, 499_999), (500_000, 999_999), (1_000_000, 1_499_999))
    for first, last in slices:
        headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Content-Type": "application/octet-stream"}
        assert (
            client.http.post(f"/api/upload/{name}", content=data[first : last + 1], headers=headers).status_code == 200
        )
        answer = client.http.get(f"/api/upload/check/{name}")
        assert (answer.status_code, answer.json()["Size"]) == (200 if last + 1 == len(data) else 206, last + 1)
    described = [{"FileName": "large", "MD5Checksum": name}]
    collection = client.ids(client.form("AssetCollections", [{"Assets": described}]))[0]
    uri = text(records(client.one("AssetCollections", collection, "Assets")["Assets"])[0], "Uri")
    assert client.http.get(uri).content == data


@pytest.mark.parametrize(
    ("said", "content", "says"),
    [
        ("bytes 0-9/10", b"0123", "shorter"),
        ("bytes 0-3/10", b"0123456789", "longer"),
        ("bytes 0-9/10", b"0123456789", "md5"),
        ("bytes 9-0/10", b"", "no part"),
        ("everything", b"", "Content-Range"),
    ],
)
def test_a_wrong_slice_is_refused(client: Client, said: str, content: bytes, says: str) -> None:
    name = md5(os.urandom(8))
    refused(client.http.post(f"/api/upload/{name}", content=content, headers={"Content-Range": said}), 400, says)
