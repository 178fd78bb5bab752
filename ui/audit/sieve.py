"""Which part of the log is looked at: by kind, flight and booking, from an instant on. All of it is in the address."""

import re
from collections.abc import Mapping, Sequence
from typing import get_args
from urllib.parse import urlencode

from msgspec import Struct
from multidict import MultiMapping

from ledger.events import AnyBookingEvent, AnyEvent, AnyFlightEvent, booking_stream, flight_stream
from ledger.history import BookingThen
from ledger.terms import BOOKING_PATTERN, FLIGHT_PATTERN, BookingId, CarrierCode, Millis, carrier_of, locator_of
from ui.audit.instant import millis
from ui.language import gettext as _
from ui.logbook import Entry, LogBook

PAGE = 50
TAGS: Mapping[str, type] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyEvent)}
LOCATOR_PATTERN = "[A-HJ-NP-Z2-9]{6}"


class Sieve(Struct, frozen=True, kw_only=True):
    """What was asked for, as it was typed. `booking` is an id, or a locator beside a flight."""

    kind: str = ""
    at: str = ""
    flight: str = ""
    booking: str = ""

    @property
    def moment(self) -> Millis | None:
        return millis(self.at)

    @property
    def tags(self) -> tuple[str, ...]:
        """The kinds of event that are let through; none: all of them."""
        groups = {"flights": get_args(AnyFlightEvent), "bookings": get_args(AnyBookingEvent)}
        if self.kind in groups:
            return tuple(tag for tag, event in TAGS.items() if event in groups[self.kind])
        return (self.kind,) if self.kind in TAGS else ()

    def address(self, after: int) -> str:
        """The same events, from the first one after this position on."""
        fields = {"after": after, "kind": self.kind, "flight": self.flight, "booking": self.booking}
        return f"/audit/log?{urlencode({name: value for name, value in fields.items() if value != ''})}"


class Page(Struct, frozen=True):
    """Some of the events found; `earlier` and `later` are where its neighbours begin, None where there are none."""

    entries: Sequence[Entry]
    earlier: int | None
    later: int | None
    newest: int


def read(query: MultiMapping[str]) -> Sieve:
    booking = query.get("booking", "")
    return Sieve(
        kind=query.get("kind", ""),
        at=query.get("at", ""),
        flight=query.get("flight", "").upper(),
        booking=booking.upper() if re.fullmatch(LOCATOR_PATTERN, booking.upper()) else booking,
    )


def faults(sieve: Sieve, me: CarrierCode) -> dict[str, str]:
    """What cannot be looked for in this carrier's log, at its field."""
    found = {}
    if sieve.flight and not re.fullmatch(FLIGHT_PATTERN, sieve.flight):
        example = f"{me}1001/2026-12-14"
        found["flight"] = _("Name a flight with its date, for example {flight}.").format(flight=example)
    elif sieve.flight and carrier_of(sieve.flight) != me:
        found["flight"] = _("This flight is another airline's: its log is at that airline's site.")
    if sieve.booking and not re.fullmatch(f"{BOOKING_PATTERN}|{LOCATOR_PATTERN}", sieve.booking):
        found["booking"] = _("This is neither a booking nor a locator.")
    elif re.fullmatch(LOCATOR_PATTERN, sieve.booking) and not sieve.flight:
        found["booking"] = _("Name the flight too: several bookings may have one locator, and no log is kept by it.")
    if sieve.at and sieve.moment is None:
        found["at"] = _("This is no instant.")
    return found


def names_own(flight: str, me: CarrierCode) -> bool:
    return re.fullmatch(FLIGHT_PATTERN, flight) is not None and carrier_of(flight) == me


async def sifted(book: LogBook, sieve: Sieve, me: CarrierCode) -> list[Entry] | None:
    """All events of the flight or the booking that is named; None if none is: then the log is read in pages."""
    if sieve.flight:
        entries = list(await book.stream(flight_stream(sieve.flight)))
        if sieve.booking:
            entries = [entry for entry in entries if _is_of(entry.event, sieve.booking)]
    elif sieve.booking:
        entries = await life(book, sieve.booking, me)
    else:
        return None
    kinds = tuple(TAGS[tag] for tag in sieve.tags)
    return [entry for entry in entries if not kinds or isinstance(entry.event, kinds)]


async def life(book: LogBook, booking: BookingId, me: CarrierCode) -> list[Entry]:
    """What this carrier's log has of a booking that it took, on its own flights too; nothing of another one's."""
    entries, then = list(await book.stream(booking_stream(booking))), BookingThen()
    for entry in entries:
        then.hear(entry.event)
    for flight in then.flights:
        if carrier_of(flight) == me:
            entries += [entry for entry in await book.stream(flight_stream(flight)) if _is_of(entry.event, booking)]
    return sorted(entries, key=lambda entry: entry.position)


def page_of(entries: Sequence[Entry], after: int | None) -> Page:
    """A page of these, from a position on; without one the newest."""
    newest = max(0, len(entries) - PAGE)
    first = newest if after is None else sum(entry.position <= after for entry in entries)
    shown = entries[first : first + PAGE]
    return Page(
        entries=shown,
        earlier=_before(entries, max(0, first - PAGE)) if first else None,
        later=shown[-1].position if first + PAGE < len(entries) else None,
        newest=_before(entries, newest),
    )


def _before(entries: Sequence[Entry], number: int) -> int:
    """The position after which this one is the first."""
    return entries[number - 1].position if number else 0


def _is_of(event: AnyEvent, booking: str) -> bool:
    name: BookingId | None = getattr(event, "booking", None)
    return name is not None and booking in (name, locator_of(name))
