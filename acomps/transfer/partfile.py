"""A file that is arriving: under a name of its own beside its target, until it is whole. All of this blocks."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import sys
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acomps.errors import ChecksumMismatch
from acomps.transfer.filelock import try_lock
from acomps.transfer.notes import Notes
from acomps.transfer.promise import Fetched
from acomps.transfer.spans import total

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from acomps.transfer.promise import Promise
    from acomps.transfer.spans import Span

__all__ = ["PartFile", "write_whole"]

_READ_BYTES: Final = 1024 * 1024
#: How much is hashed by one call, so that a cancellation does not have to wait.
_HASH_STEP_BYTES: Final = 64 * _READ_BYTES
_LONGEST_STEM: Final = 80
_TRIES: Final = 8
#: Missing on Windows, where blocks are written one after another.
_pwrite: Callable[[int, memoryview, int], int] | None = getattr(os, "pwrite", None)
#: How a file without a name is opened; 0 where there are none.
_UNNAMED: Final = os.O_WRONLY | os.O_TMPFILE if sys.platform == "linux" else 0
_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class PartFile:
    """What has arrived of one file. Blocks may be written by several threads at once, and in any order.

    Its name belongs to the target and the promise, so another run finds it; with `resumable` it takes over what is
    there. If another program is writing it at this moment, this one has a name and a file of its own.
    """

    def __init__(self, target: Path, promise: Promise, *, resumable: bool, digest: bool) -> None:
        self._target, self._promise = target, promise
        self._resumable = resumable and promise.unique
        self._digest = digest or promise.md5 is not None
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hashed = self._resumed = 0
        self._handle = -1
        self._notes: Notes | None = None
        self._seeking = threading.Lock()
        self._name_it(promise.key(target.name) if promise.unique else secrets.token_hex(6))

    @property
    def resumable(self) -> bool:
        """Whether another run could go on with what is there."""
        return self._resumable

    def open(self) -> tuple[Span, ...]:
        """Make the file, or take over what an earlier run has left; returns which bytes are there."""
        self._target.parent.mkdir(parents=True, exist_ok=True)
        if not any(self._try_open() for _ in range(_TRIES)):
            self._resumable = False
            self._name_it(secrets.token_hex(6))
            self._handle = os.open(self._path, _FLAGS | os.O_EXCL, 0o666)
        done: tuple[Span, ...] = ()
        if self._resumable and self._promise.length is not None:
            self._notes = Notes(self._noted, self._handle, self._promise.length)
            done = self._notes.read()
        else:
            self._noted.unlink(missing_ok=True)
        self._resumed = total(done)
        self._begin(done)
        return done

    def restart(self) -> None:
        """Forget everything that has arrived."""
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hashed = self._resumed = 0
        if self._notes is not None:
            self._notes.forget()
        self._begin(())

    def write(self, first: int, pieces: Sequence[bytes]) -> None:
        """Put these bytes at `first`."""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        end = first + len(data)
        self._write_at(first, data)
        if self._digest and first == self._hashed:
            self._md5.update(data)
            # Only now: whoever writes the next block may hash it at once.
            self._hashed = end
        if self._notes is not None:
            self._notes.add(first, data)

    def hash_some(self) -> bool:
        """Hash more of what was not hashed when it was written; whether there is still more. All must be there."""
        if not self._digest:
            return False
        step_end = self._hashed + _HASH_STEP_BYTES
        while self._hashed < step_end:
            with self._seeking:
                os.lseek(self._handle, self._hashed, os.SEEK_SET)
                block = os.read(self._handle, _READ_BYTES)
            if not block:
                return False
            self._md5.update(block)
            self._hashed += len(block)
        return True

    def publish(self) -> Fetched:
        """Check the whole and give it its name. Raises ChecksumMismatch if it is not what was promised."""
        length = os.fstat(self._handle).st_size
        digest = self._md5.digest() if self._digest else None
        _check(self._target.name, self._promise, length, digest)
        if sys.platform == "win32":
            self._close()  # An open file cannot be renamed there.
        self._path.replace(self._target)
        self._close()
        if self._notes is not None:
            self._notes.remove()
        return Fetched(length=length, md5=None if digest is None else uuid.UUID(bytes=digest), resumed=self._resumed)

    def leave(self, *, keep: bool) -> None:
        """Close what is open after a failure; `keep` what can be resumed, else remove everything."""
        if self._handle < 0:
            return
        if keep and self._resumable:
            self._close()
            if self._notes is not None:
                self._notes.close()
            return
        if sys.platform == "win32":
            self._close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        if self._notes is not None:
            self._notes.remove()
        self._close()

    def _name_it(self, key: str) -> None:
        self._path = Path(_path_for(self._target, key))
        self._noted = self._path.with_suffix(".ranges")

    def _try_open(self) -> bool:
        """Open the file and lock it; False when somebody else has it, or has just given it its final name."""
        handle = os.open(self._path, _FLAGS, 0o666)
        try:
            if try_lock(handle) and os.path.samestat(os.fstat(handle), os.stat(self._path)):
                self._handle, handle = handle, -1
        except FileNotFoundError:
            pass
        finally:
            if handle >= 0:
                os.close(handle)
        return self._handle >= 0

    def _begin(self, done: tuple[Span, ...]) -> None:
        if not done:
            os.ftruncate(self._handle, 0)
        if self._notes is not None:
            self._notes.begin()
            free = shutil.disk_usage(self._target.parent).free
            wanted = (self._promise.length or 0) - total(done)
            if free < wanted:
                raise OSError(errno.ENOSPC, f"{wanted:,} bytes are to come and {free:,} are free")

    def _write_at(self, first: int, data: bytes) -> None:
        left = memoryview(data)
        if _pwrite is not None:
            while left:
                written = _pwrite(self._handle, left, first)
                left, first = left[written:], first + written
            return
        with self._seeking:
            os.lseek(self._handle, first, os.SEEK_SET)
            while left:
                left = left[os.write(self._handle, left) :]

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def write_whole(target: Path, data: bytes, promise: Promise) -> Fetched:
    """Check a small file and put it in its place; nothing else is left, not even of a run that was killed here."""
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    _check(target.name, promise, len(data), digest)
    try:
        _put(target, data, promise)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        _put(target, data, promise)
    return Fetched(length=len(data), md5=uuid.UUID(bytes=digest))


def _put(target: Path, data: bytes, promise: Promise) -> None:
    if not (_UNNAMED and _put_unnamed(target, data)):
        _put_named(target, data, promise)


def _put_unnamed(target: Path, data: bytes) -> bool:
    """Write a file that has no name until it is whole, which takes half as many calls as one with a part file.

    False where that cannot be done: the file system does not know it, or the target is there already.
    """
    try:
        handle = os.open(target.parent, _UNNAMED, 0o666)
    except FileNotFoundError:
        raise  # Its folder is not there, and no other way would help.
    except OSError:
        return False
    try:
        _write(handle, data)
        # Python follows the link from /proc only if it is given a descriptor, of which an absolute path has no use.
        os.link(f"/proc/self/fd/{handle}", target, src_dir_fd=handle, follow_symlinks=True)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _put_named(target: Path, data: bytes, promise: Promise) -> None:
    """Write a part file, and rename it when it is whole."""
    handle, part = _own_file(target, promise)
    try:
        _write(handle, data)
        if sys.platform == "win32":
            os.close(handle)  # An open file cannot be renamed there.
            handle = -1
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    finally:
        if handle >= 0:
            os.close(handle)


def _write(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def _own_file(target: Path, promise: Promise) -> tuple[int, str]:
    """An empty file beside the target that is ours alone, and its path.

    Its name belongs to the target and the promise, so what a killed run has left is taken over; when another program
    is at it, ours has another name.
    """
    if promise.unique:
        path = _path_for(target, promise.key(target.name))
        handle = os.open(path, _FLAGS, 0o666)
        try:
            if try_lock(handle) and os.path.samestat(os.fstat(handle), os.stat(path)):
                os.ftruncate(handle, 0)
                return handle, path
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    path = _path_for(target, secrets.token_hex(6))
    return os.open(path, _FLAGS | os.O_EXCL, 0o666), path


def _path_for(target: Path, key: str) -> str:
    stem = os.fsencode(target.name)[:_LONGEST_STEM].decode("utf-8", "ignore")
    return os.path.join(target.parent, f".{stem}.{key}.part")


def _check(name: str, promise: Promise, length: int, digest: bytes | None) -> None:
    if promise.length is not None and length != promise.length:
        raise ChecksumMismatch(f"{name}: {length} bytes arrived where {promise.length} were promised; fetch it again")
    if promise.md5 is not None and digest != promise.md5.bytes:
        raise ChecksumMismatch(f"{name}: the bytes that arrived do not have the promised md5; fetch it again")
