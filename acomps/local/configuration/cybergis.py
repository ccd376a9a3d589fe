"""The table [cybergis] of the configuration file: computing resources, job templates and data folders."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acomps.local.configuration.places import read_executor
from acomps.local.cybergis.resources import check_ceiling
from acomps.local.cybergis.settings import DEFAULT_TEMPLATE, CybergisSettings, Hpc, TemplateSource

if TYPE_CHECKING:
    from acomps.local.configuration.sections import Section

__all__ = ["read_cybergis"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_HUB: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,200}(:\d{1,5})?")
_REF: Final = re.compile(r"[A-Za-z0-9][\w./-]{0,199}", re.ASCII)
_SCHEMES: Final = ("https://", "http://", "ssh://", "git://", "file://", "/")
#: Clients treat it in a way of their own, after which their downloads fail.
_TAKEN: Final = "local_hpc"


def read_cybergis(table: Section) -> CybergisSettings:
    """The table; CannotServe says what is wrong with it."""
    usual = CybergisSettings()
    hub = table.text("hub") or usual.hub
    if _HUB.fullmatch(hub) is None:
        raise table.wrong("hub", f"write the name of a host, in small letters, not {hub!r}")
    found = CybergisSettings(
        hub=hub,
        hpcs=_hpcs(table) or usual.hpcs,
        templates=_templates(table),
        data_folders=tuple(_folder(table, "data_folders", text) for text in table.texts("data_folders") or ()),
    )
    table.done()
    return found


def _hpcs(table: Section) -> tuple[Hpc, ...]:
    found: dict[str, Hpc] = {}
    for section in table.sections("hpcs", "name"):
        name = _named(section, found)
        if name == _TAKEN:
            raise section.wrong("name", f"clients treat {_TAKEN} in a way of their own: choose another name")
        root = section.text("root")
        found[name] = Hpc(
            name=name,
            description=section.text("description") or "none",
            executor=read_executor(section),
            job_pool_capacity=section.integer("job_pool_capacity", least=1, most=1_000)
            or Hpc(name=name).job_pool_capacity,
            root=None if root is None else _folder(section, "root", root),
            ceilings=_ceilings(section.section("ceilings")),
            allowlist=section.texts("allowlist") or (),
            denylist=section.texts("denylist") or (),
            init_script=section.texts("init_script") or (),
        )
        section.done()
    return tuple(found.values())


def _ceilings(table: Section) -> dict[str, str | float]:
    found: dict[str, str | float] = {}
    for field in table.names():
        value = table.text_or_number(field)
        try:
            check_ceiling(field, value)
        except ValueError as exc:
            raise table.wrong(field, str(exc)) from exc
        found[field] = value
    return found


def _templates(table: Section) -> tuple[TemplateSource, ...]:
    found: dict[str, TemplateSource] = {}
    for section in table.sections("templates", "name"):
        name = _named(section, found)
        if name == DEFAULT_TEMPLATE:
            raise section.wrong("name", f"{name} comes with the service: choose another name")
        folder, git, ref = section.text("folder"), section.text("git"), section.text("ref") or "HEAD"
        if (folder is None) == (git is None):
            raise section.wrong(
                "folder", "a template has either a folder or the address of a git repository: write one"
            )
        if git is not None and not git.startswith(_SCHEMES):
            raise section.wrong("git", f"write an address that begins with one of {', '.join(_SCHEMES)}, not {git!r}")
        if _REF.fullmatch(ref) is None or ".." in ref:
            raise section.wrong("ref", f"write the name of a branch or tag, or a whole commit, not {ref!r}")
        found[name] = TemplateSource(
            name=name, folder=None if folder is None else _folder(section, "folder", folder), git=git, ref=ref
        )
        section.done()
    return tuple(found.values())


def _named(section: Section, known: dict[str, Hpc] | dict[str, TemplateSource]) -> str:
    name = section.needed("name")
    if _NAME.fullmatch(name) is None:
        raise section.wrong("name", f"small letters, digits, _, . and - make a name, not {name!r}")
    if name in known:
        raise section.wrong("name", f"there are two of the name {name}: rename one")
    return name


def _folder(section: Section, key: str, text: str) -> Path:
    folder = Path(text).expanduser()
    if not folder.is_absolute() or ".." in folder.parts:
        raise section.wrong(key, f"write the whole path of a folder, not {text!r}")
    return folder
