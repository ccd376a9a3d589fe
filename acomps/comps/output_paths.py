"""Which of the listed files somebody means by paths and patterns."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from acomps.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from acomps.entities import OutputFile

__all__ = ["by_path", "normal", "selected"]

_SIGNS: Final = re.compile(r"[*?\[]")
_PIECES: Final = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|[^*?\[]+|\[")


def normal(path: str) -> str:
    """A path as it is compared: with `/`, without regard to case."""
    return path.replace("\\", "/").lower()


def by_path(files: Iterable[OutputFile]) -> dict[str, OutputFile]:
    """The files by what their paths are compared by."""
    return {normal(file.path): file for file in files}


def selected(files: Mapping[str, OutputFile], paths: Sequence[str], owner: str) -> list[OutputFile]:
    """The files that `paths` name, in that order; NotFound tells the first path or pattern that names none.

    A path that is not there is taken as a pattern if it has one of `*?[` in it: `*` and `?` stay within one folder,
    `**/` is any number of folders. A pattern adds what was not named before.
    """
    found: list[OutputFile] = []
    seen: set[str] = set()
    for path in paths:
        wanted = normal(path)
        if wanted in files:
            names = [wanted]
        elif _SIGNS.search(wanted):
            matches = _pattern(wanted).fullmatch
            names = [name for name in files if matches(name)]
            if not names:
                raise NotFound(f"{owner} has no output file that matches {path!r}; {_hint(files)}", status=404)
            names = [name for name in names if name not in seen]
        else:
            raise NotFound(f"{owner} has no output file {path!r}; {_near(files, wanted)}", status=404)
        seen.update(names)
        found += [files[name] for name in names]
    return found


def _pattern(pattern: str) -> re.Pattern[str]:
    pieces: list[str] = []
    for sign in _PIECES.findall(pattern):
        if sign == "**/":
            pieces.append("(?:.*/)?")
        elif sign == "**":
            pieces.append(".*")
        elif sign == "*":
            pieces.append("[^/]*")
        elif sign == "?":
            pieces.append("[^/]")
        elif sign[0] == "[" and len(sign) > 1:
            inside = sign[1:-1].replace("\\", "/")
            negated = inside.startswith("!")
            pieces.append(f"[{'^' * negated}{re.escape(inside[negated:]).replace(chr(92) + '-', '-')}]")
        else:
            pieces.append(re.escape(sign))
    return re.compile("".join(pieces), re.DOTALL)


def _near(files: Mapping[str, OutputFile], wanted: str) -> str:
    near = difflib.get_close_matches(wanted, files, n=1)
    return f"did you mean {files[near[0]].path!r}?" if near else _hint(files)


def _hint(files: Mapping[str, OutputFile]) -> str:
    return f"it has {len(files)} files: list them first"
