"""The auditors' pages: for auditors alone, the log as it is, a flight at any instant, what is owed. Without scripts."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer

from airline_node.rows import CHECKSUM_BYTES, sealed
from ledger.history import SeatState
from ledger.terms import locator_of
from ledger.tree import leaf_hash
from tests.audit.given import HERE, SEATS, STEP_MS, THERE, booking_id, honest, recorded, write
from tests.audit.pages import COOKIE, site
from tests.evidence.given import NOW
from ui import language
from ui.audit import routes
from ui.audit.instant import instant, millis, number_at
from ui.audit.sieve import page_of
from ui.logbook import Entry

T = TypeVar("T")
PATHS = [
    *("/audit", "/audit/log", "/audit/event/1", f"/audit/flight/{HERE}", f"/audit/booking/{booking_id(0)}"),
    "/audit/settlement",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("logs")
    write(made, honest(8))
    return made


@pytest.fixture(autouse=True)
def _in_english() -> None:
    language.speak("en")


Ask = Callable[[str], Awaitable[tuple[int, str]]]


def visit(folder: Path, work: Callable[[Ask], Awaitable[T]], who: str = "auditor") -> T:
    async def main() -> T:
        with ExitStack() as undo:
            app = site(folder / "AN", "AN", undo)
            async with TestClient(TestServer(app), cookies={COOKIE: who, "language": "en"}) as client:

                async def ask(path: str) -> tuple[int, str]:
                    async with client.get(path, allow_redirects=False) as answer:
                        return answer.status, answer.headers.get("Location", "") or await answer.text()

                return await work(ask)

    return asyncio.run(main())


def page(folder: Path, path: str, *, status: int = 200, who: str = "auditor") -> str:
    async def work(ask: Ask) -> str:
        found, text = await ask(path)
        assert found == status, (path, found, text[:300])
        return text

    return visit(folder, work, who)


def positions(folder: Path, path: str) -> list[int]:
    """Of the events that this page shows."""
    return [int(found) for found in re.findall(r'<th scope="row"><a href="/audit/event/(\d+)"', page(folder, path))]


def entries(flight: str = HERE) -> list[Entry]:
    log = recorded(honest(8))[flight[:2]]
    return [
        Entry(position, record.version, record.event)
        for position, record in enumerate(log, 1)
        if getattr(record.event, "flight", None) == flight
    ]


# ---- the pure part -----------------------------------------------------------------------------------------------


def test_an_instant_shows_the_seats_as_they_were_and_what_the_last_event_changed() -> None:
    told = entries()
    then = instant(told, 4)
    assert then.entry.position == 10
    assert then.counts == {SeatState.FREE: 22, SeatState.HELD: 0, SeatState.PLEDGED: 1, SeatState.SOLD: 1}
    seats = {seat.number: seat for _, blocks in then.rows for block in blocks for seat in block if seat}
    assert [name for name, seat in seats.items() if seat.changed] == ["1B"]
    assert (seats["1A"].state, seats["1A"].seller) == (SeatState.SOLD, "AN")
    assert seats["1B"].words == "1B, pledged, by AN, just changed"
    assert len(seats) == len(SEATS)
    assert all(rule.holds for rule in then.rules)


def test_every_instant_of_an_honest_flight_keeps_every_rule() -> None:
    told = entries(THERE)
    for number in range(1, len(told) + 1):
        assert [rule for rule in instant(told, number).rules if not rule.holds] == []


def test_a_broken_rule_shows_from_the_event_on_that_breaks_it() -> None:
    told = entries()
    del told[1]  # the first pledge
    broken = [[rule.holds for rule in instant(told, number).rules] for number in (1, 2)]
    assert broken == [[True, True, True, True], [True, False, False, True]]


def test_an_instant_of_the_clock_is_the_last_event_by_then() -> None:
    told = entries()
    assert number_at(told, NOW - 1) == 1
    assert number_at(told, NOW + 2 * STEP_MS + 2) == 4
    assert number_at(told, NOW + 10**9) == len(told)
    assert millis("2026-12-01T10:00") == millis("2026-12-01T07:00-03:00") == 1_796_119_200_000
    assert millis("yesterday") is None


# ---- the pages ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_only_an_auditor_gets_in(folder: Path) -> None:
    async def work(ask: Ask) -> list[tuple[int, str]]:
        return [await ask(path) for path in PATHS]

    assert {status for status, _ in visit(folder, work)} == {200}
    assert {status for status, _ in visit(folder, work, "traveller")} == {403}
    told = page(folder, "/audit", status=403, who="traveller")
    assert "This page is for the airline’s staff" in told
    assert "forms" not in told, "who may not look has sent nothing"
    guests = visit(folder, work, "nobody")
    assert {status for status, _ in guests} == {303}
    assert [where for _, where in guests if not where.startswith("/login?next=/audit")] == []


@pytest.mark.slow
def test_the_first_page_tells_how_far_the_log_is_proved_and_by_whom(folder: Path) -> None:
    text = page(folder, "/audit")
    assert text.count("cosigned 2025-11-24 16:00:00 UTC") == 2
    assert "No airline has shown two histories" in text
    assert "an.passcom\n49\n" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        (HERE.lower(), f"/audit/flight/{HERE}"),
        ("12", "/audit/event/12"),
        (booking_id(3), f"/audit/booking/{booking_id(3)}"),
    ],
)
def test_what_is_looked_up_is_found_by_what_it_looks_like(folder: Path, wanted: str, where: str) -> None:
    assert page(folder, f"/audit?find={wanted}", status=303) == where
    assert "neither a flight with its date" in page(folder, "/audit?find=?")


@pytest.mark.slow
def test_the_log_is_shown_in_pages_by_kind_and_from_an_instant_on(folder: Path) -> None:
    assert positions(folder, "/audit/log?after=0") == list(range(1, 50))
    assert positions(folder, "/audit/log?after=40") == list(range(41, 50))
    assert positions(folder, "/audit/log?after=0&kind=booking-committed") == list(range(5, 50, 6))
    assert positions(folder, "/audit/log?after=0&kind=flights")[:3] == [1, 4, 6]
    assert positions(folder, "/audit/log?at=2025-11-24T16:00:05")[0] == 26
    assert "There is nothing of this kind" in page(folder, "/audit/log?after=999999")


@pytest.mark.slow
def test_a_kind_that_is_not_among_the_newest_is_shown_from_the_first_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "PAGE", 5)
    assert positions(folder, "/audit/log?kind=flight-scheduled") == [1]
    none = page(folder, "/audit/log?kind=force-proposed")
    assert "There is nothing of this kind in this log." in none
    assert "Newest" not in none, "nowhere to go"


@pytest.mark.slow
def test_a_booking_of_another_airline_is_found_on_the_flight_that_it_was_seen_on(folder: Path) -> None:
    theirs = "booking-of-another-airline"
    where = page(folder, f"/audit/booking/{theirs}?flight={HERE}", status=303)
    assert where == f"/audit/log?flight={HERE}&booking={theirs}"
    for flight in ("", THERE, "nonsense"):
        page(folder, f"/audit/booking/{theirs}?flight={flight}", status=404)
    assert f"/audit/booking/{booking_id(0)}?flight={quote(HERE)}" in page(folder, f"/audit/flight/{HERE}?n=2")


@pytest.mark.slow
def test_the_log_is_shown_by_flight_by_booking_and_by_locator_beside_a_flight(folder: Path) -> None:
    mine = [entry.position for entry in entries()]
    ana, locator = booking_id(2), locator_of(booking_id(2))
    of_ana = [entry.position for entry in entries() if getattr(entry.event, "booking", None) == ana]
    assert len(of_ana) == 2
    assert positions(folder, f"/audit/log?flight={HERE.lower()}") == mine
    assert positions(folder, f"/audit/log?flight={HERE}&kind=seat-committed") == mine[2::2]
    assert positions(folder, f"/audit/log?flight={HERE}&after={mine[3]}") == mine[4:]
    assert positions(folder, f"/audit/log?flight={HERE}&at=2025-11-24T16:00:05") == [p for p in mine if p >= 26]
    for name in (ana, locator, locator.lower()):
        assert positions(folder, f"/audit/log?flight={HERE}&booking={name}") == of_ana
    whole = positions(folder, f"/audit/log?booking={ana}")
    assert set(of_ana) < set(whole)
    assert whole == sorted(whole)
    assert "There is nothing of this kind" in page(folder, f"/audit/log?booking={ana}&kind=seat-returned")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ("at=soon", "at", "This is no instant."),
        ("flight=1001", "flight", "Name a flight with its date, for example AN1001/2026-12-14."),
        (f"flight={THERE}", "flight", "This flight is another airline&#39;s"),
        ("flight=AN9999/2026-12-14", "flight", "never put such a flight on sale"),
        ("booking=<b>", "booking", "This is neither a booking nor a locator."),
        ("booking=K7QX2M", "booking", "Name the flight too"),
        ("booking=nobody-0000000000000000", "booking", "This airline took no such booking."),
    ],
)
def test_what_cannot_be_looked_for_is_told_at_its_field_and_nothing_is_shown(
    folder: Path, asked: str, field: str, words: str
) -> None:
    text = page(folder, f"/audit/log?{asked}", status=422)
    assert text.count(words) == 2, "in the summary and beside the field"
    assert f'<a href="#{field}">' in text
    assert '<th scope="row">' not in text


@pytest.mark.slow
def test_a_flight_s_and_a_booking_s_page_lead_to_their_events_in_the_log(folder: Path) -> None:
    for path in (f"/audit/flight/{HERE}", f"/audit/booking/{booking_id(0)}"):
        [link] = re.findall(r'href="(/audit/log\?(?:flight|booking)=[^"]+)"', page(folder, path))
        assert positions(folder, link)


def test_events_are_shown_in_pages_and_each_leads_to_its_neighbours() -> None:
    some = entries()[0].event
    many = [Entry(position, version, some) for version, position in enumerate(range(3, 363, 3))]
    newest = page_of(many, None)
    assert [entry.position for entry in newest.entries] == list(range(213, 363, 3))
    assert (newest.earlier, newest.later, newest.newest) == (many[19].position, None, many[69].position)
    middle = page_of(many, newest.earlier)
    assert [entry.position for entry in middle.entries] == list(range(63, 213, 3))
    assert (middle.earlier, middle.later) == (0, many[69].position)
    first = page_of(many, 0)
    assert (first.entries[0].position, first.earlier, first.later) == (3, None, many[49].position)
    assert page_of([], None) == page_of(many[:0], 5)


@pytest.mark.slow
def test_an_event_s_page_shows_the_hash_that_anybody_can_work_out(folder: Path) -> None:
    text = page(folder, "/audit/event/4")
    [leaf] = re.findall(r'class="hash">([0-9a-f]{64})<', text)
    stream, version, tag, state = sealed(recorded(honest(8))["AN"][3])
    assert leaf == leaf_hash(f"{tag}\n{stream}\n{version}\n".encode() + state[CHECKSUM_BYTES:]).hex()
    assert "has no event at that position" in page(folder, "/audit/event/999", status=404)
    page(folder, "/audit/event/x", status=404)


@pytest.mark.slow
def test_a_flight_is_scrubbed_through_by_links_and_by_a_form(folder: Path) -> None:
    text = page(folder, f"/audit/flight/{HERE}?n=4")
    assert f'href="/audit/flight/{HERE}?n=3"' in text
    assert f'href="/audit/flight/{HERE}?n=5"' in text
    assert '<button class="button without-scripts">Show</button>' in text
    assert text.count("then-changed") == 2  # in the legend and on the seat
    assert 'data-number="17"' in page(folder, f"/audit/flight/{HERE}?n=9999")
    assert 'data-number="5"' in page(folder, f"/audit/flight/{HERE}?at=2025-11-24T16:00:02.500")
    assert "another airline" in page(folder, f"/audit/flight/{THERE}", status=404)
    assert "never put such a flight on sale" in page(folder, "/audit/flight/AN9999/2026-12-14", status=404)


@pytest.mark.slow
def test_what_is_owed_is_netted_and_told_as_csv(folder: Path) -> None:
    address = "/audit/settlement?from=2025-12-01&to=2025-12-31"
    assert page(folder, address).count("R$2,004.00") == 3  # owed, paid, received
    [command] = re.findall("<code>(.*)</code>", page(folder, address))
    assert re.sub("<[^>]*>", "", command) == "passcom settle --from 2025-12-01 --to 2025-12-31 LOGS"
    lines = page(folder, f"{address}&as=csv").splitlines()
    assert len(lines) == 9
    assert lines[1] == f"AN,JG,25050,9810000000000,2,{THERE},1A,{booking_id(0)},,AN:5"
    page(folder, "/audit/settlement?from=2025-12-31&to=2025-12-01", status=422)
    assert "Nothing was sold" in page(folder, "/audit/settlement?from=2020-01-01&to=2020-01-31")
