"""What a job may ask for in `slurm` (cybergis-compute 5.1, 5.2): reading it, the ceilings, and the words for sbatch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from acomps.local.jsons import JSON

__all__ = ["CEILINGS", "Resources", "check_ceiling", "read_resources"]

#: The ceilings of a computing resource that names none of its own.
CEILINGS: Final[Mapping[str, str | float]] = {
    "num_of_node": 50,
    "num_of_task": 50,
    "time": "10:00:00",
    "cpu_per_task": 50,
    "memory_per_cpu": "10G",
    "memory_per_gpu": "10G",
    "memory": "50G",
    "gpus": 20,
    "gpus_per_node": 20,
    "gpus_per_socket": 20,
    "gpus_per_task": 20,
}
DEFAULT_TIME: Final = "01:00:00"
MOST_WORDS: Final = 20

_TIME: Final = re.compile(r"(?:(\d{1,4})-)?(\d{1,9})(?::(\d{1,9}))?(?::(\d{1,9}))?")
_MEMORY: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([KMGTP])?B?", re.IGNORECASE)
_UNITS: Final = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2, "P": 1024**3}
_GPUS: Final = re.compile(r"(?:([A-Za-z0-9_.-]{1,64}):)?(\d{1,9})")
_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,/+-]{0,199}")
_MAIL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}@[A-Za-z0-9.-]{1,150}")

#: sbatch's name of each field.
_DIRECTIVES: Final = {
    "memory": "mem",
    "memory_per_cpu": "mem-per-cpu",
    "memory_per_gpu": "mem-per-gpu",
    "gpus": "gpus",
    "gpus_per_node": "gpus-per-node",
    "gpus_per_socket": "gpus-per-socket",
    "gpus_per_task": "gpus-per-task",
    "partition": "partition",
    "mail_type": "mail-type",
    "mail_user": "mail-user",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a job asks for, read and within the ceilings."""

    tasks: int
    cores: int
    nodes: int | None
    time_limit_s: int
    #: Arguments of sbatch beyond the number of tasks, cores and nodes.
    sbatch: tuple[str, ...]
    modules: tuple[str, ...]


def read_resources(slurm: Mapping[str, JSON], ceilings: Mapping[str, str | float]) -> Resources:
    """What `slurm` says; a Refused with 402 names the first field that is wrong or exceeds its ceiling."""
    # The ceilings of the resource are looked at first, then the built-in ones.
    for field, ceiling in {**ceilings, **CEILINGS, **ceilings}.items():
        _within(field, slurm.get(field), ceiling)
    sbatch = [f"--time={_minutes(slurm.get('time') or DEFAULT_TIME)}"]
    for field, directive in _DIRECTIVES.items():
        value = slurm.get(field)
        if value is not None:
            sbatch += [f"--{directive}={word}" for word in _words(field, value)]
    nodes = slurm.get("num_of_node")
    return Resources(
        tasks=_whole("num_of_task", slurm.get("num_of_task")),
        cores=_whole("cpu_per_task", slurm.get("cpu_per_task")),
        nodes=None if nodes is None else _whole("num_of_node", nodes),
        time_limit_s=int(_seconds("time", slurm.get("time") or DEFAULT_TIME)),
        sbatch=tuple(sbatch),
        modules=_texts("modules", slurm.get("modules"), _WORD),
    )


def check_ceiling(field: str, ceiling: str | float) -> None:
    """ValueError when this is no ceiling for this field."""
    if field not in CEILINGS:
        raise ValueError(f"there is no ceiling {field!r}; known are {', '.join(CEILINGS)}")
    try:
        _MEASURES[field](field, ceiling)
    except Refused as exc:
        raise ValueError(exc.message) from exc


def _within(field: str, value: JSON, ceiling: str | float) -> None:
    if value is None:
        return
    most, asked = _MEASURES[field](field, ceiling), _MEASURES[field](field, value)
    if asked > most:
        raise Refused(402, f"slurm config {field} exceeds the threshold of {ceiling} (current value {value})"[:400])


def _wrong(field: str, value: JSON, wanted: str) -> Refused:
    return Refused(402, f"slurm config {field} must be {wanted}, not {value!r}"[:400])


def _count(field: str, value: JSON) -> float:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(field, value, "a whole number of at least 1")
    return value


def _whole(field: str, value: JSON) -> int:
    return 1 if value is None else int(_count(field, value))


def _seconds(field: str, value: JSON) -> float:
    """Seconds of M, M:S, H:M:S, D-H, D-H:M and D-H:M:S."""
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise _wrong(field, value, "a time in the form H:M:S, M:S, M or D-H:M:S")
    days, *parts = found.groups()
    first, second, third = (int(part or 0) for part in parts)
    if days is not None:
        seconds = int(days) * 86_400 + first * 3_600 + second * 60 + third
    elif parts[2] is not None:
        seconds = first * 3_600 + second * 60 + third
    else:
        seconds = first * 60 + second
    if seconds < 1:
        raise _wrong(field, value, "a time of at least a second")
    return seconds


def _minutes(value: JSON) -> str:
    """A time as Slurm reads it."""
    seconds = int(_seconds("time", value))
    hours, rest = divmod(seconds, 3_600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _megabytes(field: str, value: JSON) -> float:
    found = _MEMORY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or float(found[1]) <= 0:
        raise _wrong(field, value, "an amount of memory such as 4G")
    return float(found[1]) * _UNITS[(found[2] or "M").upper()]


def _gpus(field: str, value: JSON) -> float:
    if isinstance(value, str):
        found = _GPUS.fullmatch(value)
        if found is None:
            raise _wrong(field, value, "a number of GPUs, or type:number")
        return _count(field, found[2])
    return _count(field, value)


_MEASURES: Final[Mapping[str, Callable[[str, JSON], float]]] = {
    "num_of_node": _count,
    "num_of_task": _count,
    "cpu_per_task": _count,
    "time": _seconds,
    "memory": _megabytes,
    "memory_per_cpu": _megabytes,
    "memory_per_gpu": _megabytes,
    "gpus": _gpus,
    "gpus_per_node": _gpus,
    "gpus_per_socket": _gpus,
    "gpus_per_task": _gpus,
}


def _words(field: str, value: JSON) -> tuple[str, ...]:
    """The value of a directive, or several, each one word without surprises."""
    if field.startswith("memory"):
        return (f"{max(1, round(_megabytes(field, value)))}M",)
    if field.startswith("gpus"):
        _gpus(field, value)
        return (str(value),)
    if field == "mail_user":
        return _texts(field, value, _MAIL)
    if field == "mail_type":
        return _texts(field, value, _WORD)
    return _texts(field, [value], _WORD)


def _texts(field: str, value: JSON, form: re.Pattern[str]) -> tuple[str, ...]:
    items = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(items, list) or len(items) > MOST_WORDS:
        raise _wrong(field, value, "a short list of texts")
    found = tuple(item for item in items if isinstance(item, str) and form.fullmatch(item))
    if len(found) < len(items):
        raise _wrong(field, value, "plain words, without blanks and signs")
    return found
