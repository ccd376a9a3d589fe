"""The rules of a template for what people may choose: Slurm settings and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from acomps.cybergis.reading import Fields, JsonObject, is_object

__all__ = ["SLURM_FIELDS", "ParamRule", "SlurmRule", "seconds_to_time", "unit_time_to_seconds"]

ParamKind: TypeAlias = Literal["integer", "string_option", "string_input"]

#: The fields of `slurm` that a rule may be about, in the order in which they are shown.
SLURM_FIELDS: Final = (
    *("time", "num_of_node", "num_of_task", "cpu_per_task", "memory", "memory_per_cpu", "memory_per_gpu"),
    *("gpus", "gpus_per_node", "gpus_per_socket", "gpus_per_task", "partition"),
)
_SECONDS: Final = {"Minutes": 60, "Hours": 3_600, "Days": 86_400}
_DAY_S: Final = 86_400
_HOUR_S: Final = 3_600
_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of an integer; a rule that names none gets the ones that servers fill in elsewhere."""

    default: int
    lowest: int
    highest: int
    step: int
    unit: str | None

    @classmethod
    def read(cls, fields: Fields) -> Limits:
        """The bounds in a rule, in an order that makes sense whatever it says."""
        default = fields.whole("default_value") or 0
        lowest = min(fields.whole("min") or 0, default)
        highest = max(fields.whole("max") or 2 * default, default, lowest)
        unit = fields.optional("unit")
        return cls(
            default=default,
            lowest=lowest,
            highest=highest,
            step=max(1, fields.whole("step") or 1),
            unit=None if unit == "None" else unit,
        )

    def within(self, value: int) -> int:
        """The nearest value that is allowed."""
        return min(self.highest, max(self.lowest, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmRule:
    """What may be chosen for one field of `slurm`: a number within limits, or one of some options."""

    name: str
    limits: Limits | None = None
    options: tuple[str, ...] = ()
    default: str = ""

    def setting(self, value: int | str) -> object:
        """What is sent for a chosen value; None for nothing."""
        if isinstance(value, str) or self.limits is None:
            return value or None
        if not value:
            return None
        if self.name == "time":
            return seconds_to_time(unit_time_to_seconds(self.limits.unit or "Minutes", value))
        return f"{value}{self.limits.unit}" if self.name.startswith("memory") else value

    @classmethod
    def read_all(cls, rules: JsonObject) -> tuple[SlurmRule, ...]:
        """The rules of a manifest that are about known fields, in the order in which they are shown."""
        return tuple(cls._read(name, rules[name]) for name in SLURM_FIELDS if is_object(rules.get(name)))

    @classmethod
    def _read(cls, name: str, value: object) -> SlurmRule:
        fields = Fields(value, f"read the rule of {name}")
        if name != "partition":
            return cls(name=name, limits=Limits.read(fields))
        default = fields.text("default_value")
        return cls(name=name, options=_options(fields, default), default=default)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamRule:
    """What may be chosen for one parameter."""

    name: str
    kind: ParamKind
    limits: Limits | None = None
    options: tuple[str, ...] = ()
    default: str = ""

    @classmethod
    def read_all(cls, rules: JsonObject) -> tuple[ParamRule, ...]:
        """The rules of a manifest; those of an unknown type are left out."""
        read = (cls._read(name, value) for name, value in rules.items() if is_object(value))
        return tuple(rule for rule in read if rule is not None)

    @classmethod
    def _read(cls, name: str, value: object) -> ParamRule | None:
        fields = Fields(value, f"read the rule of {name}")
        default = fields.text("default_value")
        match fields.text("type"):
            case "integer":
                return cls(name=name, kind="integer", limits=Limits.read(fields), default=default)
            case "string_option":
                return cls(name=name, kind="string_option", options=_options(fields, default), default=default)
            case "string_input":
                return cls(name=name, kind="string_input", default=default)
            case _:
                return None


def unit_time_to_seconds(unit: str, time: int) -> int:
    """The seconds in so many Minutes, Hours or Days. Raises ValueError for another unit."""
    if unit not in _SECONDS:
        raise ValueError(f"{unit!r} is no unit of time: {', '.join(_SECONDS)}")
    return _SECONDS[unit] * time


def seconds_to_time(seconds: int) -> str:
    """A duration as Slurm writes it, `HH:MM:SS` or `DD-HH:MM:SS`."""
    days, rest = divmod(seconds, _DAY_S)
    hours, rest = divmod(rest, _HOUR_S)
    minutes, rest = divmod(rest, _MINUTE_S)
    return f"{days:02}-{hours:02}:{minutes:02}:{rest:02}" if days else f"{hours:02}:{minutes:02}:{rest:02}"


def _options(fields: Fields, default: str) -> tuple[str, ...]:
    options = fields.texts("options")
    return options if default in options or not default else (*options, default)
