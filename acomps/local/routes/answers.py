"""Answers in JSON."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import orjson
from starlette.responses import Response

from acomps.local.files.outputs import resource_id

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ZIP_TYPE", "json_answer", "zip_offer"]

ZIP_TYPE: Final = "application/zip"


def json_answer(document: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`document` as the body of an answer."""
    return Response(orjson.dumps(document), status, headers, "application/json")


def zip_offer(name: str, md5: str, length: int, url: str) -> Response:
    """The answer that offers a zip, which is packed when its link is fetched."""
    resource = {
        "Id": resource_id(uuid.UUID(md5), name),
        "Type": "File",
        "FriendlyName": name,
        "PathFromRoot": ".",
        "Length": length,
        "MimeType": ZIP_TYPE,
        "Url": url,
    }
    return json_answer({"Resources": [resource]})
