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
    config: Annotated[
        Path | None,
        Parameter(help="The configuration file (default: service.toml in the data folder, if it is there)."),
    ] = None,
    host: Annotated[
        str | None, Parameter(help="A loopback address; any address when there are users (default: 127.0.0.1).")
    ] = None,
    port: Annotated[int | None, Parameter(help="0 takes any free port (default: 0).")] = None,
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
    """Run the local service: a COMPS-compatible server on this machine, until Ctrl-C.

    It is for its one user, who reaches it with acomps.connect("local") when it works on the default data folder; or,
    once there are users (acomps serve-user add), for all of them.

    Example: acomps serve --data-dir service --stop-when-idle 1
    """
    try:
        from acomps import local
    except ImportError as error:
        raise acomps.ExtraMissing("the local service", "local") from error
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    said = local.Given(latency_ms=latency_ms)
    if host is not None:
        said["host"] = host
    if port is not None:
        said["port"] = port
    if cores is not None:
        said["cores"] = cores
    try:
        settings = local.configured(config, data_dir, **said)
        local.serve(
            settings,
            ready_file=ready_file,
            on_ready=lambda url: out.note(
                f"The local service is at {url}; how to log in is in {settings.data_dir / local.SERVICE_FILE}. "
                "Ctrl-C ends it."
            ),
            stop_when_idle_s=stop_when_idle,
            stop_with_stdin=stop_with_stdin,
        )
    except local.CannotServe as error:
        raise acomps.UsageError(str(error)) from error
