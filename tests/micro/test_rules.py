"""The four pure functions, of each machine, and a whole booking through the ledger."""

from itertools import count

from ledger import coordinator, participant
from ledger.coordinator.state import Booking
from ledger.ledger import Ledger
from ledger.messages import OpenSales
from ledger.participant.state import Flight
from tests.ledger import given
from tests.micro import Benchmark

SEATS = tuple(f"{row}{column}" for row in range(1, 31) for column in "ABCDEF")
SOLD = 150
ROUNDS = 2_000


def half_sold() -> Flight:
    """A flight as it is in the middle of its sale, one traveller a seat."""
    state = Flight(given.JG_FLIGHT)
    participant.evolve(state, given.scheduled(seats=SEATS))
    for n, seat in enumerate(SEATS[:SOLD]):
        booking = f"{n:024d}"
        participant.evolve(state, given.pledged(seat, booking))
        participant.evolve(state, given.sold(seat, booking))
    return state


def test_a_participant_decides(benchmark: Benchmark) -> None:
    flight, asked = half_sold(), given.prepare()
    assert benchmark(participant.decide, flight, asked, given.NOW)


def test_a_participant_evolves(benchmark: Benchmark) -> None:
    def fresh() -> tuple[tuple[Flight, object], dict[str, object]]:
        return (given.flight(), given.pledged()), {}

    benchmark.pedantic(participant.evolve, setup=fresh, rounds=ROUNDS)


def test_a_participant_replies(benchmark: Benchmark) -> None:
    flight, asked = given.flight(given.pledged()), given.prepare()
    assert benchmark(participant.reply, flight, asked)


def test_what_a_participant_owes(benchmark: Benchmark) -> None:
    assert list(benchmark(participant.pending, half_sold())) == []


def test_a_coordinator_decides(benchmark: Benchmark) -> None:
    booking, vote = given.booking(given.opened(), given.voting()), given.yes(given.JG_FLIGHT, "1A")
    assert benchmark(coordinator.decide, booking, vote, given.NOW)


def test_a_coordinator_evolves(benchmark: Benchmark) -> None:
    def fresh() -> tuple[tuple[Booking, object], dict[str, object]]:
        return (given.booking(given.opened()), given.voting()), {}

    benchmark.pedantic(coordinator.evolve, setup=fresh, rounds=ROUNDS)


def test_a_coordinator_replies(benchmark: Benchmark) -> None:
    booking = given.booking(given.opened(), given.voting(), given.committed())
    assert benchmark(coordinator.reply, booking, given.READ)


def test_what_a_coordinator_owes(benchmark: Benchmark) -> None:
    booking = given.booking(given.opened(), given.voting())
    assert len(benchmark(coordinator.pending, booking)) == 2


def test_a_whole_booking_on_one_carrier(benchmark: Benchmark) -> None:
    ledger, numbers = Ledger("AN", "981"), count()

    def sell() -> int:
        """On a new flight: so that however often it runs, each booking finds the same."""
        n = next(numbers)
        flight = f"AN{1000 + n % 9000}/{2000 + n // 9000}-12-14"
        ledger.handle(OpenSales((given.scheduled(flight, SEATS),)), given.NOW)
        order = given.open_booking(given.segment(flight), confirm=True, booking=f"{n:024d}")
        ledger.handle(order, given.NOW)
        change = ledger.take()
        ledger.forget(change.settled)
        return len(change.records)

    assert benchmark(sell) == 7
