"""Bytes in and out: hashing, content that is sent from disk, files that are fetched to disk."""

from acomps.transfer.content import FileContent, Measured, Source, measured
from acomps.transfer.download import Promise, fetch_to_file

__all__ = ["FileContent", "Measured", "Promise", "Source", "fetch_to_file", "measured"]
