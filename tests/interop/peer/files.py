"""Files of simulations and work items, and large ones that travel in chunks."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from interop.peer.library import Client, assets, data, work_items
from interop.peer.scenario import scenario


@scenario("Simulation.add_file SimulationFile.retrieve SimulationFile.uri Simulation.save")
def save_files_in_three_ways(experiment: str, path: str) -> object:
    """A simulation with a file by its path, one by its content and one by its checksum; and what comes back."""
    first = data.Simulation("with files", experiment)
    first.add_file(data.SimulationFile("renamed.csv", "input", "by path"), file_path=path)
    first.add_file(data.SimulationFile("empty.txt", "input"), data=b"")
    first.save()
    second = data.Simulation("by checksum", experiment)
    second.add_file(data.SimulationFile("again.csv", "input", "by checksum", first.files[0].md5_checksum))
    second.save()
    found: list[object] = []
    for simulation in (first, second):
        simulation.refresh(data.QueryCriteria().select_children(["files"]))
        found.append({file.file_name: file.retrieve() for file in simulation.files})
    return {"ids": [first.id, second.id], "files": found}


@scenario("WorkItem.add_work_order WorkItem.add_file WorkItemFile.retrieve WorkItemFile.uri")
def save_work_item_files(path: str) -> object:
    """A work item whose order comes by its path, and what its files are."""
    item = data.WorkItem("with an order", work_items.WorkerOrPluginKey("nobody's", "1"), "Local")
    item.add_work_order(file_path=path)
    item.add_file(data.WorkItemFile("input.txt", "input", "an input"), data=b"an input")
    item.save()
    item.refresh(data.QueryCriteria().select_children("files"))
    return {file.file_name: [file.file_type, file.description, file.retrieve()] for file in item.files}


@scenario()
def add_wrongly() -> object:
    """Files that are given in no way, in two ways, as text, and without a name."""
    collection = data.AssetCollection()
    checksum = str(uuid.uuid4())
    said: list[str] = []
    attempts: list[tuple[list[str], dict[str, object]]] = [
        (["a"], {}),
        (["a", "", checksum], {"data": b"a"}),
        (["a"], {"data": "a"}),
        ([""], {"data": b"a"}),
        (["a", "", "no checksum"], {}),
    ]
    for described, given in attempts:
        try:
            collection.add_asset(data.AssetCollectionFile(*described), **given)
        except ValueError as exc:
            said.append(str(exc))
    return said


@scenario("AssetManager.upload_large_asset AssetCollection.add_asset")
def upload(path: str, fail_after: int = 0) -> object:
    """Add a large file to a collection; `fail_after` breaks off after so many chunks. What the callback was told."""
    told: list[int] = []

    def tell(sent: int) -> None:
        told.append(sent)
        if len(told) == fail_after:
            raise ConnectionAbortedError("the line is cut")

    collection = data.AssetCollection()
    file = data.AssetCollectionFile(Path(path).name)
    try:
        collection.add_asset(file, file_path=path, upload_callback=tell)
    except ConnectionAbortedError:
        return {"told": told, "md5": file.md5_checksum, "id": None}
    collection.save()
    return {"told": told, "md5": file.md5_checksum, "id": collection.id}


@scenario("AssetManager.upload_large_asset Simulation.add_file WorkItem.add_file Simulation.save WorkItem.save")
def upload_for_both(experiment: str, path: str) -> object:
    """A large file of a simulation and of a work item; it travels once. How many chunks each of them sent."""
    chunks = [0, 0]

    def count(which: int) -> Any:
        def tell() -> None:
            chunks[which] += 1

        return tell

    simulation = data.Simulation("with a large file", experiment)
    simulation.add_file(data.SimulationFile("large.bin", "input"), file_path=path, upload_callback=count(0))
    simulation.save()
    item = data.WorkItem("with a large file", work_items.WorkerOrPluginKey("nobody's", "1"), "Local")
    item.add_file(data.WorkItemFile("large.bin", "input"), file_path=path, upload_callback=count(1))
    item.save()
    return {
        "chunks": chunks,
        "simulation": simulation.id,
        "item": item.id,
        "threshold": assets.large_asset_upload_threshold,
    }


@scenario("Client.get")
def check_upload(md5: str) -> object:
    """What the server says about a content."""
    answer = Client.get(f"/upload/check/{md5}", http_err_handle_exceptions=[404])
    return {"status": answer.status_code, "body": answer.json()}
