"""What `passcom book` shows: the itineraries to choose from, and what was bought on each carrier."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table

from airline_node.book.shapes import Booking, Itineraries, Itinerary
from airline_node.timetable import Timetable, load
from ledger.messages import Status
from ledger.terms import AirportCode, Centavos

LINE_MAX = 500
"""Characters of a sentence, some of which a node may have sent."""


def show_options(title: str, found: Itineraries, passengers: int, timetable: Timetable, console: Console) -> None:
    each = "" if passengers == 1 else f", for {passengers} passengers"
    say(console, f"Itineraries {title}{each}; times are local to each airport")
    table = Table("", "departs", "arrives", "time", "flights and connections", box=box.SIMPLE_HEAD)
    table.add_column("price", justify="right", no_wrap=True)
    for number, option in enumerate(found.itineraries, 1):
        first, last = option.segments[0], option.segments[-1]
        departure = local(first.departure, first.origin, timetable)
        arrival = local(last.arrival, last.destination, timetable)
        later = f" +{days}" if (days := (arrival.date() - departure.date()).days) else ""
        table.add_row(
            str(number),
            f"{departure:%H:%M}",
            f"{arrival:%H:%M}{later}",
            f"{option.minutes // 60}h{option.minutes % 60:02}",
            " ".join(_path(option)),
            reais(option.price),
        )
    console.print(table)
    for carrier, age_s in found.stale.items():
        say(console, f"{carrier} was last heard {age_s:.0f} s ago: its free seats may have changed.")


def _path(option: Itinerary) -> Iterator[str]:
    """Flights and the airports between them, in order: IP4001 SSA JG2055."""
    for segment in option.segments[:-1]:
        yield segment.flight.partition("/")[0]
        yield segment.destination
    yield option.segments[-1].flight.partition("/")[0]


def show_booking(booking: Booking, at: str, console: Console) -> None:
    say(console, f"{booking.status.capitalize()}: locator {booking.locator}, {reais(booking.total)}")
    if booking.hold_until:
        say(console, f"The seats are yours until {booking.hold_until.astimezone():%H:%M %Z}. To buy them:")
        say(console, f"  curl -X POST {at}/api/bookings/{booking.booking}/confirm")
    if booking.tickets:
        say(console, f"E-tickets, one a passenger: {' '.join(booking.tickets)}")
    table = Table("carrier", "flight", "from", "to", "seats", "state", box=box.SIMPLE_HEAD)
    carriers = load().carriers
    for sold in booking.segments:
        name = carriers[sold.carrier].name if sold.carrier in carriers else sold.carrier
        table.add_row(name, sold.flight, sold.origin, sold.destination, " ".join(sold.seats), sold.state)
    console.print(table)
    if booking.status == Status.CONFIRMED and booking.pending:
        say(console, f"This is decided and stays so. Still to be recorded by {', '.join(booking.pending)}.")


def local(instant: datetime, airport: AirportCode, timetable: Timetable) -> datetime:
    """As the airport's clocks show it; in UTC at an airport that only the node knows."""
    known = timetable.airports.get(airport)
    return instant.astimezone(known.zone() if known else UTC)


def reais(amount: Centavos) -> str:
    """As it is written in Brazil: `R$ 1.234,56`."""
    whole = f"{amount // 100:,}".replace(",", ".")
    return f"R$ {whole},{amount % 100:02}"


def say(console: Console, text: str) -> None:
    """One line, as it is: no markup, no control characters that a node may have sent."""
    shown = "".join(filter(str.isprintable, text))
    console.print(shown[:LINE_MAX], markup=False, highlight=False, soft_wrap=True)
