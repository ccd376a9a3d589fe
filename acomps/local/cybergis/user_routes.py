"""Users and their folders (cybergis-compute 3.2): who asks, what they have used, and transfers of folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from acomps.local.cybergis.calls import CallRefused
from acomps.local.cybergis.documents import Folder, job_document
from acomps.local.cybergis.records import folder_of, folders_of_jobs, folders_of_owner, jobs_of_owner, usage_of

if TYPE_CHECKING:
    from acomps.local.core import Core
    from acomps.local.cybergis.calls import Call, Router
    from acomps.local.cybergis.hub import Hub
    from acomps.local.cybergis.ledger import Ledger
    from acomps.local.cybergis.places import Places
    from acomps.local.cybergis.transfers import Transfers
    from acomps.local.jsons import JSON
    from acomps.local.routing import Route

__all__ = ["UserRoutes"]

MAX_NAME: Final = 500


class UserRoutes:
    """The handlers of /user and /folder. Every one of them knows what is the caller's own only."""

    def __init__(self, core: Core, hub: Hub, ledger: Ledger, places: Places, transfers: Transfers) -> None:
        self._core = core
        self._hub = hub
        self._ledger = ledger
        self._places = places
        self._transfers = transfers

    def routes(self, router: Router) -> list[Route]:
        """The routes."""
        return [
            router.route("GET", "/user", self.user),
            router.route("GET", "/user/jupyter-globus", self.globus),
            router.route("GET", "/user/job", self.jobs),
            router.route("GET", "/user/slurm-usage", self.usage),
            router.route("GET", "/folder", self.folders),
            router.route("GET", "/folder/{id}", self.folder),
            router.route("PUT", "/folder/{id}", self.change),
            router.route("DELETE", "/folder/{id}", self.delete),
            router.route("POST", "/folder/{id}/download/globus-init", self.transfer),
            router.route("GET", "/folder/{id}/download/globus-status", self.transfer_status),
        ]

    async def user(self, call: Call) -> object:
        """Who asks."""
        return {"username": self._hub.user_id(call.owner(hub=True))}

    async def globus(self, call: Call) -> object:
        """Where transfers can go to: the user's own folder on this machine."""
        owner = call.owner(hub=True)
        home = self._places.home(owner)
        await self._core.job(lambda: home.mkdir(parents=True, exist_ok=True))
        return {
            "endpoint": self._places.endpoint,
            "root_path": self._places.home_path(owner),
            "container_home_path": f"{home}{os.sep}",
        }

    async def jobs(self, call: Call) -> object:
        """The caller's newest jobs, without their events and logs."""
        owner = call.owner(hub=True)

        def read() -> list[dict[str, JSON]]:
            with self._core.database.reading() as connection:
                jobs = jobs_of_owner(connection, owner)
                folders = folders_of_jobs(connection, jobs)
            return [job_document(job, self._hub.user_id(owner), folders=folders[job.number]) for job in jobs]

        return {"job": await self._core.job(read)}

    async def usage(self, call: Call) -> object:
        """What the caller's jobs have used together, as far as it is known."""
        owner = call.owner()

        def read() -> tuple[int, int, int, int]:
            with self._core.database.reading() as connection:
                return usage_of(connection, owner)

        nodes, cpus, cpu_s, wall_s = await self._core.job(read)
        return {
            "nodes": nodes,
            "cpus": cpus,
            "cpuTime": _time(cpu_s),
            # Nobody measures it here.
            "memory": "0kb",
            "memoryUsage": "0kb",
            "walltime": _time(wall_s),
        }

    async def folders(self, call: Call) -> object:
        """The caller's newest folders."""
        owner = call.owner()

        def read() -> list[dict[str, JSON]]:
            with self._core.database.reading() as connection:
                return [found.document(self._hub.user_id(owner)) for found in folders_of_owner(connection, owner)]

        return {"folder": await self._core.job(read)}

    async def folder(self, call: Call) -> object:
        """A list of one folder, or of none."""
        owner = call.owner()
        found = await self._find(call, owner)
        return [] if found is None else [found.document(self._hub.user_id(owner))]

    async def change(self, call: Call) -> object:
        """Rename a folder, or make it writable."""
        owner = call.owner()
        name, writable = call.text("name"), call.take("isWritable", "boolean")
        found = await self._needed(call, owner)
        values: dict[str, str | int] = {"name": name[:MAX_NAME]} if name else {}
        if writable is True:
            values["is_writable"] = 1
        if not values:
            raise CallRefused(401, "encountered error: there is nothing to change", ())
        await self._core.job(self._ledger.change_folder, found, values)
        return (await self._needed(call, owner)).document(self._hub.user_id(owner))

    async def delete(self, call: Call) -> object:
        """Take a folder out of the lists; its files stay."""
        found = await self._needed(call, call.owner())
        await self._core.job(self._ledger.change_folder, found, {"deleted_at": self._ledger.now()})
        return {"success": True}

    async def transfer(self, call: Call) -> object:
        """Begin to copy a folder to the caller's own."""
        owner = call.owner()
        endpoint, path = call.needed("toEndpoint"), call.needed("toPath")
        from_path = call.text("fromPath") or "/"
        found = await self._needed(call, owner)
        if endpoint != self._places.endpoint:
            raise CallRefused(403, "failed to init globus with error: the endpoint is not this service's own", ())
        task_id = await self._transfers.start(found, from_path, self._places.in_home(owner, path))
        return {"globus_task_id": task_id}

    async def transfer_status(self, call: Call) -> object:
        """How far the last transfer of a folder is."""
        found = await self._needed(call, call.owner())
        status = await self._core.job(self._transfers.status, found)
        return {} if status is None else {"status": status}

    async def _find(self, call: Call, owner: str) -> Folder | None:
        def read(folder_id: str) -> Folder | None:
            with self._core.database.reading() as connection:
                return folder_of(connection, folder_id, owner)

        return await self._core.job(read, call.path("id"))

    async def _needed(self, call: Call, owner: str) -> Folder:
        found = await self._find(call, owner)
        if found is None:
            raise CallRefused(404, f"unknown folder with id {call.path('id')}"[:200], ())
        return found


def _time(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days:02} days, {hours:02} hours, {minutes:02} minutes, {rest:02} seconds"
