"""`python -m acomps.local`: the service as a process of its own."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from acomps.local.errors import CannotServe
from acomps.local.service import serve
from acomps.local.settings import ServiceSettings, default_data_dir

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the service until it is asked to end; 2 when it cannot start."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        serve(
            ServiceSettings(
                data_dir=given.data_dir,
                host=given.host,
                port=given.port,
                latency_ms=given.latency_ms,
                cores=given.cores,
                cancel_grace_s=given.cancel_grace,
            ),
            ready_file=given.ready_file,
            stop_when_idle_s=given.stop_when_idle,
            stop_with_stdin=given.stop_with_stdin,
        )
    except CannotServe as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m acomps.local", description="A COMPS-compatible service on this machine, for its one user."
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port (%(default)s)")
    parser.add_argument(
        "--data-dir", type=Path, default=default_data_dir(), help="where everything is kept (%(default)s)"
    )
    parser.add_argument(
        "--ready-file", type=Path, help="write JSON with url, username and password here once connections are accepted"
    )
    parser.add_argument("--latency-ms", type=float, default=0.0, help="hold every answer back this long")
    parser.add_argument("--cores", type=int, default=ServiceSettings().cores, help="for simulations (%(default)s)")
    parser.add_argument(
        "--cancel-grace",
        type=float,
        metavar="SECONDS",
        default=ServiceSettings().cancel_grace_s,
        help="between asking a cancelled simulation to end and ending it (%(default)s)",
    )
    parser.add_argument(
        "--stop-when-idle", type=float, metavar="SECONDS", help="end after so long with nothing to do and no request"
    )
    parser.add_argument("--stop-with-stdin", action="store_true", help="end when the standard input is closed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
