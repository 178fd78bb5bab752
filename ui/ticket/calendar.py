"""The itinerary for a traveller's own calendar (RFC 5545): one event a flight, in the time of each airport."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event

from ledger.terms import Millis

AROUND = timedelta(days=400)


class Leg(NamedTuple):
    """`uid` stays the same for one flight of one booking, so that a calendar replaces what it has."""

    uid: str
    title: str
    place: str
    words: str
    departure: Millis
    departs_in: ZoneInfo
    arrival: Millis
    arrives_in: ZoneInfo


def calendar(legs: Sequence[Leg], *, cancelled: bool, now: Millis) -> bytes:
    """A whole `.ics` file, with the rules of every time zone that it names."""
    file = Calendar()
    file.add("prodid", "-//PASSCOM//booking site//EN")
    file.add("version", "2.0")
    file.add("method", "PUBLISH")
    for leg in legs:
        event = Event()
        event.add("uid", leg.uid)
        event.add("dtstamp", _instant(now, UTC))
        event.add("dtstart", _instant(leg.departure, leg.departs_in))
        event.add("dtend", _instant(leg.arrival, leg.arrives_in))
        event.add("summary", leg.title)
        event.add("location", leg.place)
        event.add("description", leg.words)
        event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
        file.add_component(event)
    # Their rules around the journey, not those of a century.
    days = [_instant(leg.departure, UTC).date() for leg in legs]
    file.add_missing_timezones(first_date=min(days) - AROUND, last_date=max(days) + AROUND)
    return bytes(file.to_ical())


def _instant(at: Millis, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC).astimezone(zone)
