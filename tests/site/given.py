"""What the tests of the pages' own logic start from: two airports' worth of world, and flights in it."""

from zoneinfo import ZoneInfo

from ledger.messages import BookingView, SegmentState, SegmentView, Status
from ledger.terms import AirportCode, CarrierCode, Millis
from ui.desk import Airport, Cabin, Journey, Leg

HOUR: Millis = 3_600_000
NOON: Millis = 1_796_137_200_000
"""12:00 in São Paulo, on the 1st of December 2026."""


def airport(code: AirportCode, city: str, state: str, zone: str = "America/Sao_Paulo") -> Airport:
    return Airport(code=code, city=city, name=f"{city} Airport", state=state, zone=ZoneInfo(zone), mct_minutes=50)


AIRPORTS = {
    known.code: known
    for known in (
        airport("FEC", "Feira de Santana", "Bahia", "America/Bahia"),
        airport("SSA", "Salvador", "Bahia", "America/Bahia"),
        airport("GRU", "São Paulo (Guarulhos)", "São Paulo"),
        airport("CGH", "São Paulo (Congonhas)", "São Paulo"),
        airport("CGB", "Cuiabá", "Mato Grosso", "America/Cuiaba"),
        airport("SLZ", "São Luís", "Maranhão", "America/Fortaleza"),
    )
}


def leg(
    flight: str = "AN1117/2026-12-01",
    origin: AirportCode = "FEC",
    destination: AirportCode = "CGB",
    departure: Millis = NOON,
    hours: float = 2,
    fare: int = 30_000,
    free: int = 50,
) -> Leg:
    return Leg(
        flight=flight,
        origin=origin,
        destination=destination,
        departure=departure,
        arrival=departure + int(hours * HOUR),
        fare=fare,
        free=free,
        aircraft="Airbus A320",
    )


def journey(*legs: Leg) -> Journey:
    return Journey(legs=legs, price=sum(each.fare for each in legs))


def cabin(taken: tuple[str, ...] = (), columns: str = "ABC DEF", rows: int = 3, exits: tuple[int, ...] = (2,)) -> Cabin:
    seats = tuple(f"{row}{letter}" for row in range(1, rows + 1) for letter in columns.replace(" ", ""))
    return Cabin(
        flight="AN1117/2026-12-01",
        aircraft="Airbus A320",
        columns=columns,
        seats=seats,
        letters="".join("s" if seat in taken else "." for seat in seats),
        exits=exits,
        revision=1,
    )


def view(
    status: Status, *states: tuple[CarrierCode, SegmentState], pending: tuple[CarrierCode, ...] = ()
) -> BookingView:
    return BookingView(
        booking="b" * 20,
        locator="K7QX2M",
        status=status,
        total=80_000,
        hold_until=None,
        reason=None,
        detail=None,
        tickets=(),
        segments=tuple(
            SegmentView(
                flight=f"{carrier}{n:04}/2026-12-01",
                carrier=carrier,
                origin="FEC",
                destination="CGB",
                departure=NOON + n * HOUR,
                arrival=NOON + (n + 1) * HOUR,
                seats=("1A",),
                state=state,
            )
            for n, (carrier, state) in enumerate(states)
        ),
        pending=pending,
    )
