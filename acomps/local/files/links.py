"""Links to files that authorise themselves: whoever has one may read that one file for a while."""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import time
from typing import Final
from urllib.parse import parse_qsl, quote

__all__ = ["LinkSigner", "Links"]

_DIGITS: Final = 32


#: The files of a sweep have few different names.
_quoted: Final = functools.lru_cache(1_024)(quote)
#: The query of a link, as it is made.
_QUERY: Final = re.compile(rb"until=([0-9]{1,12})&signature=([0-9a-f]+)")


def _in_order(query: bytes) -> bytes:
    given = dict(parse_qsl(query.decode("latin-1")))
    return f"until={given.get('until')}&signature={given.get('signature')}".encode()


class LinkSigner:
    """Signs paths of files and checks the signatures."""

    def __init__(self, key: bytes, lifetime_s: float) -> None:
        self._key = hashlib.blake2b(key, person=b"links").digest()
        self._lifetime_s = lifetime_s

    def until(self) -> int:
        """The end of the life of links that are made now, in seconds since 1970."""
        return int(time.time() + self._lifetime_s)

    def query(self, subject: str, until: int) -> str:
        """The query that opens `subject` until then, with the `?`."""
        return f"?until={until}&signature={self._signature(subject, until)}"

    def opens(self, subject: str, query: bytes) -> bool:
        """True when the query of a request opens `subject` now."""
        # As it was made; whoever has taken it apart may have put it together in another way.
        found = _QUERY.fullmatch(query) or _QUERY.fullmatch(_in_order(query))
        if found is None:
            return False
        until, signature = int(found[1]), found[2].decode()
        return hmac.compare_digest(self._signature(subject, until), signature) and time.time() <= until

    def _signature(self, subject: str, until: int) -> str:
        # With a key of its own, which hmac would have to build around another hash for twice the price.
        return hashlib.blake2b(f"{until}:{subject}".encode(), key=self._key, digest_size=_DIGITS // 2).hexdigest()


class Links:
    """Absolute links for one request, on the address by which the client reached the service."""

    def __init__(self, signer: LinkSigner, base_url: str) -> None:
        self._signer = signer
        self._base_url = base_url
        self._until = signer.until()

    def content(self, md5: str, name: str) -> str:
        """The link to a stored content, under a name for the reader's eyes."""
        return f"{self._base_url}/asset/contents/{md5}/{_quoted(name, safe='')}{self._query(md5)}"

    def zip(self, md5: str) -> str:
        """The link to the zip of what the stored list with that md5 names."""
        return f"{self._base_url}/asset/contents/zips/{md5}/assets.zip{self._query(f'zip {md5}')}"

    def output_zip(self, md5: str) -> str:
        """The link to the zip of the output files that the stored list with that md5 names."""
        return f"{self._base_url}/asset/contents/outputzips/{md5}/output.zip{self._query(f'output zip {md5}')}"

    def output(self, collection: str, entity_id: str, job_id: str, path: str) -> str:
        """The link to a file in a working directory."""
        place = f"{job_id}/{path}"
        return f"{self._base_url}/asset/outputs/{collection}/{entity_id}/{job_id}/{_quoted(path)}{self._query(place)}"

    def _query(self, subject: str) -> str:
        return self._signer.query(subject, self._until)
