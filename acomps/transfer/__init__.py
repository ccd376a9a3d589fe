"""Bytes in and out: hashing, content that is sent from disk, files that are fetched to disk."""

from acomps.transfer.content import FileContent, Measured, Source, measured
from acomps.transfer.download import Promise, fetch_to_file
from acomps.transfer.hashing import HashCache
from acomps.transfer.names import place_below
from acomps.transfer.recent import Recent
from acomps.transfer.upload import is_stored, upload

__all__ = [
    "FileContent",
    "HashCache",
    "Measured",
    "Promise",
    "Recent",
    "Source",
    "fetch_to_file",
    "is_stored",
    "measured",
    "place_below",
    "upload",
]
