"""From a commissioned simulation to something that can be started: its merged configuration, its working directory."""

from __future__ import annotations

import errno
import logging
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from acomps.entities.states import Priority
from acomps.local.environments import DEFAULT_ROOT
from acomps.local.errors import Refused
from acomps.local.executors import Task
from acomps.local.executors.options import ProcessOptions
from acomps.local.files.contents import Stored
from acomps.local.jsons import JSON, dumps
from acomps.local.records import schema
from acomps.local.records.configurations import coalesce, priority_of
from acomps.local.records.database import given_ids
from acomps.local.work import workdirs
from acomps.local.work.orders import FILE_NAME, FILE_TYPE, WorkOrder, expand, read_order
from acomps.local.work.places import place_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from acomps.local.core import Core
    from acomps.local.environments import Environment

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
    """What has become of it: a task to queue, or the reason why it cannot be run."""

    simulation_id: str
    task: Task | None = None
    place: str = ""
    configuration: Mapping[str, JSON] | None = None
    priority: Priority = Priority.NORMAL
    retries: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a simulation; without a content when the store no longer has it."""

    name: str
    kind: str | None
    content: Stored | None


class Provisioner:
    """Makes working directories. Everything here blocks."""

    def __init__(self, core: Core, variables: Mapping[str, str]) -> None:
        self._core = core
        self._variables = variables
        self._search_path = variables.get("PATH")
        self._collections = workdirs.Collections(core.settings.data_dir / "collections", core.contents)

    def provision(self, simulations: Sequence[Commissioned]) -> list[Provisioned]:
        """Prepare each of them; the failure of one does not touch the others.

        When the disk is full the answer ends before that one: those that are left are for another time.
        """
        job_ids = self._core.ids.take(len(simulations))
        provisioned: list[Provisioned] = []
        with self._core.database.reading() as connection:
            files = _files_of(connection, [simulation.id for simulation in simulations])
            contents = self._core.contents.fetch({md5 for named in files.values() for _, _, md5 in named})
            for simulation, job_id in zip(simulations, job_ids, strict=True):
                own = [_File(name, kind, contents.get(md5)) for name, kind, md5 in files.get(simulation.id, [])]
                try:
                    provisioned.append(self._one(connection, simulation, job_id, own))
                except OSError as exc:
                    _log.warning("provisioning waits: %s", exc)
                    break
        return provisioned

    def _one(
        self, connection: Connection, simulation: Commissioned, job_id: str, files: Sequence[_File]
    ) -> Provisioned:
        try:
            return self._prepared(connection, simulation, job_id, files)
        except Refused as exc:
            failure = exc.message
        except OSError as exc:
            if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise
            failure = f"the working directory could not be made: {exc}"
        except Exception:
            # One simulation must not hold up all others, whatever is wrong with it.
            _log.exception("simulation %s could not be provisioned", simulation.id)
            failure = "the service failed to provision this simulation; its log has the reason"
        return Provisioned(simulation_id=simulation.id, failure=failure)

    def _prepared(
        self, connection: Connection, simulation: Commissioned, job_id: str, files: Sequence[_File]
    ) -> Provisioned:
        configuration = coalesce(*simulation.configurations)
        environment = self._environment(configuration)
        configuration.setdefault("WorkingDirectoryRoot", DEFAULT_ROOT)
        root = environment.expand(str(configuration["WorkingDirectoryRoot"]), simulation.owner)
        stored = [(file.name, file.content) for file in files if file.content is not None]
        if len(stored) < len(files):
            raise Refused(400, "the contents of its files are no longer in the content store")
        order = _order_among(files)
        if order is not None:
            _apply(order, configuration)
        words = _words(environment, _line(configuration, order), simulation.owner)
        directory = workdirs.place(root, job_id)
        task = self._task(job_id, directory, environment, configuration, order)
        workdirs.prepare(directory, stored, self._assets(connection, configuration.get("AssetCollectionId")))
        try:
            command = (self._program(directory, words[0]), *words[1:])
        except Refused:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        retries = configuration.get("MaximumNumberOfRetries")
        return Provisioned(
            simulation_id=simulation.id,
            task=replace(task, command=command),
            place=place_of(environment.name),
            configuration=configuration,
            priority=priority_of(configuration.get("Priority", Priority.NORMAL.text)),
            retries=retries if isinstance(retries, int) else 0,
        )

    def _task(
        self,
        job_id: str,
        directory: Path,
        environment: Environment,
        configuration: Mapping[str, JSON],
        order: WorkOrder | None,
    ) -> Task:
        """What is to be run, but for the command."""
        least, group = configuration.get("MinCores"), configuration.get("NodeGroupName")
        cores, node_group = least if isinstance(least, int) else 1, None if group is None else str(group)
        environment.check(node_group=node_group, min_cores=cores)
        task = Task(
            job_id=job_id,
            directory=directory,
            command=(),
            cores=cores,
            exclusive=configuration.get("Exclusive") is True,
            node_group=node_group,
            rank=priority_of(configuration.get("Priority", Priority.NORMAL.text)).code,
        )
        if order is not None:
            here = {**self._variables, "PWD": str(directory)}
            task = replace(
                task,
                nodes=1 if order.single_node else order.nodes,
                processes=max(order.processes or 1, order.nodes or 1),
                mpi=order.mpi,
                environment=expand(order.environment, here),
            )
        if isinstance(environment.executor, ProcessOptions):
            if (task.nodes or 1) > 1:
                raise Refused(400, f"environment {environment.name} is one machine: NumNodes cannot be {task.nodes}")
            if task.mpi and shutil.which("mpirun", path=self._search_path) is None:
                raise Refused(400, f"environment {environment.name} has no mpirun on its PATH, which EnableMpi needs")
            # More than there are cannot be waited for.
            most = self._core.settings.cores
            task = replace(task, cores=max(1, min(task.cores, most // min(task.processes, most))))
        return task

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


def _order_among(files: Sequence[_File]) -> WorkOrder | None:
    """The scheduling work order among the files of a simulation."""
    for file in files:
        if file.name.lower() == FILE_NAME and (file.kind or "").lower() == FILE_TYPE:
            if isinstance(file.content, bytes):
                return read_order(file.content)
            raise Refused(400, "the work order cannot be used: it is too long")
    return None


def _apply(order: WorkOrder, configuration: dict[str, JSON]) -> None:
    """Let the configuration of the job say what the work order says: it goes before all other settings."""
    for name in ("ExecutablePath", "SimulationInputArgs"):
        configuration.pop(name, None)
    if order.cores is not None:
        configuration["MinCores"] = configuration["MaxCores"] = order.cores
    if order.node_group is not None:
        configuration["NodeGroupName"] = order.node_group
    if order.exclusive is not None:
        configuration["Exclusive"] = order.exclusive


def _line(configuration: Mapping[str, JSON], order: WorkOrder | None) -> str:
    """The command line."""
    if order is not None:
        return order.command
    program = configuration.get("ExecutablePath")
    if not program:
        raise Refused(400, "no ExecutablePath is set for this simulation, its experiment or its suite")
    return f"{str(program).replace(chr(92), '/')} {configuration.get('SimulationInputArgs') or ''}"


def _words(environment: Environment, line: str, user: str) -> list[str]:
    """The command line in words, split as a shell would do it: a path with spaces must be quoted."""
    try:
        words = [environment.substitute(word, user) for word in shlex.split(line)]
    except ValueError as exc:
        raise Refused(400, f"the command line {line!r} cannot be split into words: {exc}"[:1000]) from exc
    if not words or not words[0]:
        raise Refused(400, "the command line names no program: ExecutablePath is empty")
    return words


def _files_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[tuple[str, str | None, str]]]:
    """Name, type and md5 of the files of each simulation."""
    files = schema.files
    found: dict[str, list[tuple[str, str | None, str]]] = {}
    rows = connection.execute(
        select(files.c.entity_id, files.c.file_name, files.c.file_type, files.c.md5_checksum).where(
            files.c.entity_id.in_(given_ids())
        ),
        {"ids": dumps(ids)},
    )
    for owner, name, kind, md5 in rows:
        found.setdefault(owner, []).append((name, kind, md5))
    return found
