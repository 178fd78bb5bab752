"""Everything of a node that knows people, put together."""

import ssl
from collections.abc import Callable

from aiohttp import web

from airline_node.config import Config
from airline_node.journal import Journal
from airline_node.node import Node
from airline_node.people.accounts import Accounts
from airline_node.people.asking import Asking
from airline_node.people.manifest import Manifest
from airline_node.people.routes import MANIFEST, PREFIXES, TRIPS, VOUCHING, add_people_routes
from airline_node.people.sessions import Sessions
from airline_node.people.trips import Trips
from airline_node.people.vouching import Vouching
from airline_node.timetable import Timetable
from airline_node.vault import Vault
from ledger.terms import Millis
from ui.people import People as PagesPeople


class People:
    """Made with a node, closed after its doors are shut."""

    def __init__(
        self,
        config: Config,
        timetable: Timetable,
        vault: Vault,
        journal: Journal,
        node: Node,
        to_peers: ssl.SSLContext | None,
        now: Callable[[], Millis],
    ) -> None:
        me = config.carrier
        self._prefixes = {code: carrier.prefix for code, carrier in timetable.carriers.items()}
        self._asking = Asking(config.peers, to_peers)
        self.sessions = Sessions(vault.file, me)
        self.accounts = Accounts(me, vault.file, self.sessions, now)
        self.vouching = Vouching(vault.file, self._asking, config.sites, now)
        self.trips = Trips(me, vault.file, node, self._asking, now)
        self.manifest = Manifest(me, vault, journal, self._asking, now)

    async def run(self) -> None:
        """Tell the other carriers their passengers' names, until cancelled."""
        await self.manifest.run()

    async def close(self) -> None:
        await self._asking.close()
        self.accounts.close()

    def for_pages(self, config: Config) -> PagesPeople:
        return PagesPeople(
            accounts=self.accounts,
            vouching=self.vouching,
            trips=self.trips,
            sessions=self.sessions,
            site=config.site,
            proxies=config.proxies,
        )

    def add_to_public(self, app: web.Application) -> None:
        app[MANIFEST] = self.manifest

    def add_to_private(self, app: web.Application) -> None:
        app[VOUCHING], app[TRIPS], app[MANIFEST] = self.vouching, self.trips, self.manifest
        app[PREFIXES] = self._prefixes
        add_people_routes(app)
