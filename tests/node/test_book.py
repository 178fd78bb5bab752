"""The buyer's side of the promise: one order, one id, and no word on the outcome before it is known."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from io import StringIO
from threading import Event, Thread

import pytest
from aiohttp import web
from msgspec import structs
from rich.console import Console

from airline_node import answers
from airline_node.book import order as booking
from airline_node.book.order import Exit, Order
from airline_node.book.screen import reais
from ledger.messages import BookingView, ConfirmBooking, SegmentState, SegmentView, Status
from ledger.terms import locator_of, ticket_number

NOW = 1_796_299_200_000  # 2026-12-03T12:00Z
DAY = "2026-12-14"
SEGMENTS = [
    {"flight": f"IP4001/{DAY}", "carrier": "IP", "origin": "FEC", "destination": "SSA",
     "departure": f"{DAY}T09:10:00Z", "arrival": f"{DAY}T10:25:00Z"},
    {"flight": f"JG2055/{DAY}", "carrier": "JG", "origin": "SSA", "destination": "BSB",
     "departure": f"{DAY}T20:10:00Z", "arrival": f"{DAY}T22:05:00Z"},
    {"flight": f"AN1117/{DAY}", "carrier": "AN", "origin": "BSB", "destination": "CGB",
     "departure": "2026-12-15T03:10:00Z", "arrival": "2026-12-15T04:55:00Z"},
]  # fmt: skip
PRICED = [segment | {"fare": 40000, "free": 9} for segment in SEGMENTS]
OPTION = {
    "segments": PRICED,
    "price": 120056, "currency": "BRL", "minutes": 1185, "carriers": ["IP", "JG", "AN"],
}  # fmt: skip
CHEAPER = OPTION | {"segments": PRICED[:1], "price": 54180}
ORDER = Order(origin="FEC", destination="CGB", passengers=1, names=("Ana Lima",), email="ana@example.com", yes=True)


def view(booking_id: str, status: str) -> dict[str, object]:
    sold = [segment | {"seats": ["4A"], "state": "committed"} for segment in SEGMENTS]
    return {
        "booking": booking_id, "locator": "K7QX2M", "status": status, "total": 120056, "currency": "BRL",
        "hold_until": f"{DAY}T08:00:00Z" if status == "held" else None, "reason": None, "detail": None,
        "tickets": ["9820000000017"], "segments": sold, "pending": ["JG"],
    }  # fmt: skip


class Node:
    """Speaks the public API's shapes; each PUT of an order is answered by the next line of `script`, its last
    line for ever. A status alone is a view or a problem of that status; None resets the connection.
    """

    def __init__(self) -> None:
        self.script: list[tuple[int, str] | None] = [(201, "confirmed")]
        self.detail = "seat 4A of JG2055 was sold"
        self.on_sale = {DAY}
        self.asked_days: list[str] = []
        self.orders: list[tuple[str, dict[str, object]]] = []
        self.at = ""
        self.site: web.TCPSite | None = None
        self.dies = False
        self.recorded = False

    async def search(self, request: web.Request) -> web.Response:
        self.asked_days.append(request.query["date"])
        found = [OPTION, CHEAPER] if request.query["date"] in self.on_sale else []
        return web.json_response({"itineraries": found, "stale": {"JG": 12.5}})

    async def get(self, request: web.Request) -> web.Response:
        pending = [] if self.recorded else ["JG"]
        return web.json_response(view(request.match_info["id"], "confirmed") | {"pending": pending})

    async def put(self, request: web.Request) -> web.Response:
        self.orders.append((request.match_info["id"], await request.json()))
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if self.dies and self.site:
            await self.site.stop()
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, word = answer
        if status < 400:
            return web.json_response(view(request.match_info["id"], word), status=status)
        known = word != "unknown"
        return web.json_response({"error": word, "detail": self.detail, "known": known}, status=status)


@contextmanager
def serving(node: Node) -> Iterator[None]:
    """On loopback, in a thread of its own: the command under test runs its own event loop."""
    up, loop = Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/itineraries", node.search),
                web.put("/api/bookings/{id}", node.put),
                web.get("/api/bookings/{id}", node.get),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        node.site = web.TCPSite(runner, "127.0.0.1", 0)
        await node.site.start()
        node.at = "http://{}:{}".format(*runner.addresses[0])
        up.set()
        await stop.wait()
        await runner.cleanup()
        await asyncio.sleep(0.01)  # what was closed lets go of its sockets at the loop's next turns

    thread = Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert up.wait(5)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(booking, "PAUSE_MS", 5)
    monkeypatch.setattr(booking, "PAUSE_MS_MAX", 20)
    monkeypatch.setattr(booking, "RECORDED_MS_MAX", 60)
    with serving(node := Node()):
        yield node


def run(
    node: Node, order: Order = ORDER, ask: Callable[[str], str] | None = None, *, as_json: bool = False
) -> tuple[Exit, str]:
    stream = StringIO()
    code = booking.book(order, node.at, Console(file=stream), ask, lambda: NOW, as_json=as_json)
    return code, stream.getvalue()


def test_a_confirmed_order_shows_locator_tickets_and_what_each_carrier_did(node: Node) -> None:
    code, text = run(node, structs.replace(ORDER, day=date(2026, 12, 14)))
    assert code == Exit.DONE
    assert node.asked_days == [DAY]
    assert "Confirmed: locator K7QX2M, R$ 1.200,56" in text
    assert "9820000000017" in text
    assert "Still to be recorded by JG" in text
    for words in ("Ipê Regional", "Jangada Aérea", "Andorinha Linhas Aéreas", "4A", "committed"):
        assert words in text
    [(_, order)] = node.orders
    assert order == {
        "segments": [{"flight": segment["flight"], "seats": 1} for segment in SEGMENTS],
        "passengers": [{"name": "Ana Lima"}],
        "contact": {"email": "ana@example.com"},
        "confirm": True,
    }


def test_without_a_date_it_is_the_first_day_from_tomorrow_that_has_an_itinerary(node: Node) -> None:
    node.on_sale = {"2026-12-06", DAY}
    _, text = run(node)
    assert node.asked_days == ["2026-12-04", "2026-12-05", "2026-12-06"]
    assert "on Sun 2026-12-06" in text


def test_options_show_times_local_to_each_airport(node: Node) -> None:
    _, text = run(node)
    [line] = [line for line in text.splitlines() if "JG2055 BSB" in line]
    # 04:55 in UTC is 00:55 in Cuiabá, four hours behind, and the day after.
    assert line.split() == [
        "1", "06:10", "00:55", "+1", "19h45", "IP4001", "SSA", "JG2055", "BSB", "AN1117", "R$", "1.200,56",
    ]  # fmt: skip
    assert "JG was last heard 12 s ago" in text


def test_an_order_is_sent_again_under_the_same_id_until_its_outcome_is_known(node: Node) -> None:
    node.script = [None, (503, "busy"), (503, "unknown"), (202, "confirming"), (201, "held"), (201, "confirmed")]
    code, text = run(node)
    assert code == Exit.DONE
    assert len(node.orders) == 6
    assert len({booking_id for booking_id, _ in node.orders}) == 1
    assert all(order == node.orders[0][1] for _, order in node.orders)
    assert node.orders[0][0] in text


def test_two_orders_never_share_an_id(node: Node) -> None:
    run(node)
    run(node)
    assert len({booking_id for booking_id, _ in node.orders}) == 2


def test_a_refusal_is_final_and_told_in_words(node: Node) -> None:
    node.script = [(409, "seat-taken")]
    code, text = run(node)
    assert code == Exit.REFUSED
    assert "seat 4A of JG2055 was sold" in text
    assert len(node.orders) == 1


def test_a_malformed_order_is_no_refusal(node: Node) -> None:
    node.script = [(422, "invalid")]
    code, _ = run(node)
    assert code == Exit.TROUBLE
    assert len(node.orders) == 1


@pytest.mark.parametrize("later", [(503, "busy"), (422, "invalid")])
@pytest.mark.parametrize("answer", [None, (202, "confirming"), (500, "unknown"), (409, "unknown")])
def test_what_may_have_been_sold_is_never_called_refused(
    node: Node, answer: tuple[int, str] | None, later: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "OUTCOME_MS_MAX", 100)
    # That nothing came of the later requests says nothing of the first one.
    node.script = [answer, later]
    code, text = run(node)
    assert code == Exit.UNKNOWN
    assert len(node.orders) > 1
    assert f"{node.at}/api/bookings/{node.orders[0][0]}" in text
    assert "Do not book again" in text


def test_a_node_that_dies_over_an_order_may_have_sold_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "OUTCOME_MS_MAX", 100)
    node.script, node.dies = [None], True
    code, _ = run(node)
    assert code == Exit.UNKNOWN
    assert len(node.orders) == 1


def test_a_node_that_never_had_time_sold_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    # Asked at 0 and 150 ms, and again at 450: so that its time runs out in a pause, with nothing under way.
    monkeypatch.setattr(booking, "OUTCOME_MS_MAX", 320)
    monkeypatch.setattr(booking, "PAUSE_MS", 150)
    monkeypatch.setattr(booking, "PAUSE_MS_MAX", 10_000)
    node.script = [(503, "busy")]
    code, _ = run(node)
    assert code == Exit.TROUBLE
    assert len(node.orders) > 1


def test_where_no_node_answers_the_remedy_is_named() -> None:
    node = Node()
    with serving(node):
        pass
    code, text = run(node)
    assert code == Exit.TROUBLE
    assert "passcom up" in text


def test_without_an_itinerary_nothing_is_ordered(node: Node) -> None:
    node.on_sale = set()
    code, text = run(node)
    assert code == Exit.REFUSED
    assert len(node.asked_days) == booking.SEARCH_DAYS
    assert "no itinerary from FEC to CGB in the 30 days up to 2027-01-02" in text
    assert node.orders == []


def test_nobody_buys_without_having_been_asked(node: Node) -> None:
    code, text = run(node, structs.replace(ORDER, yes=False, choice=1))
    assert code == Exit.TROUBLE
    assert "Add --yes" in text
    assert node.orders == []


@pytest.mark.parametrize("missing", [{"names": ()}, {"email": None}])
def test_an_order_without_passengers_or_contact_is_not_even_looked_up(node: Node, missing: dict[str, None]) -> None:
    code, _ = run(node, structs.replace(ORDER, **missing))
    assert code == Exit.TROUBLE
    assert node.asked_days == []


def test_a_person_is_asked_which_for_whom_and_whether(node: Node) -> None:
    answers = iter(["2", "yes", "Ana Lima", "Rui Melo", "ana@example.com"])
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return next(answers)

    code, _ = run(node, Order(origin="FEC", destination="CGB", passengers=2), ask)
    assert code == Exit.DONE
    assert any("R$ 541,80" in question for question in asked)
    [(_, order)] = node.orders
    assert order["segments"] == [{"flight": f"IP4001/{DAY}", "seats": 2}]
    assert order["passengers"] == [{"name": "Ana Lima"}, {"name": "Rui Melo"}]
    assert order["contact"] == {"email": "ana@example.com"}


@pytest.mark.parametrize("answers", [["1", "no"], ["0", "yes"], ["3", "yes"], ["first", "yes"], ["²", "yes"], []])
def test_whoever_does_not_say_yes_to_an_option_buys_nothing(node: Node, answers: list[str]) -> None:
    rest = iter(answers)

    def ask(question: str) -> str:
        try:
            return next(rest)
        except StopIteration:
            raise EOFError from None

    code, _ = run(node, structs.replace(ORDER, yes=False), ask)
    assert code == Exit.TROUBLE
    assert node.orders == []


def test_a_hold_is_not_a_sale_and_says_how_to_make_it_one(node: Node) -> None:
    node.script = [(201, "held")]
    code, text = run(node, structs.replace(ORDER, hold_only=True, choice=2))
    assert code == Exit.DONE
    [(booking_id, order)] = node.orders
    assert order["confirm"] is False
    assert f"curl -X POST {node.at}/api/bookings/{booking_id}/confirm" in text


def test_a_decided_order_is_watched_until_every_carrier_has_recorded_it(node: Node) -> None:
    node.recorded = True
    code, text = run(node)
    assert code == Exit.DONE
    assert "Still to be recorded" not in text


def test_a_program_reads_the_outcome_as_one_json_object(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    run(node, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told == view(node.orders[0][0], "confirmed")
    node.script = [(409, "seat-taken")]
    run(node, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"error": "seat-taken", "detail": node.detail, "known": True}


def test_a_program_reads_where_to_look_when_the_outcome_is_not_known(
    node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "OUTCOME_MS_MAX", 50)
    node.script = [None]
    run(node, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["known"], told["booking"]) == (False, node.orders[0][0])


def test_an_endless_answer_is_cut_off(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "ANSWER_BYTES_MAX", 100)
    code, text = run(node)
    assert code == Exit.TROUBLE
    assert "too long" in text


def test_a_node_cannot_write_control_characters_to_the_terminal(node: Node) -> None:
    node.script = [(409, "seat-taken")]
    node.detail = "\x1b]0;title\x07 sold " + "x" * 10_000
    _, text = run(node)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert len(text) < 3_000


def test_what_a_node_writes_a_buyer_can_read() -> None:
    sold = SegmentView(
        flight=f"IP4001/{DAY}", carrier="IP", origin="FEC", destination="SSA", departure=NOW, arrival=NOW + 1,
        seats=("4A",), state=SegmentState.COMMITTED,
    )  # fmt: skip
    told = BookingView(
        booking="b" * 20, locator=locator_of("b" * 20), status=Status.CONFIRMED, total=54180, hold_until=None,
        reason=None, detail=None, tickets=(ticket_number("983", 1),), segments=(sold,), pending=("IP",),
    )  # fmt: skip
    written = answers.booking_answer(ConfirmBooking(told.booking), told)
    read = booking._outcome(booking.Reply(written.status, written.body), hold_only=False)
    assert read is not None
    assert read.code == Exit.DONE


@pytest.mark.parametrize(
    ("amount", "written"), [(0, "R$ 0,00"), (5, "R$ 0,05"), (54180, "R$ 541,80"), (123456, "R$ 1.234,56")]
)
def test_money_is_written_as_in_brazil(amount: int, written: str) -> None:
    assert reais(amount) == written
