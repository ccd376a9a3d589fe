"""A zip that is made in memory."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path
from typing import Self

from anyio import to_thread

__all__ = ["Zip"]


class Zip:
    """Files and folders by their names; `read` and `write` may come at any time."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def append(self, name: str, contents: bytes | str) -> Self:
        """Add a file, or replace the one of this name."""
        self._files[name] = contents.encode() if isinstance(contents, str) else contents
        return self

    def mkdir(self, name: str) -> Self:
        """Add an empty folder."""
        self._files[f"{name.rstrip('/')}/"] = b""
        return self

    async def read(self) -> bytes:
        """The whole archive; compressed in a thread."""
        return await to_thread.run_sync(self._packed)

    async def write(self, file: Path | str) -> Path:
        """Write the archive to a file."""
        path = Path(file)
        await to_thread.run_sync(partial(path.write_bytes, await self.read()))
        return path

    def _packed(self) -> bytes:
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, contents in self._files.items():
                archive.writestr(name, contents)
        return memory.getvalue()
