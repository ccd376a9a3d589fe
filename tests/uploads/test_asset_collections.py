"""Asset collections: folders go in with what is new in them, and come out as they were."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import uuid
import zipfile
from pathlib import Path

import pytest
from support.fault_proxy import PASS, RESET_BEFORE, Fault, FaultProxy, Request
from uploads.conftest import MakeFile, fresh

import acomps
from acomps import AssetCollection, AssetCollectionFile, Query
from acomps.comps.asset_files import AssetFiles
from acomps.events import Event, Uploaded
from acomps.transfer import place_below

EVERYTHING = Query().children("assets", "tags")


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path, make_file: MakeFile) -> Path:
    """A folder with files, folders, a program and a link."""
    root = tmp_path / "assets"
    make_file("model.exe", 1_000, root)
    make_file("run.sh", 200, root).chmod(0o755)
    make_file("climate/rain.bin", 300_000, root)
    make_file("climate/deep/er/empty.txt", 0, root)
    make_file("idmtools.log", 10, root)
    make_file(".git/objects/1", 10, root)
    (root / "latest").symlink_to("climate/rain.bin")
    return root


async def test_a_folder_becomes_a_collection_and_a_folder_again(
    comps: acomps.Session, folder: Path, tmp_path: Path
) -> None:
    saved = await comps.asset_collections.from_directory(folder, exclude=["*.log", ".git"], tags={"a": 1})
    read = await comps.asset_collections.get(saved, EVERYTHING)
    assert read.tags == {"Name": "assets", "a": "1"}
    assert [asset.path for asset in saved.assets] == [
        *("climate/deep/er/empty.txt", "climate/rain.bin"),
        *("latest", "model.exe", "run.sh"),
    ]
    tags = {asset.path: dict(asset.tags) for asset in read.assets}
    assert {path for path, tag in tags.items() if "Executable" in tag} == {"model.exe", "run.sh"}
    paths = await comps.asset_collections.download_all(saved, tmp_path / "back")
    expected = {path: data for path, data in tree(folder).items() if not path.startswith((".git", "idm"))}
    assert tree(tmp_path / "back") == expected
    assert sorted(paths) == sorted(tmp_path / "back" / path for path in expected)


async def test_the_same_folder_again_is_the_same_collection_and_sends_no_content(
    comps: acomps.Session, far: acomps.Session, proxy: FaultProxy, folder: Path
) -> None:
    first = await comps.asset_collections.from_directory(folder, name="mine")
    again = await far.asset_collections.from_directory(folder, name="mine")
    assert again.id == first.id
    assert len(proxy.ledger) == 1
    with pytest.raises(acomps.UsageError, match="is saved and cannot change"):
        await comps.asset_collections.save(again)


async def test_of_many_files_only_the_unknown_ones_travel(
    far: acomps.Session, proxy: FaultProxy, tmp_path: Path
) -> None:
    known = [AssetCollectionFile(file_name=f"{n}", content=fresh(20_000)) for n in range(490)]
    await far.asset_collections.save(AssetCollection(assets=tuple(known)))
    new = [AssetCollectionFile(file_name=f"new {n}", content=fresh(20_000)) for n in range(10)]
    proxy.ledger.clear()
    events: list[Event] = []
    saved = await far.asset_collections.save(AssetCollection(assets=(*known, *new)), on_progress=events.append)
    contents = 10 * 20_000
    documents = 2 * len(saved.assets) * 150
    assert contents < sum(request.forwarded for request in proxy.ledger) < contents + documents
    assert sum(event.bytes for event in events if isinstance(event, Uploaded)) == contents
    assert len(proxy.ledger) == 3


async def test_contents_go_in_requests_of_at_most_a_hundred_files_and_survive_a_reset(
    far: acomps.Session, proxy: FaultProxy
) -> None:
    assets = tuple(AssetCollectionFile(file_name=f"{n}", content=fresh(1_000)) for n in range(250))
    failed: list[int] = []

    def script(request: Request) -> Fault:
        if request.method == "POST" and not failed and request.length > 100 * 1_000:
            failed.append(request.number)
            return RESET_BEFORE
        return PASS

    proxy.script = script
    await far.asset_collections.save(AssetCollection(assets=assets))
    sizes = [request.forwarded for request in proxy.seen("POST", "/AssetCollections") if request.fault is PASS]
    assert len(sizes) == 1 + 3 + 1
    assert failed
    assert max(sizes[1:-1]) < 100 * 1_300


async def test_what_is_missing_can_be_an_error_or_be_told_and_then_nothing_is_sent(
    far: acomps.Session, proxy: FaultProxy
) -> None:
    data = fresh(5_000)
    md5 = uuid.UUID(bytes=hashlib.md5(data, usedforsecurity=False).digest())
    collection = AssetCollection(assets=(AssetCollectionFile(file_name="x", content=data),))
    with pytest.raises(acomps.MissingFiles) as caught:
        await far.asset_collections.save(collection, missing="error")
    assert caught.value.md5s == (md5,)
    assert await far.asset_collections.save(collection, missing="return") == (md5,)
    assert sum(request.forwarded for request in proxy.ledger) < len(data)
    saved = await far.asset_collections.save(collection, missing="upload")
    assert await far.asset_collections.save(collection, missing="return") == saved


async def test_a_file_given_by_an_md5_that_nobody_has_keeps_everything_from_being_sent(
    far: acomps.Session, proxy: FaultProxy
) -> None:
    unknown = AssetCollectionFile(file_name="y", md5_checksum=uuid.uuid4())
    collection = AssetCollection(assets=(AssetCollectionFile(file_name="x", content=fresh(5_000)), unknown))
    with pytest.raises(acomps.MissingFiles) as caught:
        await far.asset_collections.save(collection)
    assert unknown.md5_checksum in caught.value.md5s
    assert len(proxy.ledger) == 1


async def test_patterns_choose_by_name_or_by_path(comps: acomps.Session, folder: Path) -> None:
    collections = comps.asset_collections
    by_name = await collections.from_directory(folder, include=["*.bin", "*.exe"])
    assert [asset.path for asset in by_name.assets] == ["climate/rain.bin", "model.exe"]
    by_path = await collections.from_directory(folder, include=["climate/*"], exclude=["climate/deep"])
    assert [asset.path for asset in by_path.assets] == ["climate/rain.bin"]


@pytest.mark.parametrize("target", ["../../outside", "/etc/passwd", "gone", ".", ".."])
async def test_a_link_that_leads_out_or_nowhere_is_refused_unless_it_is_excluded(
    comps: acomps.Session, folder: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "outside").write_text("secret")
    (folder / "climate" / "bad").symlink_to(target)
    if target == "..":
        (folder / "climate" / "bad").unlink()
        (folder / "climate" / "bad").symlink_to("../climate")
    with pytest.raises(acomps.ContentError, match="bad"):
        await comps.asset_collections.from_directory(folder)
    await comps.asset_collections.from_directory(folder, exclude=["bad"])


async def test_what_is_no_folder_or_no_file_is_named(comps: acomps.Session, folder: Path) -> None:
    with pytest.raises(acomps.ContentError, match=r"model\.exe is no folder"):
        await comps.asset_collections.from_directory(folder / "model.exe")
    os.mkfifo(folder / "pipe")
    with pytest.raises(acomps.ContentError, match="pipe is neither a file nor a folder"):
        await comps.asset_collections.from_directory(folder)


async def test_a_download_that_is_repeated_fetches_only_what_is_not_there(
    comps: acomps.Session, far: acomps.Session, proxy: FaultProxy, folder: Path, tmp_path: Path
) -> None:
    saved = await comps.asset_collections.from_directory(folder)
    await comps.asset_collections.download_all(saved, tmp_path / "back")
    whole = tree(tmp_path / "back")
    (tmp_path / "back" / "model.exe").write_bytes(b"x" * 1_000)
    (tmp_path / "back" / "run.sh").unlink()
    await far.asset_collections.download_all(saved, tmp_path / "back")
    assert tree(tmp_path / "back") == whole
    assert len(proxy.seen("GET", "/asset/")) == 2


async def test_a_link_in_the_target_folder_does_not_lead_out_of_it(
    comps: acomps.Session, folder: Path, tmp_path: Path
) -> None:
    saved = await comps.asset_collections.from_directory(folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "climate").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(acomps.UsageError, match="leads out of"):
        await comps.asset_collections.download_all(saved, tmp_path / "back")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "/x",
        "\\x",
        "a//b",
        "C:x",
        "c:/x",
        "a/C:\\x",
        "\\\\host\\share\\x",
        "a\0",
        "\ud800",
    ],
)
def test_names_that_lead_elsewhere_are_refused_on_every_system(path: str) -> None:
    for windows in (False, True):
        with pytest.raises(acomps.MalformedAnswer):
            place_below(Path("to"), path, windows=windows)


@pytest.mark.parametrize("path", ["con", "AUX.txt", "a/nul", "ab:c", "a?", "dot.", "space ", "lpt1.x", "tab\t"])
def test_names_that_windows_cannot_have_are_refused_there(path: str) -> None:
    assert place_below(Path("to"), path, windows=False) == Path("to", *path.split("/"))
    with pytest.raises(acomps.MalformedAnswer, match="Windows"):
        place_below(Path("to"), path, windows=True)


async def test_a_zip_holds_what_the_collection_holds(comps: acomps.Session, folder: Path, tmp_path: Path) -> None:
    saved = await comps.asset_collections.from_directory(folder, exclude=[])
    [path] = await comps.asset_collections.zip(saved, tmp_path / "all.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == tree(folder)


async def test_a_collection_that_is_too_large_for_one_zip_becomes_several(
    comps: acomps.Session, far: acomps.Session, proxy: FaultProxy, tmp_path: Path
) -> None:
    contents = {f"sub/{n}.bin": fresh(40_000) for n in range(10)}
    assets = tuple(
        AssetCollectionFile(file_name=f"{n}.bin", relative_path="sub", content=data)
        for n, data in enumerate(contents.values())
    )
    saved = await comps.asset_collections.save(AssetCollection(assets=assets))
    read = await comps.asset_collections.get(saved, EVERYTHING)
    channel = far._channel  # pyright: ignore[reportPrivateUsage] - a GiB would be slow
    files = AssetFiles(channel, read, lambda event: None, zip_bytes=100_000)
    paths = await files.zip(tmp_path / "x.zip")
    assert [path.name for path in paths] == ["x.zip", "x-2.zip", "x-3.zip", "x-4.zip", "x-5.zip"]
    found: dict[str, bytes] = {}
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            found |= {name: archive.read(name) for name in archive.namelist()}
    assert found == contents
    small = AssetFiles(channel, read, lambda event: None, zip_bytes=30_000)
    with pytest.raises(acomps.UsageError, match="use download_all"):
        await small.zip(tmp_path / "y.zip")


async def test_a_file_that_changes_before_it_is_sent_is_noticed(
    far: acomps.Session, proxy: FaultProxy, folder: Path
) -> None:
    def script(request: Request) -> Fault:
        (folder / "climate/rain.bin").write_bytes(fresh(300_000))
        return PASS

    proxy.script = script
    with pytest.raises(acomps.ContentError, match=r"(rain\.bin|latest) changed while it was being sent"):
        await far.asset_collections.from_directory(folder)


async def test_a_given_md5_that_does_not_fit_is_refused(comps: acomps.Session) -> None:
    asset = AssetCollectionFile(file_name="x", content=b"x")
    wrong = dataclasses.replace(asset, md5_checksum=uuid.uuid4())
    with pytest.raises(acomps.UsageError, match="does not have the md5"):
        await comps.asset_collections.save(AssetCollection(assets=(wrong,)))
