"""Names and texts that need care on their way, there and back."""

from __future__ import annotations

import pytest
from support.local_service import Client, record, records

import acomps
from interop.both import listed
from interop.pycomps import Peer
from interop.test_interop_files import read_zip

TEXTS = [
    "Größe, \"quoted\" & 'so'",
    "日本語 \U0001f99f",
    "back\\slash / slash",
    "line\nbreak\ttab",
    "a=b;c%20d+e?f#g",
]
FILES = [
    "Größe (1).json",
    "a b#c%20d?e.txt",
    "日本.bin",
    "semi;colon&and=.csv",
    "'quoted'.txt",
    "+plus+.TXT",
    "%41.txt",
]


@pytest.mark.parametrize("odd", TEXTS)
async def test_odd_texts_come_through_unchanged(peer: Peer, gateway: acomps.Session, odd: str) -> None:
    experiment = peer.text("save_experiment", fields={"name": odd, "description": odd}, tags={f"key {odd}": odd})
    theirs = peer.record("fetch", kind="Experiment", id=experiment, children=["tags"])
    assert [theirs["name"], theirs["description"], theirs["tags"]] == [odd, odd, {f"key {odd}": odd}]
    mine = await gateway.experiments.get(experiment, acomps.Query().children("tags"))
    assert [mine.name, mine.description, dict(mine.tags)] == [odd, odd, {f"key {odd}": odd}]


def test_files_with_odd_names_are_saved_and_fetched(peer: Peer, client: Client) -> None:
    experiment = client.save("Experiments", Name="odd files")
    files = [{"name": name, "type": "input", "content": f"in {name}"} for name in FILES]
    saved = peer.record("save_simulation", fields={"name": "odd", "experiment_id": experiment}, files=files)
    described = records(client.one("Simulations", str(saved["id"]), "Files")["Files"])
    assert [file["FileName"] for file in described] == FILES
    for file in described:
        assert client.http.get(str(file["Uri"])).text == f"in {file['FileName']}"


def test_assets_with_odd_names_come_alone_and_as_a_zip(peer: Peer) -> None:
    files = [
        {"name": name, "folder": "Ordner ü/tief #1", "content": f"asset {number}"} for number, name in enumerate(FILES)
    ]
    collection = peer.text("save_collection", files=files)
    found = peer.record("assets_of", id=collection)
    assert found["alone"] == {name: f"asset {number}" for number, name in enumerate(FILES)}
    assert read_zip(found["zip"]) == {
        f"Ordner ü/tief #1/{name}": f"asset {number}".encode() for number, name in enumerate(FILES)
    }


async def test_outputs_with_odd_names_are_listed_read_and_zipped(
    peer: Peer, client: Client, gateway: acomps.Session
) -> None:
    files = {name: f"in {name}".encode() for name in FILES}
    experiment = client.experiment("/bin/sh", '-c \'mkdir -p "out ü#" && cp -- *.* "out ü#"\'')
    [simulation] = client.simulations(experiment, files=files)
    assert client.run(simulation) == ["Succeeded"]
    paths = [f"out ü#/{name}" for name in FILES]
    for found in peer.list("read_outputs", id=simulation, paths=paths):
        # Contents come as Latin-1, byte by byte.
        assert [str(one).encode("latin-1") for one in listed(found)] == [*files.values()]
    zipped = read_zip(peer.text("zip_outputs", id=simulation, paths=paths))
    assert zipped == dict(zip(paths, files.values(), strict=True))
    for path, content in zip(paths, files.values(), strict=True):
        assert await gateway.outputs.read(await gateway.simulations.get(simulation), path) == content
    tree = client.http.get(f"/asset/Simulations/{simulation}/Output?flatten=0").json()["Resources"]
    [folder] = [record(one) for one in tree if one["Type"] == "Directory"]
    assert folder["FriendlyName"] == "out ü#"
