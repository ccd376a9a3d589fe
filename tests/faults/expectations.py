"""What has to come of an operation under a fault, by what the fault means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from acomps import (
    AcompsError,
    AuthenticationFailed,
    ChecksumMismatch,
    MalformedAnswer,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    Refused,
    SaveFailed,
    ServerFailed,
    TooLarge,
    ValidationFailed,
)

__all__ = ["DONE", "expected_errors"]

Errors = tuple[type[AcompsError], ...]
#: It is done, and right.
DONE: Final[Errors] = ()


def _one(error: type[AcompsError]) -> dict[str, Errors]:
    return {"*": (error,), "save_all": (SaveFailed,)}


#: Meaning -> operation -> the errors that may come; "*" is every operation that is not named.
TABLE: Final[Mapping[str, Mapping[str, Errors]]] = {
    "nothing done": {"*": DONE},
    "nothing noticed": {"*": DONE},
    "harmless": {"*": DONE},
    "expelled": {"*": DONE},
    "503": {"*": DONE},
    # One experiment has no key by which it could be found again, so it is not sent twice.
    "unknown": {"*": DONE, "save": (OutcomeUnknown,)},
    "unknown and done": {"*": DONE, "save": (OutcomeUnknown,)},
    **{status: {"*": DONE, "save": (ServerFailed,)} for status in ("500", "502", "504")},
    # Who does not read the answer does not miss it; who has listed a file knows how long it is.
    "cut short": {
        "*": DONE,
        "list": (MalformedAnswer,),
        "save": (MalformedAnswer,),
        "harvest": (ChecksumMismatch,),
        "harvest_listing": (MalformedAnswer,),
    },
    "corrupt": {"*": (ChecksumMismatch,)},
    # An early renewal can wait, and who watches is patient.
    "429 for long": {**_one(RateLimited), "renewal": DONE, "watch": DONE},
    "503 for long": {**_one(ServerFailed), "renewal": DONE, "watch": DONE},
    "413": {"*": (TooLarge,), "save_all": DONE, "upload": DONE, "renewal": DONE},
    "400": {**_one(ValidationFailed), "renewal": DONE},
    "403": {**_one(PermissionDenied), "renewal": DONE},
    "404": {**_one(NotFound), "renewal": DONE, "upload_check": (ChecksumMismatch,)},
    "401": {**_one(AuthenticationFailed), "renewal": DONE},
    "no json": {
        "*": (MalformedAnswer,),
        "renewal": DONE,
        "save_all": DONE,
        "harvest": (ChecksumMismatch,),
        "watch": DONE,
    },
    "empty": {
        "*": (MalformedAnswer,),
        "renewal": DONE,
        "save_all": DONE,
        "harvest": (ChecksumMismatch,),
        "watch": DONE,
        "upload": (ChecksumMismatch,),
    },
    "redirected": {**_one(Refused), "renewal": DONE},
}


def expected_errors(operation: str, meaning: str) -> Errors:
    """The errors that may come of an operation under a fault with this meaning; none if it has to be done."""
    row = TABLE[meaning]
    return row.get(operation, row["*"])
