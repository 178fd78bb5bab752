"""What a seed decides: how bad the world is, what flies, who books what."""

from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct

from ledger.events import FlightScheduled
from ledger.messages import OpenBooking, ReadTransactions
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, Segment
from tests.simulator.travellers import HABITS, ONE_STEP, Traveller

if TYPE_CHECKING:
    from tests.simulator.world import World

START: Millis = 1_790_000_000_000
HOUR_MS = 3_600_000
SKEW_MS_MAX = HOUR_MS
TROUBLE_MS = 90_000
NO_SUCH_FLIGHT: FlightId = "JG9999/2026-12-14"
FARE = 10_000


class Trouble(Struct, frozen=True):
    """How bad a world is: probabilities a message, of a crash in the middle of a write, mean pauses between blows."""

    loss: float
    repeat: float
    keep: float
    late: float
    torn: float
    crash_ms: Millis
    cut_ms: Millis


CALM = Trouble(loss=0, repeat=0, keep=0, late=0, torn=0, crash_ms=0, cut_ms=0)


def draw_skew(chance: Random) -> Millis:
    """How wrong a clock is: mostly not at all, at worst an hour."""
    seconds, hour = chance.randint(-3_000, 3_000), chance.randint(-SKEW_MS_MAX, SKEW_MS_MAX)
    return chance.choice([0, 0, seconds, hour])


def draw_trouble(chance: Random) -> Trouble:
    return Trouble(
        loss=chance.choice([0.0, 0.02, 0.1, 0.3]),
        repeat=chance.choice([0.0, 0.05, 0.3]),
        keep=chance.choice([0.0, 0.01, 0.04]),
        late=chance.choice([0.0, 0.05, 0.3]),
        torn=chance.choice([0.0, 0.02, 0.08]),
        crash_ms=chance.choice([0, 40_000, 15_000, 6_000]),
        cut_ms=chance.choice([0, 30_000, 10_000]),
    )


def draw_plans(chance: Random, carrier: CarrierCode) -> list[FlightScheduled]:
    """Two flights with a few seats, so that travellers must fight; some leave while they do."""
    return [_draw_plan(chance, f"{carrier}{number}/2026-12-14") for number in (1001, 1002)]


def _draw_plan(chance: Random, flight: FlightId) -> FlightScheduled:
    seats = tuple(f"{row}{letter}" for row in (1, 2) for letter in "ABC")[: chance.randint(3, 6)]
    departure = START + (60_000 if chance.random() < 0.05 else 100 * HOUR_MS)
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


def draw_traveller(world: "World", name: str) -> Traveller:
    """One person's order; now and then somebody asks about it too early, or an operator looks at what waits."""
    chance = world.chance
    booking: BookingId = f"{name}-{chance.getrandbits(64):016x}"
    carrier, habit = chance.choice(world.carriers), chance.choice(HABITS)
    passengers = chance.choice([1, 1, 1, 2, 3])
    plans = chance.sample(world.plans, chance.choice([1, 2, 2, 3, 3]))
    order = OpenBooking(
        booking=booking,
        segments=tuple(_draw_segment(chance, plan, passengers) for plan in plans),
        passengers=passengers,
        body_hash=f"body of {booking}",
        confirm=habit in ONE_STEP or chance.random() < 0.1,
    )
    if chance.random() < 0.05:
        world.later(chance.randint(0, TROUBLE_MS), lambda: world.ask_too_early(order, carrier))
    if chance.random() < 0.1:
        operator = world.servers[carrier]
        world.later(chance.randint(0, TROUBLE_MS), lambda: operator.ask(ReadTransactions()))
    return Traveller(world, order, carrier, habit)


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
