"""The parameters and variables of a job: the manifest's rules for them, and the texts that programs see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acomps.local.jsons import JSON

__all__ = ["check_depth", "check_names", "check_parameters", "value_text"]

MAX_TEXT: Final = 100_000
MAX_DEPTH: Final = 50

_PARAM: Final = re.compile(r"[^=\0]{1,200}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
#: From here on JavaScript writes whole numbers with an exponent.
_MOST_WHOLE: Final = 1e21


def check_depth(value: JSON) -> None:
    """Refuse what is nested deeper than anybody means."""
    level: list[JSON] = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        deeper = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in deeper for item in items]
    raise Refused(402, f"a value is nested deeper than {MAX_DEPTH} levels")


def check_names(param: Mapping[str, JSON], env: Mapping[str, JSON]) -> None:
    """Refuse what cannot be handed to a program."""
    for what, form, values in (("param", _PARAM, param), ("env", _VARIABLE, env)):
        for name, value in values.items():
            if form.fullmatch(name) is None:
                raise Refused(402, f"{name!r} in {what} cannot be the name of a variable"[:400])
            if "\0" in value_text(value):
                raise Refused(402, f"{name} in {what} has a NUL character"[:400])


def value_text(value: JSON) -> str:
    """A value in the form in which programs see it, which is JavaScript's."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _MOST_WHOLE:
        return str(int(value))
    if isinstance(value, list):
        return ",".join("" if item is None else value_text(item) for item in value)
    return "[object Object]" if isinstance(value, dict) else str(value)


def check_parameters(param: Mapping[str, JSON], rules: Mapping[str, Mapping[str, JSON]]) -> None:
    """Refuse with 402 what breaks a rule of the manifest; parameters without a rule go through."""
    for name, rule in rules.items():
        if name not in param:
            if rule.get("require") is True:
                raise Refused(402, f"param {name} is missing, and the template requires it"[:400])
            continue
        wanted = _broken(param[name], rule)
        if wanted:
            raise Refused(402, f"param {name} must be {wanted}, not {param[name]!r}"[:400])


def _broken(value: JSON, rule: Mapping[str, JSON]) -> str:
    """What the value should be; nothing when it is that."""
    if rule.get("type") == "integer":
        return _broken_number(value, rule)
    if rule.get("type") == "string_option":
        options = rule.get("options")
        allowed = [*(options if isinstance(options, list) else []), rule.get("default_value")]
        return "" if value in allowed else f"one of {', '.join(map(value_text, allowed))}"
    return "" if isinstance(value, str) and len(value) <= MAX_TEXT else "a text"


def _broken_number(value: JSON, rule: Mapping[str, JSON]) -> str:
    number = _number(value)
    if number is None:
        return "a whole number"
    least, most, step = (_number(rule.get(key)) for key in ("min", "max", "step"))
    if (least is not None and number < least) or (most is not None and number > most):
        return f"from {rule.get('min', 'any')} to {rule.get('max', 'any')}"
    if step is not None and step > 0 and (number - (least or 0)) % step:
        return f"{rule.get('min', 0)} and any number of steps of {rule.get('step')}"
    return ""


def _number(value: JSON) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}", value, re.ASCII):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
