"""How files are shared out over zips, each of which the server packs for us (protocol 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["ZIP_BYTES", "Packable", "zips_of"]

#: The contents of one zip may have this many bytes together.
ZIP_BYTES: Final = 1024 * 1024 * 1024


class Packable(Protocol):
    """What has a place in a folder."""

    @property
    def path(self) -> str: ...


P = TypeVar("P", bound=Packable)


def zips_of(
    files: Iterable[tuple[P, int]], to: Path, owner: str, *, zip_bytes: int, otherwise: str
) -> list[tuple[Path, list[P]]]:
    """Which files go into which zip: the first is `to`, what is too much for one goes on in `name-2.zip` and so on.

    `files` come with their lengths. A file that fits into no zip is UsageError, which says what to do `otherwise`; so
    is it when `owner` has no files.
    """
    groups: list[list[P]] = []
    size = 0
    for file, length in files:
        if length > zip_bytes:
            raise UsageError(f"{file.path!r} has {length:,} bytes, and a zip holds {zip_bytes:,}: {otherwise}")
        if not groups or size + length > zip_bytes:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += length
    if not groups:
        raise UsageError(f"{owner} has no files to zip")
    places = [to, *(to.with_stem(f"{to.stem}-{number}") for number in range(2, len(groups) + 1))]
    return list(zip(places, groups, strict=True))
