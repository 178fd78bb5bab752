"""What a running node shows of its seats is held against its log, however many flights it has."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from aiohttp import web
from msgspec.structs import replace

from airline_node import taken
from airline_node.door import respond_with
from airline_node.routes import NETWORK
from airline_node.taken import TakenAnswer, TakenSeats
from ledger.audit import Fault
from ledger.events import SeatHeld
from ledger.terms import FlightId
from tests.audit.given import HERE, Told, booking_id, flight, honest, write
from tests.audit.served import Lie, audited_at, serving
from tests.evidence.given import NOW

pytestmark = pytest.mark.slow
FLIGHTS = 310
ONE = "AN1000/2026-12-14"
"""The first by its name: it is put on sale before all others, too."""


def busy() -> Iterator[Told]:
    """An airline with so many flights that day, and on each a traveller who makes up their mind."""
    for number in range(FLIGHTS):
        name = f"AN{1000 + number}/2026-12-14"
        yield "AN", replace(flight(HERE), flight=name)
        yield (
            "AN",
            SeatHeld(
                at=NOW,
                flight=name,
                seat="1A",
                booking=booking_id(number),
                coordinator="AN",
                participants=(name,),
                expires_at=NOW + 600_000,
            ),
        )


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("busy")
    write(made, [*busy(), *(told for told in honest(1) if told[0] == "JG")])
    return made


def showing(change: dict[FlightId, TakenSeats | None]) -> Lie:
    """A node that shows these flights otherwise, or not at all."""

    async def read(request: web.Request) -> web.Response:
        told = taken.taken(request.app[NETWORK].own_flights(), request.query["after"])
        shown = [change.get(one.flight, one) for one in told.flights]
        return respond_with(TakenAnswer(tuple(one for one in shown if one)))

    return lambda app: app.router.add_get("/api/taken", read)


def differing(logs: Path, lie: Lie) -> list[tuple[str, str]]:
    with serving(logs, "AN", lie) as address:
        told = audited_at(address, str(logs / "JG"))
    return [(one.stream, one.detail) for one in told.findings if one.fault is Fault.LIVE]


def test_every_flight_is_compared_in_pages_and_progress_is_told(logs: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    with serving(logs, "AN") as address, patch.object(taken, "FLIGHTS_PER_PAGE", 100):
        told = audited_at(address, str(logs / "JG"), compared=lambda *so_far: heard.append(so_far))
    assert [one for one in told.findings if one.fault is Fault.LIVE] == []
    assert heard == [("AN", done, FLIGHTS) for done in (100, 200, 300, 310)]


@pytest.mark.parametrize(
    ("shown", "detail"),
    [
        (TakenSeats(ONE, (), ()), "the node shows 1A as free, and its log says held"),
        (TakenSeats(ONE, (), ("1A",)), "the node shows 1A as sold, and its log says held"),
        (TakenSeats(ONE, ("1A", "2B"), ()), "the node shows 2B as held, and its log says free"),
        (None, "the node shows no such flight, and its log says that 1 of its seats are taken"),
    ],
    ids=["free", "sold", "held", "hidden"],
)
def test_a_seat_that_a_node_shows_otherwise_is_named_on_whichever_flight_it_is(
    logs: Path, shown: TakenSeats | None, detail: str
) -> None:
    with patch("airline_node.audit.run._now", lambda: NOW):
        assert differing(logs, showing({ONE: shown})) == [(f"flight:{ONE}", detail)]


@pytest.mark.parametrize("pages", [[[ONE], [ONE]], [["AN1001/2026-12-14"], [ONE]]], ids=["again", "backwards"])
def test_a_node_that_comes_to_no_end_is_not_waited_for(logs: Path, pages: Sequence[Sequence[str]]) -> None:
    left = list(pages)

    async def read(_request: web.Request) -> web.Response:
        return respond_with(TakenAnswer(tuple(TakenSeats(one, (), ()) for one in left.pop(0))))

    with serving(logs, "AN", lambda app: app.router.add_get("/api/taken", read)) as address:
        told = audited_at(address, str(logs / "JG"))
    [notice] = told.notices
    assert notice.startswith("what AN's node shows of its seats was not compared")
