"""Tables of a TOML file, read key by key; every mistake is one sentence with the file, the key and what to do."""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Final

from acomps.local.errors import CannotServe

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["Section", "read_toml"]

#: A longer file is another one.
MAX_BYTES: Final = 4 * 1024 * 1024


def read_toml(path: Path) -> Section:
    """The whole file as a section; CannotServe when it is not there or is no TOML."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise CannotServe(f"{path}: the file is longer than {MAX_BYTES} bytes: is it the right one?")
        document = tomllib.loads(text.decode())
    except FileNotFoundError:
        raise CannotServe(f"{path}: there is no such file: check the path after --config") from None
    except OSError as exc:
        raise CannotServe(f"{path}: the file cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise CannotServe(f"{path}: the file is not UTF-8 text: save it as such") from exc
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise CannotServe(f"{path}: the file is not TOML: {exc}") from exc
    return Section(path, "", document)


class Section:
    """One table. Reading takes keys out of the view of `done`, which complains about those that nobody wanted."""

    def __init__(self, file: Path, place: str, table: Mapping[str, object]) -> None:
        self.file = file
        self._place = place
        self._table = table
        self._asked: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def wrong(self, key: str, sentence: str) -> CannotServe:
        """The complaint about a key."""
        return CannotServe(f"{self.file}: {self._place}{key}: {sentence}")

    def done(self) -> None:
        """Nothing else may be in this table."""
        for key in self._table:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(self._asked)}"
                raise self.wrong(key, f"there is no such key; {hint}")

    def _get(self, key: str) -> object:
        self._asked[key] = None
        return self._table.get(key)

    def text(self, key: str) -> str | None:
        """A text, if it is there."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise self.wrong(key, f'write a text in quotes, such as {key} = "...", not {_shown(value)}')
        return value

    def needed(self, key: str) -> str:
        """A text that must be there."""
        found = self.text(key)
        if found is None:
            raise self.wrong(key, f'this is missing: add {key} = "..."')
        return found

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts, if it is there."""
        value = self._get(key)
        if value is None:
            return None
        items = _items(value)
        found = tuple(item for item in items or () if isinstance(item, str) and item and "\0" not in item)
        if items is None or len(found) < len(items):
            raise self.wrong(key, f'write a list of texts, such as {key} = ["...", "..."], not {_shown(value)}')
        return found

    def integer(self, key: str, *, least: int, most: int = 2**62) -> int | None:
        """A whole number in the range, if it is there."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            above = f"of at least {least}" if most == 2**62 else f"from {least} to {most}"
            raise self.wrong(key, f"write a whole number {above}, not {_shown(value)}")
        return value

    def seconds(self, key: str) -> float | None:
        """A time of more than nothing, if it is there."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e12:
            raise self.wrong(key, f"write a number of seconds above 0, not {_shown(value)}")
        return float(value)

    def text_or_number(self, key: str) -> str | float:
        """A text or a number, which must be there."""
        value = self._get(key)
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise self.wrong(key, f"write a number or a text in quotes, not {_shown(value)}")
        return value

    def flag(self, key: str) -> bool | None:
        """Yes or no, if it is there."""
        value = self._get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, f"write true or false, not {_shown(value)}")
        return value

    def section(self, key: str) -> Section:
        """A table below this one; an empty one when it is not there."""
        value = self._get(key)
        if value is None:
            return Section(self.file, f"{self._place}{key}.", {})
        table = _table(value)
        if table is None:
            raise self.wrong(key, f"write a table, [{self._place}{key}], not {_shown(value)}")
        return Section(self.file, f"{self._place}{key}.", table)

    def sections(self, key: str, name: str) -> list[Section]:
        """The tables of a list; messages call them by what they say under `name`."""
        value = self._get(key)
        if value is None:
            return []
        found: list[Section] = []
        for number, item in enumerate(_items(value) or [None], 1):
            table = _table(item)
            if table is None:
                raise self.wrong(key, f"write one table per entry, each headed [[{key}]]")
            called = table.get(name)
            label = called if isinstance(called, str) and called else f"number {number}"
            found.append(Section(self.file, f"{key} ({label}).", table))
        return found

    def texts_by_name(self, key: str) -> dict[str, str]:
        """A table of texts; empty when it is not there."""
        section = self.section(key)
        return {name: section.needed(name) for name in section.names()}

    def names(self) -> Collection[str]:
        """All keys of this table."""
        return self._table.keys()


def _items(value: object) -> list[object] | None:
    return [*value] if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType] # checked by use


def _table(value: object) -> dict[str, object] | None:
    if not isinstance(value, dict):
        return None
    return {str(key): item for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] # checked by use


def _shown(value: object) -> str:
    return repr(value)[:80]
