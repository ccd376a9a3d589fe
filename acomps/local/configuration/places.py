"""The environments of the configuration file: folders, groups, executors and limits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from acomps.local.accounts.users import checked_group
from acomps.local.environments import DEFAULT_ROOT, Environment, Limits, folder_macros
from acomps.local.errors import Refused
from acomps.local.executors.options import DEFAULT_JOB_FOLDER, ExecutorChoice, ProcessOptions, SlurmOptions

if TYPE_CHECKING:
    from acomps.local.configuration.sections import Section

__all__ = ["read_environments", "read_executor"]


def read_environments(whole: Section, data_dir: Path) -> tuple[Environment, ...]:
    """All [[environments]]; CannotServe says what is wrong with one."""
    found: dict[str, Environment] = {}
    for section in whole.sections("environments", "name"):
        environment = _environment(section, data_dir)
        if environment.name.lower() in found:
            raise section.wrong("name", f"there are two environments named {environment.name}: rename one")
        found[environment.name.lower()] = environment
    return tuple(found.values())


def _environment(section: Section, data_dir: Path) -> Environment:
    name, group = section.needed("name"), section.needed("group")
    for key, value in (("name", name), ("group", group)):
        try:
            checked_group(value)
        except ValueError as exc:
            raise section.wrong(key, str(exc)) from exc
    given_root = section.text("root")
    root = data_dir / "environments" / name if given_root is None else Path(given_root).expanduser()
    if not root.is_absolute() or ".." in root.parts:
        raise section.wrong("root", f"write the whole path of a folder, not {given_root!r}")
    node_groups = section.texts("node_groups") or ()
    executor = read_executor(section)
    environment = Environment(
        name=name,
        group=group,
        boundary=root,
        macros=_macros(section, root),
        node_groups=node_groups or tuple(executor.partitions if isinstance(executor, SlurmOptions) else ()),
        executor=executor,
        limits=_limits(section.section("limits")),
    )
    try:
        environment.expand(DEFAULT_ROOT, "somebody")
    except Refused as exc:
        raise section.wrong(
            "macros.USER", f"simulations work there, so that it must lie under the environment's root, {root}"
        ) from exc
    if isinstance(executor, SlurmOptions) and node_groups:
        stranger = next((one for one in executor.partitions if one not in {g.lower() for g in node_groups}), None)
        if stranger is not None:
            raise section.wrong("slurm.partitions", f"{stranger!r} is not one of node_groups: add it there, or drop it")
    section.done()
    return environment


def _macros(section: Section, root: Path) -> dict[str, str]:
    macros = folder_macros(root)
    folders = set(macros)
    given = section.section("macros")
    for key in given.names():
        value = given.needed(key)
        if not key.replace("_", "").isalnum() or not key.isascii():
            raise given.wrong(key, "the name of a macro has letters, digits and _ only: $COMPS_PATH(NAME)")
        # Other macros need not be folders.
        macros[key.upper()] = os.path.normpath(root / value) if key.upper() in folders else value
    return macros


def read_executor(section: Section) -> ExecutorChoice:
    """The executor that a table names, with the options in the table below it."""
    name = section.text("executor") or "process"
    tables = {"process": section.section("process"), "slurm": section.section("slurm")}
    if name not in tables:
        raise section.wrong("executor", f'write "process" or "slurm", not {name!r}')
    for other, table in tables.items():
        if other != name and other in section:
            raise section.wrong(
                other, f'this table is for executor = "{other}": change the executor, or drop the table'
            )
        if other == name == "process":
            table.done()
    return _slurm(tables["slurm"]) if name == "slurm" else ProcessOptions()


def _slurm(table: Section) -> SlurmOptions:
    folder = table.text("job_folder")
    options = SlurmOptions(
        partitions=table.texts_by_name("partitions"),
        default_partition=table.text("default_partition"),
        simulations_per_task=table.integer("simulations_per_task", least=1, most=100_000) or 1,
        sbatch_arguments=table.texts("sbatch_arguments") or (),
        poll_interval_s=table.seconds("poll_interval_s") or SlurmOptions().poll_interval_s,
        job_folder=DEFAULT_JOB_FOLDER if folder is None else Path(folder).expanduser(),
    )
    table.done()
    return options


def _limits(table: Section) -> Limits:
    hosts = table.flag("allow_host_workers")
    limits = Limits(
        max_cores=table.integer("max_cores", least=1, most=100_000),
        max_simulations=table.integer("max_simulations", least=1, most=10_000_000),
        allow_host_workers=True if hosts is None else hosts,
        images=table.texts("images"),
    )
    table.done()
    return limits
