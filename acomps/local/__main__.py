"""`python -m acomps.local`: the service as a process of its own."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from acomps.local.configuration import Given, configured
from acomps.local.errors import CannotServe
from acomps.local.service import serve
from acomps.local.settings import default_data_dir

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the service until it is asked to end; 2 when it cannot start."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        serve(
            configured(given.config, given.data_dir, **_said(given)),
            ready_file=given.ready_file,
            stop_when_idle_s=given.stop_when_idle,
            stop_with_stdin=given.stop_with_stdin,
        )
    except CannotServe as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


def _said(given: argparse.Namespace) -> Given:
    """What the command line says about settings; what it does not say is not there."""
    said = Given()
    if given.host is not None:
        said["host"] = given.host
    if given.port is not None:
        said["port"] = given.port
    if given.cores is not None:
        said["cores"] = given.cores
    if given.latency_ms is not None:
        said["latency_ms"] = given.latency_ms
    if given.cancel_grace is not None:
        said["cancel_grace_s"] = given.cancel_grace
    return said


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m acomps.local",
        description="A COMPS-compatible service on this machine, for its one user or for many.",
    )
    parser.add_argument("--host", help="a loopback address, or any one when there are users (127.0.0.1)")
    parser.add_argument("--port", type=int, help="0 takes any free port (0)")
    parser.add_argument("--data-dir", type=Path, help=f"where everything is kept ({default_data_dir()})")
    parser.add_argument("--config", type=Path, help="the configuration file (service.toml in the data folder)")
    parser.add_argument(
        "--ready-file", type=Path, help="write JSON with url, username and password here once connections are accepted"
    )
    parser.add_argument("--latency-ms", type=float, help="hold every answer back this long")
    parser.add_argument("--cores", type=int, help="for simulations (all)")
    parser.add_argument(
        "--cancel-grace",
        type=float,
        metavar="SECONDS",
        help="between asking a cancelled simulation to end and ending it (5)",
    )
    parser.add_argument(
        "--stop-when-idle", type=float, metavar="SECONDS", help="end after so long with nothing to do and no request"
    )
    parser.add_argument("--stop-with-stdin", action="store_true", help="end when the standard input is closed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
