"""A session: everything that can be asked of one server, as one namespace per kind of thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.comps.accounts import Environments, Users
from acomps.comps.asset_collections import AssetCollections
from acomps.comps.groups import Experiments, Suites
from acomps.comps.outputs import Outputs
from acomps.comps.simulations import Simulations
from acomps.comps.uploads import Uploads
from acomps.comps.work_items import WorkItems

if TYPE_CHECKING:
    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["Session"]


class Session:
    """One login to one server; `acomps.connect` makes it. Any number of tasks may use it at the same time."""

    def __init__(self, channel: Channel, settings: Settings) -> None:
        self._channel = channel
        self.settings = settings
        self.uploads = Uploads(channel, settings)
        self.suites = Suites(channel, settings)
        self.experiments = Experiments(channel, settings)
        self.asset_collections = AssetCollections(channel, settings, self.uploads)
        self.simulations = Simulations(channel, settings, self.uploads.store)
        self.work_items = WorkItems(channel, settings, self.uploads.store)
        self.outputs = Outputs(channel)
        self.environments = Environments(channel)
        self.users = Users(channel)

    @property
    def server(self) -> str:
        """The root URL of the server."""
        return self._channel.address.root

    async def user(self) -> str:
        """The name of the user who is logged in."""
        return (await self._channel.token()).user

    async def logout(self) -> None:
        """Forget the login, also for other programs that share its cache."""
        await self._channel.logout()
