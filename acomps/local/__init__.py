"""The local service: a COMPS-compatible server that anybody can run on their own machine."""

from acomps.local.app import create_app
from acomps.local.configuration import Given, configured
from acomps.local.errors import CannotServe
from acomps.local.service import SERVICE_FILE, serve
from acomps.local.settings import ServiceSettings, default_data_dir

__all__ = [  # noqa: RUF022 - in plain alphabetical order, as every face of the house
    "CannotServe",
    "Given",
    "SERVICE_FILE",
    "ServiceSettings",
    "configured",
    "create_app",
    "default_data_dir",
    "serve",
]
