"""What the pages about people need of the node: accounts, who vouches for one, sessions, trips.

Whatever is asked here raises `DeskClosed` when the node cannot do it at the moment: nothing has happened then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from ledger.messages import CheckedBooking, CheckedCarrier, CheckedFlight, CheckedInstant, Status
from ledger.terms import SEGMENTS_MAX, AirportCode, BookingId, CarrierCode, Centavos, Locator
from ui.sessions import SessionRows
from ui.visitor import Account, AccountId

CheckedAirport = Annotated[AirportCode, Meta(pattern=r"^[A-Z]{3}$(?!\n)")]

# ---- accounts ----------------------------------------------------------------------------------------------------


class Wait(Struct, frozen=True):
    """Too many tries from there: nothing was looked at. May be tried again in so many seconds."""

    seconds: int


class Wrong(Struct, frozen=True):
    """The address and the password do not belong together; which of the two is wrong is told to nobody."""


class Taken(Struct, frozen=True):
    """This address has an account already, under another password."""


class Crowded(Exception):
    """Too many passwords are being checked. Nothing happened: try again in a moment."""


class Silent(Exception):
    """The other airline does not answer. Nothing happened."""


class Accounts(Protocol):
    """`address` is the browser's network address: who tries too often waits. Passwords come as they were typed.

    Whatever checks one raises `Crowded`.
    """

    async def register(self, *, name: str, email: str, password: str, address: str) -> Account | Taken | Wait:
        """A new account. The very same address and password again are a login."""

    async def log_in(self, *, email: str, password: str, address: str) -> Account | Wrong | Wait: ...

    async def remove(self, account: AccountId) -> None:
        """The account, its sessions and its list of trips are erased; tickets stay good."""


class Vouching(Protocol):
    """An account of one airline, logged in at another."""

    @property
    def others(self) -> Mapping[CarrierCode, str]:
        """The public sites of the other airlines whose accounts are welcome here, by configuration."""

    async def vouch(self, account: AccountId, carrier: CarrierCode, challenge: str) -> str:
        """A code by which that airline, and only it, learns once and soon who this is."""

    async def vouched(self, carrier: CarrierCode, code: str, secret: str) -> Account | None:
        """Who that airline says has come from there; None: nobody. Raises `Silent`."""


# ---- trips -------------------------------------------------------------------------------------------------------


class TripSegment(Struct, frozen=True, kw_only=True):
    flight: CheckedFlight
    origin: CheckedAirport
    destination: CheckedAirport
    departure: CheckedInstant
    arrival: CheckedInstant


class Trip(Struct, frozen=True, kw_only=True):
    """One booking, as its seller tells it: another airline's word is checked by these bounds."""

    booking: CheckedBooking
    locator: Annotated[Locator, Meta(pattern=r"^[A-Z2-9]{6}$(?!\n)")]
    seller: CheckedCarrier
    status: Status
    total: Annotated[Centavos, Meta(ge=0)]
    segments: Annotated[tuple[TripSegment, ...], Meta(min_length=1, max_length=SEGMENTS_MAX)]


class MyTrips(Struct, frozen=True):
    """`silent` are the airlines that did not answer: what was bought there is missing here."""

    trips: tuple[Trip, ...]
    silent: tuple[str, ...]


class Trips(Protocol):
    async def add(self, account: AccountId, booking: BookingId) -> None:
        """This booking here is that account's. On disk when this returns; a second time changes nothing."""

    async def of(self, account: AccountId) -> MyTrips: ...


@dataclass(frozen=True, kw_only=True)
class People:
    """`site` is this airline's own public address; `proxies` are the network addresses whose word on whom they come
    for is believed.
    """

    accounts: Accounts
    vouching: Vouching
    trips: Trips
    sessions: SessionRows
    site: str
    proxies: frozenset[str]
