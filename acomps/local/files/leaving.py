"""Contents on their way out: those that nothing refers to, unless somebody asks for them meanwhile. This blocks.

Whoever asks the store for a content takes it off the list; so what is freed has been wanted by nobody for the whole
time of grace. Whoever is about to refer to one holds it until that is on record: it can never be what is just going.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

import orjson

from acomps.local.keys import private_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable
    from pathlib import Path

__all__ = ["Leaving"]

#: More are put on the list the next time.
MOST: Final = 100_000
#: So many go at once; whoever asks for a content waits that long.
FREED_AT_ONCE: Final = 200


class Leaving:
    """A list of md5s and since when each is on it, in seconds since 1970; kept in a file, to outlive restarts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}
        self._held: Counter[str] = Counter()
        # A damaged list costs nothing but time.
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            found = orjson.loads(path.read_bytes())
            self._since = {str(md5): float(since) for md5, since in found.items()}

    def __len__(self) -> int:
        return len(self._since)

    def needed(self, md5s: Collection[str]) -> None:
        """Somebody asks for these, so that they stay."""
        if self._since:
            with self._lock:
                for md5 in md5s:
                    self._since.pop(md5, None)

    @contextlib.contextmanager
    def held(self, md5s: Collection[str]) -> Generator[None]:
        """None of these goes before the end of the block, nor soon after it."""
        md5s = set(md5s)
        with self._lock:
            self._held.update(md5s)
        try:
            yield
        finally:
            with self._lock:
                self._held.subtract(md5s)
                for md5 in md5s:
                    self._since.pop(md5, None)
                    if not self._held[md5]:
                        del self._held[md5]

    def nominate(self, unreferenced: Iterable[str], now: float) -> None:
        """Nothing refers to these at the moment."""
        with self._lock:
            for md5 in unreferenced:
                if len(self._since) >= MOST:
                    return
                self._since.setdefault(md5, now)

    def release(self, before: float, free: Callable[[list[str]], None]) -> set[str]:
        """Have `free` remove those that are on the list since before then; the answer names them."""
        freed: set[str] = set()
        while True:
            with self._lock:
                overdue = (md5 for md5, since in self._since.items() if since <= before and not self._held[md5])
                due = list(itertools.islice(overdue, FREED_AT_ONCE))
                if not due:
                    return freed
                # Nobody can ask for one of them until it is gone: then it is not there, and is sent again.
                free(due)
                for md5 in due:
                    del self._since[md5]
            freed.update(due)

    def save(self) -> None:
        """Write the list."""
        with self._lock:
            document = orjson.dumps(self._since)
        private_file(self._path, document)
