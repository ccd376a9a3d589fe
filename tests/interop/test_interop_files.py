"""Files, large files, collections and zips."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
import zipfile
from pathlib import Path

import pytest
from support.local_service import Client, md5, record, records

import acomps
from interop.both import listed
from interop.pycomps import Peer, PeerError

MIB = 1024 * 1024


def read_zip(content: object) -> dict[str, bytes]:
    """What is in a zip that came as a Latin-1 text."""
    with zipfile.ZipFile(io.BytesIO(str(content).encode("latin-1"))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def large_file(folder: Path, size: int) -> Path:
    path = folder / "large.bin"
    path.write_bytes(os.urandom(size))
    return path


def test_files_come_by_path_by_content_and_by_checksum_and_can_be_fetched(
    peer: Peer, client: Client, tmp_path: Path
) -> None:
    content = f"a,b\n{uuid.uuid4()}\n"
    (tmp_path / "table.csv").write_text(content)
    experiment = client.save("Experiments", Name="files")
    found = peer.record("save_files_in_three_ways", experiment=experiment, path=str(tmp_path / "table.csv"))
    assert found["files"] == [{"renamed.csv": content, "empty.txt": ""}, {"again.csv": content}]


def test_a_work_order_has_the_name_of_its_file(peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "MyOrder.json").write_text('{"a": 1}')
    assert peer.record("save_work_item_files", path=str(tmp_path / "MyOrder.json")) == {
        "MyOrder.json": ["WorkOrder", None, '{"a": 1}'],
        "input.txt": ["input", "an input", "an input"],
    }


def test_files_that_are_given_wrongly_are_refused_before_anything_is_sent(peer: Peer) -> None:
    assert len(peer.list("add_wrongly")) == 5


def test_an_upload_that_broke_off_goes_on_where_it_was(peer: Peer, client: Client, tmp_path: Path) -> None:
    path = large_file(tmp_path, 11 * MIB)
    broken = peer.record("upload", path=str(path), fail_after=2)
    assert broken["told"] == [1 * MIB, 3 * MIB]
    found = peer.record("check_upload", md5=broken["md5"])
    assert found["status"] == 206
    assert record(found["body"])["Size"] == 3 * MIB
    whole = peer.record("upload", path=str(path))
    assert whole["told"] == [4 * MIB, 6 * MIB, 10 * MIB, 11 * MIB]
    assert peer.record("check_upload", md5=whole["md5"])["status"] == 200
    again = peer.record("upload", path=str(path))
    assert again["told"] == []
    assert peer.record("check_upload", md5=str(uuid.uuid4()))["status"] == 404
    [asset] = records(client.one("AssetCollections", str(whole["id"]), "Assets")["Assets"])
    assert asset["Length"] == 11 * MIB
    assert client.http.get(str(asset["Uri"])).content == path.read_bytes()


def test_a_large_file_travels_once_whoever_wants_it(peer: Peer, client: Client, tmp_path: Path) -> None:
    path = large_file(tmp_path, 10 * MIB + 1)
    experiment = client.save("Experiments", Name="large files")
    found = peer.record("upload_for_both", experiment=experiment, path=str(path))
    assert found["chunks"] == [4, 0]
    assert found["threshold"] == 10 * MIB
    checksum = str(uuid.UUID(hashlib.md5(path.read_bytes()).hexdigest()))
    for plural, id in (("Simulations", found["simulation"]), ("WorkItems", found["item"])):
        [file] = records(client.one(plural, str(id), "Files")["Files"])
        assert file["MD5Checksum"] == checksum
        assert file["Length"] == 10 * MIB + 1


async def test_each_side_takes_up_what_the_other_has_begun(peer: Peer, gateway: acomps.Session, tmp_path: Path) -> None:
    path = large_file(tmp_path, 11 * MIB)
    assert peer.record("upload", path=str(path), fail_after=1)["told"] == [MIB]
    collection = await gateway.asset_collections.save(
        acomps.AssetCollection(assets=(acomps.AssetCollectionFile.from_path(path),))
    )
    found = peer.record("upload", path=str(path))
    assert found == {"told": [], "md5": str(collection.assets[0].md5_checksum), "id": str(collection.id)}


def test_a_collection_of_more_files_than_a_request_carries(peer: Peer, client: Client) -> None:
    found = peer.record("save_large_collection", count=230)
    assert len(listed(found["told"])) == 2
    assets = records(client.one("AssetCollections", str(found["id"]), "Assets")["Assets"])
    assert {(asset["FileName"], asset["RelativePath"]) for asset in assets} == {
        (f"{number}.txt", f"folder {number % 7}") for number in range(230)
    }


@pytest.fixture(scope="module")
def collection(peer: Peer) -> str:
    """A collection with a folder in a folder."""
    files = [
        {"name": "run.py", "content": "print()"},
        {"name": "rain.bin", "folder": "climate/Ghana", "content": "\x00\xff", "tags": {"kind": "rain"}},
        {"name": "empty.txt", "folder": "climate", "content": ""},
        {"name": "Output", "content": "named like a call"},
    ]
    return peer.text("save_collection", files=files, tags={"Name": "a collection"})


ASSETS = {
    "run.py": b"print()",
    "climate/Ghana/rain.bin": b"\x00\xff",
    "climate/empty.txt": b"",
    "Output": b"named like a call",
}


def test_a_collection_comes_as_a_zip_in_both_ways(peer: Peer, collection: str) -> None:
    for content in peer.list("zips_of_collection", id=collection):
        assert read_zip(content) == ASSETS


def test_assets_come_alone_together_and_as_a_zip(peer: Peer, collection: str) -> None:
    found = peer.record("assets_of", id=collection)
    alone = {path.rpartition("/")[2]: content.decode("latin-1") for path, content in ASSETS.items()}
    assert found["alone"] == alone
    assert sorted(map(str, listed(found["together"]))) == sorted(alone.values())
    assert read_zip(found["zip"]) == ASSETS


def test_refreshing_a_collection_brings_what_was_not_asked_for_at_first(peer: Peer, collection: str) -> None:
    found = peer.record("refresh_collection", id=collection)
    assert found["before"] == [None, None]
    assets, tags = listed(found["after"])
    assert len(records(assets)) == 4
    assert tags == {"Name": "a collection"}


def test_a_saved_collection_does_not_change(peer: Peer, collection: str) -> None:
    with pytest.raises(PeerError, match="cannot be altered"):
        peer.ask("change_saved_collection", id=collection)


def test_the_same_collection_has_the_same_id(peer: Peer) -> None:
    content = str(uuid.uuid4())
    files = [{"name": "a.txt", "content": content}, {"name": "b.txt", "folder": "f", "content": content}]
    first = peer.text("save_collection", files=files, tags={"a": 1})
    by_checksum = [
        {"name": file["name"], "folder": file.get("folder", ""), "md5": md5(content.encode())} for file in files
    ]
    assert peer.text("save_collection", files=[*reversed(by_checksum)], tags={"a": 1}) == first
