"""The file that keeps the token between programs; the same one that pyCOMPS reads and writes."""

from __future__ import annotations

import contextlib
import getpass
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from acomps.errors import AcompsError, MalformedAnswer
from acomps.transport.redaction import logger
from acomps.transport.tokens import Token

if TYPE_CHECKING:
    from acomps.transport.address import Address

__all__ = ["TokenCache", "publish_private", "read_own"]

_LONGEST_TOKEN: Final = 65_536


class TokenCache:
    """The cached token of one server and operating-system user; all its file work is done in threads.

    A file that is missing, damaged, a link, or another user's counts as no token. That it cannot be written costs a
    login next time, no more, so it is only logged.
    """

    def __init__(self, address: Address, directory: Path | None = None) -> None:
        self._address, self._directory = address, directory

    async def load(self) -> Token | None:
        """The token in the file, fresh or not."""
        return await to_thread.run_sync(self._load)

    async def store(self, token: Token) -> None:
        """Replace the file in one step; nobody but this user can ever read the new one."""
        await to_thread.run_sync(self._store, token)

    async def clear(self) -> None:
        """Remove the file. Raises AcompsError if it is ours and stays."""
        await to_thread.run_sync(self._clear)

    def path(self) -> Path | None:
        """Where the file is, or None where the operating system has no name for the user; asks the file system."""
        try:
            os_user = getpass.getuser()
        except (KeyError, ImportError, OSError):
            return None
        if not os_user or any(sign in os_user for sign in '/\\:\0"'):
            return None
        return self._folder() / self._address.cache_name(os_user)

    def _folder(self) -> Path:
        if self._directory is not None:
            return self._directory
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        return Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir())

    def _load(self) -> Token | None:
        path = self.path()
        if path is None:
            return None
        try:
            text = read_own(path)
            return None if not text.strip() else Token.parse(text.splitlines()[0])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, MalformedAnswer) as exc:
            logger.debug("the token file %s is ignored: %s", path, exc)
            return None

    def _store(self, token: Token) -> None:
        path = self.path()
        if path is None:
            return
        try:
            publish_private(path, token.secret)
        except OSError as exc:
            logger.debug("the token file %s cannot be written: %s", path, exc)

    def _clear(self) -> None:
        path = self.path()
        if path is None:
            return
        try:
            if _is_own(path.lstat()):
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise AcompsError(
                f"the token file {path} cannot be removed ({exc.strerror}); remove it by hand to log out"
            ) from exc


def _is_own(info: os.stat_result) -> bool:
    # Windows has no geteuid, and its temporary folder is not shared.
    geteuid = getattr(os, "geteuid", None)
    return geteuid is None or info.st_uid == geteuid()


def read_own(path: Path) -> str:
    """The text of a plain file of this user; in a shared folder it could be anybody's link or pipe."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as handle:
        info = os.fstat(handle.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise OSError("it is not a plain file")
        if not _is_own(info):
            raise OSError("it belongs to another user")
        return handle.read(_LONGEST_TOKEN).decode("utf-8")


def publish_private(path: Path, text: str) -> None:
    # mkstemp creates the file for this user alone (mode 0600), never through a link.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            # Without a line's end: the other program that shares the file sends whatever it holds.
            handle.write(text.encode())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
