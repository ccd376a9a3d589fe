"""Saving many at once: batches, callbacks, missing contents, semaphores."""

from __future__ import annotations

import multiprocessing
import uuid
from typing import Any

from interop.peer.library import data, work_items
from interop.peer.scenario import scenario

_ABSENT = "0f0e0d0c-0b0a-0908-0706-050403020100"


@scenario("Simulation.save_all Simulation.__init__ Simulation.id")
def save_many(experiment: str, count: int, tags: dict[str, Any] | None = None, size: int = 0) -> object:
    """Simulations in batches: their ids in the order in which they were made, and what the callback was told."""
    told: list[int] = []
    made: list[Any] = []
    for number in range(count):
        simulation = data.Simulation(f"simulation {number}", experiment, description=f"number {number}")
        simulation.set_tags({"number": number, **(tags or {})})
        if size:
            content = f"{number} {uuid.uuid4()} ".encode().ljust(size, b"x")
            simulation.add_file(data.SimulationFile("config.json", "input"), data=content)
        made.append(simulation)

    def tell(processed: int) -> None:
        told.append(processed)

    data.Simulation.save_all(save_batch_callback=tell)
    return {"ids": [simulation.id for simulation in made], "told": told}


@scenario("WorkItem.save_all WorkItem.__init__ WorkItem.id")
def save_many_work_items(count: int) -> object:
    """Work items in batches."""
    told: list[str] = []
    worker = work_items.WorkerOrPluginKey("nobody's", "1")
    made = [data.WorkItem(f"work item {number}", worker, "Local") for number in range(count)]
    data.WorkItem.save_all(save_batch_callback=lambda: told.append("."))
    return {"ids": [item.id for item in made], "told": told}


@scenario("Simulation.get_save_semaphore WorkItem.get_save_semaphore Simulation.save_all WorkItem.save Simulation.save")
def save_with_semaphores(experiment: str) -> object:
    """Saving with the process's own semaphores and with ones that are passed in: how often those were taken."""

    class Counted:
        """A semaphore that counts."""

        def __init__(self) -> None:
            self.taken = 0
            self.inner = multiprocessing.Semaphore(1)

        def __enter__(self) -> None:
            self.taken += 1
            self.inner.acquire()

        def __exit__(self, *_exc: object) -> None:
            self.inner.release()

    counted = Counted()
    ids: list[object] = []
    simulation = data.Simulation("alone", experiment)
    simulation.save(save_semaphore=counted)
    ids.append(simulation.id)
    several = [data.Simulation(f"together {number}", experiment) for number in range(101)]
    data.Simulation.save_all(save_batch_callback=None, save_semaphore=counted)
    ids += [one.id for one in several]
    item = data.WorkItem("an item", work_items.WorkerOrPluginKey("nobody's", "1"), "Local")
    item.save(save_semaphore=counted)
    items = [data.WorkItem("another item", item.worker, "Local")]
    data.WorkItem.save_all(save_batch_callback=None, save_semaphore=counted)
    own = [data.Simulation.get_save_semaphore(), data.WorkItem.get_save_semaphore()]
    return {
        "taken": counted.taken,
        "ids": ids,
        "items": [item.id, items[0].id],
        "own": [semaphore.get_value() for semaphore in own],
    }


@scenario("Simulation.save Simulation.save_all WorkItem.save WorkItem.save_all AssetCollection.save Simulation.id")
def save_with_missing(experiment: str, content: str) -> object:
    """What each way of saving says about a checksum that the server does not have, and what is saved afterwards."""
    said: dict[str, object] = {}
    alone = data.Simulation("alone", experiment)
    alone.add_file(data.SimulationFile("config.json", "input", md5_checksum=_ABSENT))
    said["Simulation.save"] = alone.save(return_missing_files=True)
    said["Simulation.save_all"] = data.Simulation.save_all(save_batch_callback=None, return_missing_files=True)
    said["unsaved"] = alone.id
    said["Simulation.save raises"] = _refusal(alone.save)
    alone._files, alone._tmp_file_parts = (), []
    alone.add_file(data.SimulationFile("config.json", "input"), data=content.encode())
    alone.save()
    said["saved"] = alone.id
    item = data.WorkItem("alone", work_items.WorkerOrPluginKey("nobody's", "1"), "Local")
    item.add_file(data.WorkItemFile("order.json", "input", md5_checksum=_ABSENT))
    said["WorkItem.save"] = item.save(return_missing_files=True)
    said["WorkItem.save_all"] = data.WorkItem.save_all(save_batch_callback=None, return_missing_files=True)
    said["WorkItem.save raises"] = _refusal(item.save)
    data.WorkItem._get_dirty_list().clear()
    collection = data.AssetCollection()
    collection.add_asset(data.AssetCollectionFile("a.bin", "", _ABSENT))
    said["AssetCollection.save"] = collection.save(return_missing_files=True)
    said["AssetCollection.save raises"] = _refusal(collection.save)
    return said


def _refusal(save: Any) -> str:
    try:
        save()
    except RuntimeError as exc:
        return str(exc)
    return "it was saved"
