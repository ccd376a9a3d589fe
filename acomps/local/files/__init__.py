"""Bytes: the content store, bodies on their way in, files, ranges and zips on their way out."""

__all__: list[str] = []
