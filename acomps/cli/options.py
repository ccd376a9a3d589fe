"""The options that all commands share."""

from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from acomps.cli.output import Format

__all__ = ["USUAL", "Common", "Reference"]

#: How one names a thing on the server.
Reference = Annotated[str, Parameter(help="An id, the beginning of one, or latest (your newest).")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """Where to ask, and what the answer looks like."""

    server: Annotated[
        str | None,
        Parameter(
            name=("--server", "--comps-server", "-srv"),
            help="A host such as comps.idmod.org, or local (default: COMPS_SERVER, the last login, else local).",
        ),
    ] = None
    format: Annotated[Format, Parameter(help="How data is written to stdout.")] = "table"


USUAL: Final = Common()
