"""The network on paper: carriers, airports, aircraft, and the week that every carrier flies.

From it a carrier opens its flights for sale. Rule: the pattern of the week counts, not the printed
season, so there is always something on sale, whatever today is. Local times become UTC here and nowhere else.
"""

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Raw, Struct, field

from ledger.events import FlightScheduled
from ledger.terms import CARRIER_PATTERN, SEAT_PATTERN, AirportCode, CarrierCode, Centavos, Millis, SeatNo

SALE_DAYS = 30
"""How many days are on sale, today included."""
DATA = files("airline_node") / "data"

SeatKind: TypeAlias = Literal["window", "middle", "aisle"]
Code = Annotated[str, Meta(pattern=r"^[A-Z0-9]{2,3}$")]
Colour = Annotated[str, Meta(pattern="^#[0-9a-f]{6}$")]
ClockTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class BadTimetable(Exception):
    """A data file cannot be used. The message names the file, the row and what is wrong with it."""


class Carrier(Struct, frozen=True, kw_only=True):
    """`prefix` is the three digits that begin the carrier's ticket numbers.

    `colour` is its own on a light page, `colour_dark` on a dark one; each is read as text on its page.
    """

    name: str
    prefix: Annotated[str, Meta(pattern="^[0-9]{3}$")]
    colour: Colour = "#3c4b64"
    colour_dark: Colour = "#b6c2d6"


class Airport(Struct, frozen=True, kw_only=True):
    """`mct_minutes` is the minimum connection time: from one flight's arrival to the next one's departure."""

    city: str
    name: str
    tz: str
    state: str = ""
    mct_minutes: Annotated[int, Meta(ge=0, le=24 * 60)] = field(name="mct")

    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.tz)

    def instant(self, day: date, clock: time = time.min) -> Millis:
        """When its clocks show this time on this day; without a time, when the day begins."""
        return int(datetime.combine(day, clock, self.zone()).timestamp()) * 1000

    def ready_at(self, arrival: Millis) -> Millis:
        """The earliest departure that a passenger who arrives then may be sold: the connection rule itself."""
        return arrival + self.mct_minutes * 60_000


class Aircraft(Struct, frozen=True, kw_only=True):
    """`cabin` draws a row's columns with its aisles, `ABC DEF`; `exits` are the rows at an emergency exit."""

    name: str
    rows: Annotated[int, Meta(ge=1, le=99)]
    cabin: Annotated[str, Meta(pattern="^[A-K]+( [A-K]+)*$")] = field(name="cols")
    exits: tuple[int, ...] = ()
    missing: tuple[Annotated[SeatNo, Meta(pattern=SEAT_PATTERN)], ...] = ()

    def seats(self) -> tuple[SeatNo, ...]:
        """Every seat, row by row from the front, each row from left to right."""
        columns = self.cabin.replace(" ", "")
        every = (f"{row}{column}" for row in range(1, self.rows + 1) for column in columns)
        return tuple(seat for seat in every if seat not in self.missing)

    def at_exit(self, seat: SeatNo) -> bool:
        return int(seat[:-1]) in self.exits


class WeeklyFlight(Struct, frozen=True, kw_only=True):
    """One line of the schedule; its other columns are for print. Clock times are local at their airports.

    `days` has a digit for each weekday it flies, Monday first, and a hyphen for the others: `12345-7`.
    """

    carrier: Annotated[CarrierCode, Meta(pattern=CARRIER_PATTERN)]
    number: Annotated[str, Meta(pattern="^[A-Z]{2}[0-9]{4}$")] = field(name="flight")
    origin: AirportCode = field(name="orig")
    destination: AirportCode = field(name="dest")
    days: Annotated[str, Meta(pattern="^[1-][2-][3-][4-][5-][6-][7-]$")]
    departs: ClockTime = field(name="std")
    arrives: ClockTime = field(name="sta")
    day_offset: Annotated[int, Meta(ge=0, le=1)]
    aircraft: Code = field(name="equip")
    fare_brl: Annotated[str, Meta(pattern=r"^[0-9]{1,6}\.[0-9]{2}$")] = field(name="fare_light_brl")

    def flies_on(self, day: date) -> bool:
        return str(day.isoweekday()) in self.days

    def fare(self) -> Centavos:
        """Exact, because no float is ever made of it."""
        return int(self.fare_brl.replace(".", ""))


class Timetable(Struct, frozen=True, kw_only=True):
    """All of the network. Made by `load`, or of any rows by whoever wants another network."""

    carriers: Mapping[CarrierCode, Carrier]
    airports: Mapping[AirportCode, Airport]
    aircraft: Mapping[str, Aircraft]
    week: tuple[WeeklyFlight, ...]

    def today(self, now: Millis) -> date:
        """The date where the day is youngest, so that a sale which begins with it leaves out no flight of today."""
        instant = datetime.fromtimestamp(now // 1000, UTC)
        return min(instant.astimezone(airport.zone()).date() for airport in self.airports.values())

    def departures(
        self, carrier: CarrierCode, first: date, days: int = SALE_DAYS, *, at: Millis
    ) -> list[FlightScheduled]:
        """What the carrier opens for sale at `at`: its flights of these dates, local at their origins.

        In order of departure; those that have departed by `at` are left out.
        """
        seats = {code: aircraft.seats() for code, aircraft in self.aircraft.items()}
        dates = [first + timedelta(days=n) for n in range(days)]
        flights = [
            flight
            for weekly in self.week
            if weekly.carrier == carrier
            for day in dates
            if weekly.flies_on(day)
            if (flight := self._on(day, weekly, seats[weekly.aircraft], at)).departure > at
        ]
        return sorted(flights, key=lambda flight: (flight.departure, flight.flight))

    def _on(self, day: date, weekly: WeeklyFlight, seats: tuple[SeatNo, ...], at: Millis) -> FlightScheduled:
        departure, arrival = self.times(weekly, day)
        return FlightScheduled(
            at=at,
            flight=f"{weekly.number}/{day.isoformat()}",
            origin=weekly.origin,
            destination=weekly.destination,
            departure=departure,
            arrival=arrival,
            aircraft=weekly.aircraft,
            cabin=self.aircraft[weekly.aircraft].cabin,
            seats=seats,
            fare=weekly.fare(),
        )

    def times(self, weekly: WeeklyFlight, day: date) -> tuple[Millis, Millis]:
        """Departure and arrival of the flight that leaves on this day, local at its origin."""
        origin, destination = self.airports[weekly.origin], self.airports[weekly.destination]
        landing_day = day + timedelta(days=weekly.day_offset)
        return (
            origin.instant(day, time.fromisoformat(weekly.departs)),
            destination.instant(landing_day, time.fromisoformat(weekly.arrives)),
        )


def load(folder: Traversable = DATA) -> Timetable:
    """The network as the four files of a folder describe it. Raises `BadTimetable`."""
    timetable = Timetable(
        carriers=carriers(folder),
        airports=_table(folder / "airports.json", Airport),
        aircraft=_table(folder / "aircraft.json", Aircraft),
        week=tuple(_week(folder / "schedule.csv")),
    )
    for code, airport in timetable.airports.items():
        try:
            airport.zone()
        except (KeyError, ValueError) as error:
            raise BadTimetable(f"airports.json, {code}: there is no time zone {airport.tz!r}") from error
    _check_week(timetable)
    return timetable


def carriers(folder: Traversable = DATA) -> dict[CarrierCode, Carrier]:
    """The carriers alone, for whoever needs no more than their names. Raises `BadTimetable`."""
    return _table(folder / "carriers.json", Carrier)


def seat_kind(cabin: str, seat: SeatNo) -> SeatKind:
    """Where a seat is in its row. A seat that is at a window and at an aisle counts as a window seat."""
    column = seat[-1]
    if column in (cabin[0], cabin[-1]):
        return "window"
    return "aisle" if any(column in (block[0], block[-1]) for block in cabin.split()) else "middle"


Row = TypeVar("Row", Carrier, Airport, Aircraft)


def _table(file: Traversable, row: type[Row]) -> dict[str, Row]:
    # Row by row, because an error inside a mapping does not tell its key.
    try:
        rows = msgspec.json.decode(file.read_bytes(), type=dict[Code, Raw])
    except (OSError, msgspec.DecodeError) as error:
        raise BadTimetable(f"{file.name}: {error}") from error
    table = {}
    for code, raw in rows.items():
        try:
            table[code] = msgspec.json.decode(raw, type=row)
        except msgspec.DecodeError as error:
            raise BadTimetable(f"{file.name}, {code}: {error}") from error
    return table


def _week(file: Traversable) -> Iterable[WeeklyFlight]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadTimetable(f"{file.name}: {error}") from error
    reader = csv.DictReader(lines)
    for row in reader:
        try:
            # The columns are words even where they mean numbers, hence not strict.
            yield msgspec.convert(row, WeeklyFlight, strict=False)
        except msgspec.ValidationError as error:
            raise BadTimetable(f"{file.name}, line {reader.line_num}: {error}") from error


def _check_week(timetable: Timetable) -> None:
    flown: set[tuple[str, str]] = set()
    for weekly in timetable.week:
        days = {(weekly.number, day) for day in weekly.days if day != "-"}
        if fault := _fault(timetable, weekly) or (days & flown and "it already flies on one of these days"):
            raise BadTimetable(f"schedule.csv, {weekly.number}: {fault}")
        flown |= days


def _fault(timetable: Timetable, weekly: WeeklyFlight) -> str | None:
    if weekly.carrier not in timetable.carriers or not weekly.number.startswith(weekly.carrier):
        return f"not a flight of a known carrier: {weekly.carrier!r}"
    for code in (weekly.origin, weekly.destination):
        if code not in timetable.airports:
            return f"unknown airport {code!r}"
    if weekly.aircraft not in timetable.aircraft:
        return f"unknown aircraft {weekly.aircraft!r}"
    departure, arrival = timetable.times(weekly, date(2024, 1, 1))
    return None if departure < arrival else "it arrives before it departs"
