"""The manifest of a job template (cybergis-compute 5.3): reading it, and completing its rules as they are published.

Whoever wrote it is a stranger: every value is checked before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused
from acomps.local.jsons import JSON, decode, own_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["MANIFEST_FILE", "Manifest", "Stage", "read_manifest"]

MANIFEST_FILE: Final = "manifest.json"
MAX_BYTES: Final = 256 * 1024
MAX_RULES: Final = 200
MAX_COMMAND: Final = 20_000
MAX_RAW_LINES: Final = 1_000

_STAGES: Final = (("pre_processing_stage", False), ("execution_stage", True), ("post_processing_stage", False))
_TIME_UNITS: Final = frozenset({"Minutes", "Hours", "Days"})
_MEMORY_UNITS: Final = frozenset({"GB", "MB"})
_COUNTS: Final = frozenset(
    {
        *("num_of_node", "num_of_task", "cpu_per_task", "gpus", "gpus_per_node", "gpus_per_socket", "gpus_per_task"),
    }
)
_MEMORIES: Final = frozenset({"memory", "memory_per_cpu", "memory_per_gpu"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage: a shell command, or lines of a batch script."""

    command: str
    #: One process per task of the job.
    spread: bool = False
    #: Lines that see none of the job's variables.
    raw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a template says about itself."""

    stages: Sequence[Stage]
    #: As it is published: rules completed, everything else unchanged.
    document: Mapping[str, JSON]
    #: The rules as they stand in the file: only these are enforced, not what was filled in.
    param_rules: Mapping[str, Mapping[str, JSON]]
    supported_hpc: Sequence[str]
    default_hpc: str | None
    #: A folder of the result that goes first, with a leading `/`.
    first_result: str | None


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a folder; a Refused with 402 says what is wrong with it. This blocks."""
    try:
        handle = os.open(folder / MANIFEST_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise Refused(402, f"the template has no readable {MANIFEST_FILE}") from exc
    if len(data) > MAX_BYTES:
        raise Refused(402, f"{MANIFEST_FILE} is longer than {MAX_BYTES} bytes")
    return _manifest(own_object(decode(data, MANIFEST_FILE), MANIFEST_FILE))


def _manifest(given: dict[str, JSON]) -> Manifest:
    if given.get("connector") == "SingCVMFSConnector":
        raise Refused(402, "the template runs in a CVMFS kernel, and this service has none")
    rules = {name: rule for name, rule in _rules(given, "param_rules").items() if _is_param(rule)}
    supported = _names(given.get("supported_hpc"))
    default, first = given.get("default_hpc"), given.get("default_result_folder_downloadable_path")
    document: dict[str, JSON] = {
        **given,
        "name": _display(given.get("name"), ""),
        "description": _display(given.get("description"), "none"),
        "estimated_runtime": _display(given.get("estimated_runtime"), "unknown"),
        "container": _display(given.get("container"), "none"),
        "require_upload_data": given.get("require_upload_data") is True,
        "slurm_input_rules": _published(_rules(given, "slurm_input_rules"), _slurm_rule),
        "param_rules": _published(rules, _param_rule),
    }
    return Manifest(
        stages=tuple(_stages(given)),
        document=document,
        param_rules=rules,
        supported_hpc=supported,
        default_hpc=default if isinstance(default, str) else supported[0] if supported else None,
        first_result=f"/{first.strip('/')}" if isinstance(first, str) and first else None,
    )


def _stages(given: Mapping[str, JSON]) -> list[Stage]:
    found: list[Stage] = []
    for name, spread in _STAGES:
        raw, command = given.get(f"{name}_in_raw_sbatch"), given.get(name)
        if raw is not None:
            lines = [line for line in raw if isinstance(line, str)] if isinstance(raw, list) else []
            if not isinstance(raw, list) or len(lines) < len(raw) or len(raw) > MAX_RAW_LINES:
                raise Refused(402, f"{name}_in_raw_sbatch of the template must be a list of lines")
            found.append(Stage(command=_command("\n".join(lines), name), raw=True))
        elif command is not None:
            found.append(Stage(command=_command(command, name), spread=spread))
        elif spread:
            raise Refused(402, "the template has no execution_stage")
    return found


def _command(value: JSON, name: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_COMMAND or "\0" in value:
        raise Refused(402, f"{name} of the template must be a shell command")
    return value


def _display(value: JSON, otherwise: str) -> str:
    return value if isinstance(value, str) and value else otherwise


def _names(value: JSON) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _rules(given: Mapping[str, JSON], key: str) -> dict[str, dict[str, JSON]]:
    """The rules that are objects and have a default value: others are left out, as the real server does."""
    rules = given.get(key)
    if not isinstance(rules, dict) or len(rules) > MAX_RULES:
        return {}
    return {name: rule for name, rule in rules.items() if isinstance(rule, dict) and rule.get("default_value")}


def _published(
    rules: Mapping[str, dict[str, JSON]], complete: Callable[[str, dict[str, JSON]], dict[str, JSON] | None]
) -> dict[str, JSON]:
    found = {name: complete(name, rule) for name, rule in rules.items()}
    return {name: rule for name, rule in found.items() if rule is not None}


def _slurm_rule(field: str, rule: dict[str, JSON]) -> dict[str, JSON] | None:
    if field == "partition":
        return _with_options(rule)
    if field in _COUNTS:
        return _with_range({**rule, "unit": "None"})
    units = _TIME_UNITS if field == "time" else _MEMORY_UNITS if field in _MEMORIES else frozenset[str]()
    return _with_range(rule) if rule.get("unit") in units else None


def _is_param(rule: Mapping[str, JSON]) -> bool:
    return rule.get("type") in {"integer", "string_option", "string_input"}


def _param_rule(_name: str, rule: dict[str, JSON]) -> dict[str, JSON] | None:
    if rule.get("type") == "integer":
        return _with_range(rule)
    return _with_options(rule) if rule.get("type") == "string_option" else rule


def _with_range(rule: dict[str, JSON]) -> dict[str, JSON] | None:
    """A rule for a number, with what clients read filled in."""
    default = rule.get("default_value")
    if not isinstance(default, int | float) or isinstance(default, bool):
        return None
    return {
        **rule,
        "max": rule.get("max") or 2 * default,
        "min": rule.get("min") or 0,
        "step": rule.get("step") or 1,
    }


def _with_options(rule: dict[str, JSON]) -> dict[str, JSON]:
    default, options = rule.get("default_value"), rule.get("options")
    listed = options if isinstance(options, list) else []
    return {**rule, "options": listed if default in listed else [*listed, default]}
