"""Bytes in and out: hashing, content that is sent from disk, files that are fetched to disk."""

from acomps.transfer.content import FileContent, Measured, Source, measured
from acomps.transfer.fetching import fetch
from acomps.transfer.hashing import HashCache
from acomps.transfer.names import place_below
from acomps.transfer.promise import Fetched, Promise
from acomps.transfer.recent import Recent
from acomps.transfer.streaming import stream_bytes
from acomps.transfer.upload import is_stored, upload

__all__ = [
    "Fetched",
    "FileContent",
    "HashCache",
    "Measured",
    "Promise",
    "Recent",
    "Source",
    "fetch",
    "is_stored",
    "measured",
    "place_below",
    "stream_bytes",
    "upload",
]
