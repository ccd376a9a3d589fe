"""The definition of a campaign as facts that the store keeps, and what has changed between two of them."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import types
import uuid
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from acomps.comps.directories import read_directory
from acomps.entities import AssetCollection
from acomps.errors import UsageError
from acomps.transfer import HashCache, measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from acomps.campaign.runner.stages import Stage
    from acomps.entities import Experiment

__all__ = ["Assets", "DefinitionChanged", "facts_of", "require_same"]

Assets: TypeAlias = AssetCollection | Path | uuid.UUID | None
_Facts: TypeAlias = dict[str, object]

_SHOWN: Final = 5


class DefinitionChanged(UsageError):
    """The store was begun with another definition of the campaign; the message names what is different."""


def require_same(folder: Path, then: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Refuse to go on with another definition."""
    names = [name for name in dict.fromkeys((*then, *now)) if then.get(name) != now.get(name)]
    if names:
        told = [f"{name} ({_told(then, name)} then, {_told(now, name)} now)" for name in names[:_SHOWN]]
        more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise DefinitionChanged(
            f"the campaign in {folder} was begun with another definition: {', '.join(told)}{more}. "
            "Go on with what it was, or begin another one in a folder of its own"
        )


def facts_of(
    name: str,
    stages: Sequence[Stage],
    experiment: Experiment | None,
    assets: Assets,
    outputs: Sequence[str],
    read: object,
) -> _Facts:
    """What decides which simulations there are and what is kept of them, by plain names. Reads files: for a thread."""
    facts: _Facts = {"name": name, "outputs": [*outputs], "read": _described(read)}
    facts["stages"] = [stage.name for stage in stages]
    for stage in stages:
        known = f"stages.{stage.name}"
        facts[f"{known}.rounds"] = stage.rounds
        if callable(stage.sweep):
            facts[f"{known}.sweep"] = _described(stage.sweep)
        else:
            facts[f"{known}.points"] = sum(1 for _ in stage.sweep.points())
            facts[f"{known}.sweep"] = stage.sweep.digest()
    configuration = experiment.configuration if experiment is not None else None
    if configuration is not None:
        for item in dataclasses.fields(configuration):
            value: object = getattr(configuration, item.name)
            if value is not None:
                plain = isinstance(value, str | int) and not isinstance(value, Enum)
                facts[f"configuration.{item.name}"] = value if plain else str(value)
    facts.update(_assets(assets))
    return facts


def _assets(assets: Assets) -> _Facts:
    if assets is None:
        return {}
    if isinstance(assets, uuid.UUID):
        return {"assets": str(assets)}
    collection = read_directory(assets) if isinstance(assets, Path) else assets
    hashes = HashCache()
    return {
        f"assets.{asset.path}": str(
            asset.md5_checksum if asset.content is None else measured(asset.content, hashes).md5
        )
        for asset in collection.assets
    } or {"assets": str(collection.id)}


def _told(facts: Mapping[str, object], name: str) -> str:
    if name not in facts:
        return "nothing"
    text = repr(facts[name])
    return text if len(text) <= 60 else f"{text[:57]}…"


def _described(thing: object) -> str:
    """A function by its name and its source, so that an edit is seen; anything else by its repr."""
    if isinstance(thing, partial):
        parts = cast("partial[object]", thing)
        arguments = [*map(repr, parts.args), *(f"{name}={value!r}" for name, value in parts.keywords.items())]
        return f"{_described(parts.func)} with {', '.join(arguments)}"
    if isinstance(thing, types.MethodType):
        return f"{_described(thing.__func__)} of {type(thing.__self__).__name__}"
    if not isinstance(thing, types.FunctionType):
        # The usual repr has an address in it, which is another one each time.
        plain = type(thing).__repr__ is object.__repr__
        return type(thing).__qualname__ if plain else repr(thing)
    try:
        source = "\n".join(line.strip() for line in inspect.getsource(thing).splitlines()).encode()
    except (OSError, TypeError):
        source = thing.__code__.co_code
    return f"{thing.__qualname__} {hashlib.blake2b(source, digest_size=6).hexdigest()}"
