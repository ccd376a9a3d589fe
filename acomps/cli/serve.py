"""`acomps serve`: the local service in this process."""

import logging
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import acomps
from acomps.cli.output import out

__all__ = ["serve"]


def serve(
    *,
    host: Annotated[str, Parameter(help="A loopback address.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="0 takes any free port.")] = 0,
    data_dir: Annotated[
        Path | None, Parameter(help="Where everything is kept (default: the user-data folder).")
    ] = None,
    ready_file: Annotated[
        Path | None,
        Parameter(help="Write JSON with url, username and password here once connections are accepted."),
    ] = None,
    latency_ms: Annotated[float, Parameter(help="Hold every answer back this long, for benchmarks.")] = 0.0,
    cores: Annotated[int | None, Parameter(help="Cores for simulations (default: all).")] = None,
    stop_when_idle: Annotated[
        float | None, Parameter(help="End after so many seconds with nothing to do and no request.")
    ] = None,
    stop_with_stdin: Annotated[bool, Parameter(negative="", help="End when the standard input is closed.")] = False,
) -> None:
    """Run the local service: a COMPS-compatible server on this machine, for its one user, until Ctrl-C.

    Programs reach it with acomps.connect("local") when it works on the default data folder.
    """
    try:
        from acomps import local
    except ImportError as error:
        raise acomps.ExtraMissing("the local service", "local") from error
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    folder = data_dir or local.default_data_dir()
    try:
        settings = local.ServiceSettings(
            data_dir=folder,
            host=host,
            port=port,
            latency_ms=latency_ms,
            **({} if cores is None else {"cores": cores}),
        )
        local.serve(
            settings,
            ready_file=ready_file,
            on_ready=lambda url: out.note(
                f"The local service is at {url}; its password is in {settings.data_dir / local.SERVICE_FILE}. "
                "Ctrl-C ends it."
            ),
            stop_when_idle_s=stop_when_idle,
            stop_with_stdin=stop_with_stdin,
        )
    except local.CannotServe as error:
        raise acomps.UsageError(str(error)) from error
