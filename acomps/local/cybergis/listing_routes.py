"""What there is: computing resources, maintainers, templates, hubs (cybergis-compute 6), and total runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from acomps.local.cybergis.calls import CallRefused
from acomps.local.cybergis.records import runtimes
from acomps.local.cybergis.resources import CEILINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acomps.local.core import Core
    from acomps.local.cybergis.calls import Call, Router
    from acomps.local.cybergis.hub import Hub
    from acomps.local.cybergis.settings import Hpc
    from acomps.local.cybergis.templates import Templates
    from acomps.local.routing import Route

__all__ = ["MAINTAINER", "listing_routes"]

#: The one kind of job that there is.
MAINTAINER: Final = "community_contribution"
#: Programs run on this machine or where its Slurm is: nobody logs in by ssh.
_NO_PORT: Final = 0


def listing_routes(
    core: Core, router: Router, hub: Hub, templates: Templates, hpcs: Mapping[str, Hpc], endpoint: str
) -> list[Route]:
    """The routes of this module; all of them are open to everybody."""

    def described(hpc: Hpc) -> dict[str, object]:
        return {
            "ip": "localhost",
            "port": _NO_PORT,
            "is_community_account": True,
            "job_pool_capacity": hpc.job_pool_capacity,
            "description": hpc.description,
            "globus": {"identity": "", "endpoint": endpoint, "root_path": "/"},
            "mount": {},
            "slurm_input_rules": {},
            "slurm_global_cap": {**CEILINGS, **hpc.ceilings},
        }

    async def hello(_call: Call) -> object:
        return {"message": "hello world"}

    async def list_hpcs(_call: Call) -> object:
        return {"hpc": {name: described(hpc) for name, hpc in hpcs.items()}}

    async def list_maintainers(_call: Call) -> object:
        maintainer = {
            "hpc": [*hpcs],
            "default_hpc": next(iter(hpcs)),
            "job_pool_capacity": sum(hpc.job_pool_capacity for hpc in hpcs.values()),
            "executable_folder": {"from_user": True, "allowed_protocol": "git"},
            "maintainer": "CommunityContributionMaintainer",
        }
        return {"maintainer": {MAINTAINER: maintainer}}

    async def list_containers(_call: Call) -> object:
        # Programs run as they are: there are none.
        return {"container": {}}

    async def list_templates(_call: Call) -> object:
        return {"git": {one.name: one.document([*hpcs]) for one in await templates.all()}}

    async def one_template(call: Call) -> object:
        name = call.path("id")
        found = next((one for one in await templates.all() if one.name.lower() == name), None)
        if found is None:
            raise CallRefused(401, "unrecognized git id", ())
        return found.document([*hpcs])

    async def list_announcements(_call: Call) -> object:
        return {"announcements": []}

    async def statistics(_call: Call) -> object:
        def read() -> dict[str, int | None]:
            with core.database.reading() as connection:
                return runtimes(connection)

        return {"runtime_in_seconds": await core.job(read)}

    async def whitelist(call: Call) -> object:
        return {"whitelist": hub.names(call.request)}

    async def allowlist(call: Call) -> object:
        return {"allowlist": hub.names(call.request)}

    return [
        router.route("GET", "", hello),
        router.route("GET", "/hpc", list_hpcs),
        router.route("GET", "/maintainer", list_maintainers),
        router.route("GET", "/container", list_containers),
        router.route("GET", "/git", list_templates),
        router.route("GET", "/git/{id}", one_template),
        router.route("GET", "/announcement", list_announcements),
        router.route("GET", "/statistic", statistics),
        router.route("GET", "/whitelist", whitelist),
        router.route("GET", "/allowlist", allowlist),
    ]
