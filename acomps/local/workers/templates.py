"""The input files that a sweep varies: JSON documents, and setting parameters in them by name."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from acomps.local.errors import Refused
from acomps.local.jsons import JSON, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from acomps.local.workers import ItemFile

__all__ = ["Kind", "Template", "Templates", "kind_of", "split_name"]


class Kind(enum.Enum):
    """What a template is for; the value is the prefix of the parameters that are set in it."""

    CONFIG = "CONFIG"
    CAMPAIGN = "CAMPAIGN"
    DEMOGRAPHICS = "DEMOGRAPHICS"


_BY_TYPE: Final = {f"{kind.value.lower()}_template": kind for kind in Kind}
_BY_NAME: Final = {"config.json": Kind.CONFIG, "campaign.json": Kind.CAMPAIGN}
#: The parameters of the model that name other files, by the kind of those.
_CHOICES: Final = {Kind.CAMPAIGN: "Campaign_Filename", Kind.DEMOGRAPHICS: "Demographics_Filenames"}


def kind_of(file: ItemFile) -> Kind | None:
    """What kind of template a file is, by its type or else by its name; None for a file that is no template."""
    return _BY_TYPE.get(file.type.lower()) or _BY_NAME.get(file.name.lower())


def split_name(name: str) -> tuple[Kind | None, str]:
    """The prefix of a parameter's name, and the rest; `CONFIG.Run_Number` is the configuration's Run_Number."""
    prefix, point, rest = name.partition(".")
    return (Kind(prefix), rest) if point and prefix in Kind.__members__ else (None, name)


@dataclass(frozen=True, slots=True)
class Template:
    """One document, as its JSON text: every simulation gets a copy."""

    name: str
    kind: Kind
    text: bytes


class Templates:
    """The templates of a sweep, with parameters that are set for all of its simulations."""

    def __init__(self, templates: Iterable[Template], parameters: Mapping[str, JSON]) -> None:
        found = list(templates)
        if parameters:
            found = _with(found, parameters)
        self._templates = found

    def names_in_config(self, name: str) -> bool:
        """Whether the configuration has a parameter of that name."""
        documents = (decode(template.text) for template in self._templates if template.kind is Kind.CONFIG)
        return any(name in _parameters(document) for document in documents if isinstance(document, dict))

    def files(self, parameters: Mapping[str, JSON]) -> dict[str, bytes]:
        """The documents of one simulation, by file name. Those that its configuration does not name are left out."""
        made = _with(self._templates, parameters) if parameters else self._templates
        config = next((template for template in made if template.kind is Kind.CONFIG), None)
        document = {} if config is None else decode(config.text)
        values = _parameters(document) if isinstance(document, dict) else {}
        files: dict[str, bytes] = {}
        for template in made:
            chosen = values.get(_CHOICES.get(template.kind, ""))
            names = [chosen] if isinstance(chosen, str) else chosen if isinstance(chosen, list) else []
            known = {other.name for other in made if other.kind is template.kind}
            if template.name in names or not known.intersection(name for name in names if isinstance(name, str)):
                files[template.name] = template.text
        return files


def _with(templates: Sequence[Template], parameters: Mapping[str, JSON]) -> list[Template]:
    documents = [(template, decode(template.text, template.name)) for template in templates]
    for name, value in parameters.items():
        kind, path = split_name(name)
        keys = path.split(".")
        found = [_set(document, kind, keys, value) for template, document in documents if template.kind is kind]
        if not any(found):
            raise Refused(
                400, f"parameter {name!r} was found in no {kind.value.lower() if kind else ''} template"[:400]
            )
    return [Template(template.name, template.kind, orjson.dumps(document)) for template, document in documents]


def _parameters(document: dict[str, JSON]) -> dict[str, JSON]:
    """Where a configuration keeps its parameters: under that name, or at its top."""
    inner = document.get("parameters")
    return inner if isinstance(inner, dict) else document


def _set(document: JSON, kind: Kind | None, keys: Sequence[str], value: JSON) -> bool:
    """Set a parameter wherever it is; a configuration also takes one that it does not have yet."""
    if kind is Kind.CONFIG and isinstance(document, dict) and len(keys) == 1:
        _parameters(document)[keys[0]] = value
        return True
    found = False
    nodes: list[JSON] = [document]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict) and keys[0] in node and _set_below(node, keys, value):
            found = True
        elif isinstance(node, dict):
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
    return found


def _set_below(node: dict[str, JSON] | list[JSON], keys: Sequence[str], value: JSON) -> bool:
    """Set what lies at exactly that path under a node, if there is such a place."""
    key, *rest = keys
    place: str | int = key
    if isinstance(node, list):
        if not key.isdecimal() or int(key) >= len(node):
            return False
        place = int(key)
    elif key not in node:
        return False
    inner = _get(node, place)
    if rest:
        return isinstance(inner, dict | list) and _set_below(inner, rest, value)
    if isinstance(node, list):
        node[int(key)] = value
    else:
        node[key] = value
    return True


def _get(node: dict[str, JSON] | list[JSON], place: str | int) -> JSON:
    if isinstance(node, list):
        return node[int(place)]
    return node[str(place)]
