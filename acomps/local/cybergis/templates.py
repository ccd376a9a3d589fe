"""The job templates: folders of this machine and clones of git repositories, looked at anew when they have aged."""

from __future__ import annotations

import logging
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from acomps.local.cybergis.git import fetch_commit, shown_url
from acomps.local.cybergis.manifests import Manifest, read_manifest
from acomps.local.cybergis.settings import DEFAULT_TEMPLATE, TemplateSource
from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from acomps.local.jsons import JSON

__all__ = ["HELLO_WORLD", "Template", "Templates"]

_log = logging.getLogger("acomps.local")

HELLO_WORLD: Final = TemplateSource(name=DEFAULT_TEMPLATE, folder=Path(__file__).with_name(DEFAULT_TEMPLATE))

#: A repository is asked for news when the last time was so long ago.
AGE_S: Final = 120.0
#: ... and one that could not be had is not asked again for so long.
FAILED_S: Final = 20.0
#: Commits that are kept: one may still be copied while the next one comes.
KEEP: Final = 2
FETCHES_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A job template as it is now."""

    name: str
    folder: Path
    manifest: Manifest
    repository: str
    commit: str | None = None

    def document(self, hpcs: Sequence[str]) -> dict[str, JSON]:
        """What is published; only computing resources of this service are named."""
        given = self.manifest.document
        supported: list[JSON] = [name for name in self.manifest.supported_hpc if name in hpcs] or [*hpcs]
        default = self.manifest.default_hpc
        document: dict[str, JSON] = {
            **given,
            "name": given.get("name") or self.name,
            "supported_hpc": supported,
            "default_hpc": default if default in supported else supported[0],
            "repository": given.get("repository") or self.repository,
        }
        return document if self.commit is None else {**document, "commit": self.commit}


class Templates:
    """All templates of a service, by name."""

    def __init__(
        self,
        sources: Sequence[TemplateSource],
        clones: Path,
        variables: Mapping[str, str],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = {source.name: source for source in (HELLO_WORLD, *sources)}
        self._clones = clones
        self._variables = variables
        self._monotonic = monotonic
        self._locks = {name: anyio.Lock() for name in self._sources}
        self._asked: dict[str, float] = {}
        self._commits: dict[str, str] = {}
        self._failures: dict[str, tuple[float, str]] = {}
        self._fetching = anyio.CapacityLimiter(FETCHES_AT_ONCE)

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    async def get(self, name: str) -> Template:
        """The template; a Refused with 402 when there is none of that name, or it cannot be had."""
        source = self._sources.get(name)
        if source is None:
            raise Refused(402, f"there is no template {name!r}"[:400])
        if source.git is None:
            folder = source.folder
            if folder is None:
                raise Refused(402, f"the template {name!r} has no folder"[:400])
            manifest = await anyio.to_thread.run_sync(read_manifest, folder)
            return Template(name=name, folder=folder, manifest=manifest, repository=f"folder {folder.name}")
        commit = await self._current(source, source.git)
        folder = self._clones / name / commit
        manifest = await anyio.to_thread.run_sync(read_manifest, folder)
        return Template(name=name, folder=folder, manifest=manifest, repository=shown_url(source.git), commit=commit)

    async def all(self) -> list[Template]:
        """Every template that can be had, names in descending order."""
        found: dict[str, Template] = {}

        async def look(name: str) -> None:
            try:
                found[name] = await self.get(name)
            except Refused as exc:
                _log.warning("the template %s is left out: %s", name, exc.message)

        async with anyio.create_task_group() as group:
            for name in self._sources:
                group.start_soon(look, name)
        return [found[name] for name in sorted(found, reverse=True)]

    async def _current(self, source: TemplateSource, url: str) -> str:
        """The commit to use; the last one when the repository does not answer."""
        name = source.name
        async with self._locks[name]:
            known, asked = self._commits.get(name), self._asked.get(name)
            if known is not None and asked is not None and self._monotonic() - asked < AGE_S:
                return known
            failed_at, said = self._failures.get(name, (-math.inf, ""))
            if self._monotonic() - failed_at < FAILED_S:
                raise Refused(402, said)
            into = self._clones / name
            await anyio.to_thread.run_sync(lambda: into.mkdir(parents=True, exist_ok=True))
            try:
                async with self._fetching:
                    commit = await fetch_commit(url, source.ref, into, self._variables)
            except Refused as exc:
                if known is None:
                    self._failures[name] = (self._monotonic(), exc.message)
                    raise
                _log.warning("the template %s stays as it is: %s", name, exc.message)
                commit = known
            self._asked[name], self._commits[name] = self._monotonic(), commit
            await anyio.to_thread.run_sync(_tidy, into, commit)
            return commit


def _tidy(clones: Path, newest: str) -> None:
    """Remove what is neither the commit in use nor the one before, and what was never finished."""
    (clones / newest).touch()
    kept = sorted(clones.iterdir(), key=lambda folder: folder.lstat().st_mtime, reverse=True)[:KEEP]
    for folder in clones.iterdir():
        if folder not in kept or folder.name.startswith("."):
            shutil.rmtree(folder, ignore_errors=True)
