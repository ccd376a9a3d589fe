"""Times as COMPS writes them: UTC, ISO form, exactly seven fractional digits and a Z (protocol 4)."""

from __future__ import annotations

from datetime import UTC, datetime

from acomps.errors import MalformedAnswer

__all__ = ["format_time", "parse_time"]


def format_time(moment: datetime) -> str:
    """`moment` with exactly seven fractional digits, as every COMPS client expects it."""
    moment = moment.astimezone(UTC)
    # Not %Y, which some systems do not fill up to four digits: the year 1 is a service's "never".
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}.{moment.microsecond:06d}0Z"


def parse_time(text: str) -> datetime:
    """The aware UTC time behind `text`; digits past microseconds are cut, a missing zone means UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedAnswer(f"the server sent {text!r} where a time belongs") from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)
