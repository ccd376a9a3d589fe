"""The folders that jobs name: templates by id, data on this machine or in the user's own folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from acomps.local.cybergis.manifests import read_manifest
from acomps.local.errors import Refused
from acomps.local.jsons import JSON, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from acomps.local.cybergis.documents import Job
    from acomps.local.cybergis.templates import Templates

__all__ = ["Places", "inside", "template_id"]


class Places:
    """Where everything of the CyberGIS side lies, and what of it a job may read."""

    def __init__(self, root: Path, data_folders: Sequence[Path], templates: Templates, endpoint: str) -> None:
        #: The folders of jobs, unless their computing resource has others.
        self.jobs = root / "jobs"
        self._homes = root / "homes"
        self._data_folders = data_folders
        self._templates = templates
        #: The name of this service where folders are transferred from and to.
        self.endpoint = endpoint
        self.jobs.mkdir(parents=True, exist_ok=True)

    def home(self, owner: str) -> Path:
        """The user's own folder, to which results are brought."""
        name = owner.lower()
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise Refused(403, "this user name cannot be the name of a folder")
        return self._homes / name

    def home_path(self, owner: str) -> str:
        """The path of the user's own folder in transfers."""
        return f"/{owner.lower()}"

    def in_home(self, owner: str, path: str) -> Path:
        """The place in the user's folder behind the path of a transfer, which must not leave it."""
        # Clients put the path together with the root in front, or write it from the folder on.
        inside = path.removeprefix(self.home_path(owner)).strip("/")
        parts = [part for part in inside.split("/") if part not in {"", ".", "~"}]
        if ".." in parts or "\0" in path or len(path) > 2_000 or not parts:
            raise Refused(403, f"{path!r} is not a path in your own folder"[:400])
        return self.home(owner).joinpath(*parts)

    @staticmethod
    def template_of(job: Job) -> str:
        """The id of the template that a job runs."""
        return template_id(job.local_executable)

    async def data_of(self, job: Job) -> Path | None:
        """The folder with a job's data, if it has any."""
        given = job.local_data
        kind = None if given is None else given.get("type")
        if given is None or kind == "empty":
            return None
        if kind == "git":
            return (await self._templates.get(template_id(given))).folder
        return await anyio.to_thread.run_sync(self._data, job.owner, given)

    def _data(self, owner: str, given: Mapping[str, JSON]) -> Path:
        if given.get("type") == "local":
            roots = [os.path.realpath(folder) for folder in self._data_folders]
            return inside(Path(text(given.get("localPath"), "localPath")), roots, "the data folders of this service")
        if given.get("type") == "globus":
            if given.get("endpoint") != self.endpoint:
                raise Refused(402, "this service takes data from its own endpoint only: see /user/jupyter-globus")
            place = self.in_home(owner, text(given.get("path"), "path"))
            return inside(place, [os.path.realpath(self.home(owner))], "your own folder")
        raise Refused(402, "localDataFolder has the type git, globus, local or empty")

    def first_result(self, job: Job, result: Path) -> str | None:
        """The folder that the job's template wants to see first."""
        del job
        try:
            return read_manifest(result.with_name("executable")).first_result
        except Refused:
            return None


def template_id(reference: Mapping[str, JSON] | None) -> str:
    """The template that a folder reference names."""
    if reference is None:
        raise Refused(402, "Error: job missing executable file")
    if reference.get("type") != "git":
        raise Refused(402, "the executable folder must have the type git and a gitId")
    return text(reference.get("gitId"), "gitId")


def inside(path: Path, roots: Sequence[str], what: str) -> Path:
    """A folder that, all links followed, lies in one of the roots, which have no links. This blocks."""
    real = Path(os.path.realpath(path))
    if not path.is_absolute() or not any(real.is_relative_to(root) for root in roots) or not real.is_dir():
        raise Refused(402, f"{path} is not a folder in {what}"[:400])
    return real
