"""A traveller's calendar shows each flight at the time of its airports."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar

from ui.ticket.calendar import Leg, calendar

DEPARTURE = 1_797_237_600_000  # 2026-12-14 08:40 UTC
LEG = Leg(
    uid="b-1@an.passcom",
    title="IP4001 FEC–CGB",
    place="Feira de Santana (FEC)",
    words="Seat 4A; locator K7QX2M\nTwo lines, with a comma",
    departure=DEPARTURE,
    departs_in=ZoneInfo("America/Bahia"),
    arrival=DEPARTURE + 2 * 3_600_000,
    arrives_in=ZoneInfo("America/Cuiaba"),
)


def test_departure_and_arrival_are_each_in_their_airports_own_time() -> None:
    [event] = Calendar.from_ical(calendar([LEG], cancelled=False, now=DEPARTURE)).walk("VEVENT")
    start, end = event.decoded("DTSTART"), event.decoded("DTEND")
    assert (f"{start:%H:%M}", start.utcoffset()) == ("05:40", timedelta(hours=-3))
    assert (f"{end:%H:%M}", end.utcoffset()) == ("06:40", timedelta(hours=-4))
    assert event["DTSTART"].to_ical() == b"20261214T054000"
    assert (str(start.tzinfo), str(end.tzinfo)) == ("America/Bahia", "America/Cuiaba")
    assert str(event["DESCRIPTION"]) == LEG.words


def test_the_file_explains_every_zone_that_it_names() -> None:
    file = Calendar.from_ical(calendar([LEG], cancelled=False, now=DEPARTURE))
    assert {str(zone["TZID"]) for zone in file.walk("VTIMEZONE")} == {"America/Bahia", "America/Cuiaba"}


def test_a_cancelled_trip_takes_its_flights_out_of_the_calendar() -> None:
    before, after = (calendar([LEG], cancelled=cancelled, now=DEPARTURE) for cancelled in (False, True))
    [sold], [given_back] = (Calendar.from_ical(file).walk("VEVENT") for file in (before, after))
    assert sold["UID"] == given_back["UID"]
    assert (sold["STATUS"], given_back["STATUS"]) == ("CONFIRMED", "CANCELLED")
