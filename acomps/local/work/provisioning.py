"""From a commissioned simulation to something that can be started: its merged configuration, its working directory."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from acomps.entities.states import Priority
from acomps.local.environments import DEFAULT_ROOT
from acomps.local.errors import Refused
from acomps.local.jsons import JSON, dumps
from acomps.local.records import schema
from acomps.local.records.configurations import coalesce, priority_of
from acomps.local.records.database import given_ids
from acomps.local.work import workdirs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from acomps.local.core import Core
    from acomps.local.environments import Environment
    from acomps.local.files.contents import Stored

__all__ = ["Commissioned", "Provisioned", "Provisioner"]

_log = logging.getLogger("acomps.local")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commissioned:
    """A simulation that is to be run."""

    id: str
    owner: str
    #: Stored configurations of its suite, its experiment, and its own.
    configurations: tuple[str | None, str | None, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """What has become of it: a job to queue, or the reason why it cannot be run."""

    simulation_id: str
    job_id: str
    directory: Path | None = None
    command: tuple[str, ...] = ()
    configuration: Mapping[str, JSON] | None = None
    priority: Priority = Priority.NORMAL
    cores: int = 1
    retries: int = 0
    failure: str | None = None


class Provisioner:
    """Makes working directories. Everything here blocks."""

    def __init__(self, core: Core, search_path: str) -> None:
        self._core = core
        self._search_path = search_path
        self._collections = workdirs.Collections(core.settings.data_dir / "collections", core.contents)

    def provision(self, simulations: Sequence[Commissioned]) -> list[Provisioned]:
        """Prepare each of them; the failure of one does not touch the others."""
        job_ids = self._core.ids.take(len(simulations))
        with self._core.database.reading() as connection:
            files = _files_of(connection, [simulation.id for simulation in simulations])
            contents = self._core.contents.fetch({md5 for named in files.values() for _, md5 in named})
            return [
                self._one(
                    connection,
                    simulation,
                    job_id,
                    [(name, contents.get(md5)) for name, md5 in files.get(simulation.id, [])],
                )
                for simulation, job_id in zip(simulations, job_ids, strict=True)
            ]

    def _one(
        self, connection: Connection, simulation: Commissioned, job_id: str, files: Sequence[tuple[str, Stored | None]]
    ) -> Provisioned:
        configuration = coalesce(*simulation.configurations)
        try:
            return self._prepared(connection, simulation, job_id, files, configuration)
        except Refused as exc:
            failure = exc.message
        except OSError as exc:
            failure = f"the working directory could not be made: {exc}"
        except Exception:
            # One simulation must not hold up all others, whatever is wrong with it.
            _log.exception("simulation %s could not be provisioned", simulation.id)
            failure = "the service failed to provision this simulation; its log has the reason"
        return Provisioned(simulation_id=simulation.id, job_id=job_id, failure=failure)

    def _prepared(
        self,
        connection: Connection,
        simulation: Commissioned,
        job_id: str,
        files: Sequence[tuple[str, Stored | None]],
        configuration: dict[str, JSON],
    ) -> Provisioned:
        environment = self._environment(configuration)
        configuration.setdefault("WorkingDirectoryRoot", DEFAULT_ROOT)
        root = environment.expand(str(configuration["WorkingDirectoryRoot"]), simulation.owner)
        words = _words(environment, configuration, simulation.owner)
        directory = workdirs.place(root, job_id)
        stored = [(name, content) for name, content in files if content is not None]
        if len(stored) < len(files):
            raise Refused(400, "the contents of its files are no longer in the content store")
        workdirs.prepare(directory, stored, self._assets(connection, configuration.get("AssetCollectionId")))
        try:
            command = (self._program(directory, words[0]), *words[1:])
        except Refused:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        least = configuration.get("MinCores")
        retries = configuration.get("MaximumNumberOfRetries")
        return Provisioned(
            simulation_id=simulation.id,
            job_id=job_id,
            directory=directory,
            command=command,
            configuration=configuration,
            priority=priority_of(configuration.get("Priority", Priority.NORMAL.text)),
            cores=min(least if isinstance(least, int) else 1, self._core.settings.cores),
            retries=retries if isinstance(retries, int) else 0,
        )

    def _environment(self, configuration: Mapping[str, JSON]) -> Environment:
        name = configuration.get("EnvironmentName")
        if name is None:
            raise Refused(400, "no EnvironmentName is set for this simulation, its experiment or its suite")
        return self._core.environments.named(str(name))

    def _assets(self, connection: Connection, collection_id: JSON) -> Path | None:
        if collection_id is None:
            return None
        made = self._collections.folder(str(collection_id))
        if made is not None:
            return made
        assets = schema.assets
        found = connection.execute(
            select(assets.c.relative_path, assets.c.file_name, assets.c.md5_checksum).where(
                assets.c.entity_id == str(collection_id)
            )
        )
        return self._collections.make(str(collection_id), [(folder, name, md5) for folder, name, md5 in found])

    def _program(self, directory: Path, name: str) -> str:
        """The program of the command line: in the working directory, absolute, or found on the PATH."""
        inside = directory / name
        if inside.is_file():
            if not os.access(inside, os.X_OK):
                raise Refused(400, f"executable {name!r} is neither a binary program nor a script that begins with #!")
            return name if name.startswith("/") else f"./{name}"
        found = None if "/" in name else shutil.which(name, path=self._search_path)
        if found is None:
            where = "in the working directory" if "/" in name else "in the working directory or on the PATH"
            raise Refused(400, f"executable {name!r} was not found {where}: check ExecutablePath and the assets")
        return found


def _words(environment: Environment, configuration: Mapping[str, JSON], user: str) -> list[str]:
    """The command line in words, split as a shell would do it: a path with spaces must be quoted."""
    program = configuration.get("ExecutablePath")
    if not program:
        raise Refused(400, "no ExecutablePath is set for this simulation, its experiment or its suite")
    line = f"{str(program).replace(chr(92), '/')} {configuration.get('SimulationInputArgs') or ''}"
    try:
        words = [environment.substitute(word, user) for word in shlex.split(line)]
    except ValueError as exc:
        raise Refused(400, f"the command line {line!r} cannot be split into words: {exc}"[:1000]) from exc
    if not words:
        raise Refused(400, "ExecutablePath is empty")
    return words


def _files_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Name and md5 of the files of each simulation."""
    files = schema.files
    found: dict[str, list[tuple[str, str]]] = {}
    rows = connection.execute(
        select(files.c.entity_id, files.c.file_name, files.c.md5_checksum).where(files.c.entity_id.in_(given_ids())),
        {"ids": dumps(ids)},
    )
    for owner, name, md5 in rows:
        found.setdefault(owner, []).append((name, md5))
    return found
