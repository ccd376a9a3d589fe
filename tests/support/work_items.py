"""Work items over plain HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from support.local_service import Client, Record, md5, records, text, until

FINAL = ("Succeeded", "Failed", "Canceled")


class ItemClient(Client):
    """A client with shortcuts for work items."""

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def item(
        self,
        order: object,
        files: Mapping[str, bytes] | None = None,
        worker: str = "DockerWorker",
        types: Mapping[str, str] | None = None,
        **fields: object,
    ) -> str:
        """A new work item with a work order and other files, which are of type input unless `types` says otherwise.

        `worker` is a name, with a version after a space.
        """
        name, _, version = worker.partition(" ")
        ordered = json.dumps(order).encode()
        described = [{"FileName": "WorkOrder.json", "FileType": "WorkOrder", "MD5Checksum": md5(ordered)}]
        for file_name, data in (files or {}).items():
            kind = (types or {}).get(file_name, "input")
            described.append({"FileName": file_name, "FileType": kind, "MD5Checksum": md5(data)})
        document = {
            "Name": "item",
            "Worker": {"name": name, "version": version or "1.0.0.0_RELEASE"},
            "EnvironmentName": "Local",
            "Files": described,
            **fields,
        }
        contents = [ordered, *(files or {}).values()]
        return self.ids(self.form("WorkItems", [document], contents))[0]

    def command(self, line: str, files: Mapping[str, bytes] | None = None, **fields: object) -> str:
        """A new work item that runs a line of shell."""
        order = {"WorkItem_Type": "DockerWorker", "Execution": {"Command": line}}
        return self.item(order, files, "DockerWorker", None, **fields)

    def depend(self, item: str, kind: str, entity_id: str) -> None:
        """Make a work item depend on an entity."""
        answer = self.http.post(f"/api/WorkItems/{item}/Related/DependsOn/{kind}/{entity_id}")
        assert answer.status_code == 200, answer.text

    def item_state(self, item: str) -> str:
        """The state of a work item."""
        return text(self.one("WorkItems", item), "State")

    def until_item(self, item: str, *states: str) -> Record:
        """The work item, once it is in one of the states."""
        found: Record = {}

        def there() -> bool:
            found.clear()
            found.update(self.one("WorkItems", item))
            return found["State"] in states

        try:
            until(there, f"the work item becomes one of {states}", 60)
        except AssertionError as exc:
            raise AssertionError(f"{exc}: {found}") from None
        return found

    def run_item(self, item: str) -> Record:
        """Commission a work item; the answer is what it is at its end."""
        self.commission("WorkItems", item)
        return self.until_item(item, *FINAL)

    def item_folder(self, item: str) -> Path:
        """The working directory of a work item."""
        return Path(text(self.one("WorkItems", item), "WorkingDirectory"))

    def item_output(self, item: str, path: str) -> str:
        """An output file of a work item, through the listing's own link."""
        answer = self.http.get(f"/asset/WorkItems/{item}/Output", params={"flatten": "1"})
        assert answer.status_code == 200, answer.text
        for resource in records(answer.json()["Resources"]):
            folder, name = text(resource, "PathFromRoot"), text(resource, "FriendlyName")
            if (name if folder == "." else f"{folder}/{name}") == path:
                return self.http.get(text(resource, "Url")).text
        raise AssertionError(f"there is no {path}")

    def related(self, item: str, relation: str, kind: str) -> list[str]:
        """The ids of what a work item is related to."""
        query = {"RelationType": relation, "RelatedObject": kind}
        answer = self.http.get(f"/api/WorkItems/{item}/Related", params=query)
        assert answer.status_code == 200, answer.text
        return [text(found, "Id") for found in records(answer.json()["Related"])]
