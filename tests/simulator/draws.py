"""What a seed decides: how bad the world is, what flies, who books what.

Every part of a world draws from a stream of chances of its own, so that one part can be left out and the others stay
as they are. `without` names the parts that are left out.
"""

from collections.abc import Collection, Sequence
from random import Random
from typing import TypeVar

from msgspec import Struct

from ledger.events import FlightScheduled
from ledger.messages import OpenBooking
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, Segment
from tests.simulator.disk import SOUND, DiskTrouble
from tests.simulator.network import CLEAR, NetworkTrouble
from tests.simulator.travellers import HABITS, ONE_STEP, Habit

T = TypeVar("T")

START: Millis = 1_790_000_000_000
HOUR_MS = 3_600_000
SKEW_MS_MAX = HOUR_MS
STORM_MS = 60_000
"""How long the trouble of a day lasts."""
TRAVELLERS_MIN, TRAVELLERS_MAX = 4, 10
"""A day's."""
NO_SUCH_FLIGHT: FlightId = "JG9999/2026-12-14"
FARE = 10_000


class Trouble(Struct, frozen=True):
    """How bad a day is. The last four are mean pauses between blows; 0 means never."""

    network: NetworkTrouble = CLEAR
    disk: DiskTrouble = SOUND
    crash_ms: Millis = 0
    cut_ms: Millis = 0
    full_ms: Millis = 0
    clock_ms: Millis = 0


CALM = Trouble()
TROUBLES = (*NetworkTrouble.__struct_fields__, *DiskTrouble.__struct_fields__, *Trouble.__struct_fields__[2:])
"""The kinds of trouble, by which they are left out."""


def draw_trouble(chance: Random, without: Collection[str]) -> Trouble:
    def one_of(name: str, *choices: T) -> T:
        chosen = chance.choice(choices)
        return choices[0] if name in without else chosen

    return Trouble(
        network=NetworkTrouble(
            loss=one_of("loss", 0.0, 0.02, 0.1, 0.3),
            repeat=one_of("repeat", 0.0, 0.05, 0.3),
            keep=one_of("keep", 0.0, 0.01, 0.04),
            late=one_of("late", 0.0, 0.05, 0.3),
            garbled=one_of("garbled", 0.0, 0.0, 0.05),
            cut_off=one_of("cut_off", 0.0, 0.0, 0.1),
        ),
        disk=DiskTrouble(
            slow=one_of("slow", 0.0, 0.0, 0.1),
            fails=one_of("fails", 0.0, 0.0, 0.03),
            torn=one_of("torn", 0.0, 0.02, 0.08),
        ),
        crash_ms=one_of("crash_ms", 0, 60_000, 30_000, 10_000),
        cut_ms=one_of("cut_ms", 0, 30_000, 10_000),
        full_ms=one_of("full_ms", 0, 0, 30_000),
        clock_ms=one_of("clock_ms", 0, 0, 10_000),
    )


def draw_skew(chance: Random) -> Millis:
    """How wrong a clock is: mostly not at all, at worst an hour."""
    seconds, hour = chance.randint(-3_000, 3_000), chance.randint(-SKEW_MS_MAX, SKEW_MS_MAX)
    return chance.choice([0, 0, seconds, hour])


def draw_plans(chance: Random, carrier: CarrierCode) -> list[FlightScheduled]:
    """Two flights with a few seats, so that travellers must fight; some leave while they do."""
    return [_draw_plan(chance, f"{carrier}{number}/2026-12-14") for number in (1001, 1002)]


def _draw_plan(chance: Random, flight: FlightId) -> FlightScheduled:
    seats = tuple(f"{row}{letter}" for row in (1, 2) for letter in "ABC")[: chance.randint(3, 5)]
    departure = START + (STORM_MS // 2 if chance.random() < 0.05 else 100 * HOUR_MS)
    return FlightScheduled(
        at=START,
        flight=flight,
        origin="FEC",
        destination="CGB",
        departure=departure,
        arrival=departure + HOUR_MS,
        aircraft="A",
        cabin="AB C",
        seats=seats,
        fare=FARE,
    )


def draw_order(chance: Random, name: str, path: Sequence[FlightScheduled]) -> tuple[OpenBooking, Habit]:
    """What one person wants, and what they are like."""
    booking: BookingId = f"{name}-{chance.getrandbits(64):016x}"
    habit = chance.choice(HABITS)
    passengers = chance.choice([1, 1, 1, 2, 3])
    order = OpenBooking(
        booking=booking,
        segments=tuple(_draw_segment(chance, plan, passengers) for plan in path),
        passengers=passengers,
        body_hash=f"body of {booking}",
        confirm=habit in ONE_STEP or chance.random() < 0.1,
    )
    return order, habit


def _draw_segment(chance: Random, plan: FlightScheduled, passengers: int) -> Segment:
    named = tuple(chance.sample(plan.seats, passengers)) if chance.random() < 0.5 else ()
    return Segment(
        flight=NO_SUCH_FLIGHT if chance.random() < 0.01 else plan.flight,
        origin=plan.origin,
        destination=plan.destination,
        departure=plan.departure,
        arrival=plan.arrival,
        fare=FARE + 1 if chance.random() < 0.02 else FARE,
        seats=named,
    )
