"""Proof that the checks bite: faults planted into the production code, each a line or two of it, each to be caught.

A fault swaps a piece of a function's source for a wrong one, in place and for as long as the block lasts, so that
whoever has imported the function gets the wrong one too. A piece that is no longer there is an error: then the fault
must be planted anew.
"""

import importlib
import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from types import FunctionType
from typing import NamedTuple

from tests.simulator.run import live

SEEDS_MAX = 2_000


class Swap(NamedTuple):
    """In this function (`module:name`) the one piece gives way to the other."""

    function: str
    right: str
    wrong: str


class Fault(NamedTuple):
    name: str
    swaps: tuple[Swap, ...]


def fault(name: str, *swaps: tuple[str, str, str]) -> Fault:
    return Fault(name, tuple(Swap(*swap) for swap in swaps))


FAULTS: tuple[Fault, ...] = (
    # ---- write, then speak
    fault(
        "answers and messages leave before the write",
        ("airline_node.node:Node._write", "            self._speak(said)\n", "            pass\n"),
        ("airline_node.node:Node._write", "        try:\n", "        try:\n            self._speak(said)\n"),
    ),
    fault(
        "messages to peers leave before the write",
        (
            "airline_node.node:Node._think",
            "        return said\n",
            "        _ = [self._wire.owe(machine, messages) for machine, messages in said.owed]\n        return said\n",
        ),
    ),
    fault(
        "a mere question is answered before the write that its answer rests on",
        (
            "airline_node.thinker:Thinker.think",
            "                    answers.append((entry.asker, told))",
            "                    entry.asker.done() or entry.asker.set_result(told)",
        ),
    ),
    fault(
        "a failed write is answered like any other",
        ("airline_node.node:Node._write", "self._fail(fault)", "self._speak(said)"),
    ),
    fault(
        "what a full disk did not take is left out",
        ("airline_node.writer:Writer.append", "await asyncio.sleep(FULL_RETRY_MS / 1000)", "break"),
    ),
    fault(
        "a batch is written while the one before is",
        (
            "airline_node.node:Node.run",
            "self._held_back.append(said)\n                await self._written()",
            "self._held_back.append(said)",
        ),
    ),
    fault(
        "an order that is turned away is taken all the same",
        (
            "airline_node.node:Node._put",
            "            raise Busy(",
            "            self._enter(Entry(commands, None))\n            raise Busy(",
        ),
    ),
    # ---- what a carrier promises
    fault(
        "time releases a pledge",
        (
            "ledger.participant.decide:_expire",
            "if claim.expires_at is not None and now >= claim.expires_at:",
            "if now >= (claim.expires_at or claim.decide_by):",
        ),
    ),
    fault(
        "an abort before its prepare leaves no tombstone",
        (
            "ledger.participant.decide:decide",
            "return [_refusal(command, RefusalReason.ABORTED, now)]",
            "return []",
        ),
        (
            "ledger.participant.reply:_answer_order",
            "nothing_held = foreigner and isinstance(asked, (Abort, Release))",
            "nothing_held = isinstance(asked, (Abort, Release))",
        ),
    ),
    fault(
        "an inquiry before its prepare leaves no tombstone",
        ("ledger.participant.decide:decide", "return [_refusal(command, RefusalReason.ASKED, now)]", "return []"),
        (
            "ledger.participant.reply:_word",
            "    if state is HoldState.PLEDGED",
            "    if state is HoldState.NONE:\n        return Word.ABORTED\n    if state is HoldState.PLEDGED",
        ),
    ),
    fault(
        "a closed door is forgotten at once",
        ("ledger.participant.evolve:_close", "told.since + CLOSED_MS < closed.since", "told.since < closed.since"),
    ),
    fault(
        "a seat that is named is not looked at",
        (
            "ledger.participant.decide:_available",
            "if any(seat in flight.taken for seat in asked.seats):",
            "if False:",
        ),
    ),
    fault(
        "a carrier that is in doubt itself is taken for a no",
        ("ledger.participant.decide:_learn", "case Word.ABORTED:", "case Word.ABORTED | Word.PLEDGED:"),
    ),
    fault(
        "a coordinator that still collects votes is taken for a no",
        ("ledger.participant.decide:_learn", "case Word.ABORTED:", "case Word.ABORTED | Word.UNDECIDED:"),
    ),
    fault(
        "a pledge in doubt is called aborted to the others",
        ("ledger.participant.reply:_word", "return Word.PLEDGED", "return Word.ABORTED"),
    ),
    fault(
        "another coordinator's word counts",
        (
            "ledger.participant.state:foreign",
            "return known is not None and known != command.coordinator",
            "return False",
        ),
    ),
    # ---- what a coordinator decides
    fault(
        "collecting votes has no end",
        ("ledger.coordinator.decide:_run_out", "booking.phase is Phase.VOTING and now >= booking.decide_by", "False"),
    ),
    fault(
        "all but one yes is enough",
        (
            "ledger.coordinator.decide:_count",
            "if votes.keys() != set(booking.flights):",
            "if len(votes) < max(len(booking.flights) - 1, 1):",
        ),
        (
            "ledger.coordinator.decide:_count",
            "seats = tuple(votes[flight] for flight in booking.flights)",
            "seats = tuple(votes.get(flight, yes.seats) for flight in booking.flights)",
        ),
    ),
    fault(
        "an abort is presumed and not written",
        (
            "ledger.coordinator.decide:decide",
            "return [abort, BookingSettled(at=now, booking=booking.id)]",
            "return []",
        ),
        (
            "ledger.coordinator.reply:_outcome",
            "case Phase.ABORTED | Phase.ABORTED_SETTLED:",
            "case Phase.UNKNOWN | Phase.ABORTED | Phase.ABORTED_SETTLED:",
        ),
    ),
    fault(
        "a sale can still be aborted by its traveller",
        (
            "ledger.coordinator.decide:decide",
            "case CancelBooking(), Phase.OPEN | Phase.VOTING:",
            "case CancelBooking(), Phase.OPEN | Phase.VOTING | Phase.COMMITTED:",
        ),
    ),
    fault(
        "a booking is settled by its first acknowledgement",
        (
            "ledger.coordinator.decide:_recorded",
            "all_have = booking.recorded | {flight} >= set(booking.flights)",
            "all_have = True",
        ),
    ),
    fault(
        "a cancellation is settled by its first acknowledgement",
        (
            "ledger.coordinator.decide:_returned",
            "all_have = booking.returned | {flight} >= set(booking.flights)",
            "all_have = True",
        ),
    ),
    fault(
        "a commit is told to the first carrier only",
        (
            "ledger.coordinator.pending:owed",
            "return None if flight in booking.recorded else _tell(Commit",
            "return None if number or flight in booking.recorded else _tell(Commit",
        ),
    ),
    fault(
        "an abort is told to those who voted only",
        (
            "ledger.coordinator.pending:owed",
            "None if flight in booking.recorded else _tell(Abort",
            "None if flight in booking.recorded or flight not in booking.votes else _tell(Abort",
        ),
    ),
    fault(
        "seats are asked back before they are sold",
        (
            "ledger.coordinator.pending:_undo",
            "return _tell(Return if sold else Commit, booking, flight)",
            "return _tell(Return, booking, flight)",
        ),
    ),
    fault(
        "a booking that is being voted on is called confirmed",
        ("ledger.coordinator.reply:_status", "return Status.CONFIRMING", "return Status.CONFIRMED"),
    ),
    fault(
        "another order under the same id hears the first one's answer",
        (
            "ledger.coordinator.reply:reply",
            'if command.body_hash and booking.body_hash not in ("", command.body_hash):',
            "if False:",
        ),
    ),
    fault(
        "tickets are numbered anew after every start",
        (
            "ledger.coordinator.evolve:_remember",
            "booking.stock.next_serial = max(booking.stock.next_serial, event.first_serial + len(event.tickets))",
            "booking.stock.next_serial = event.first_serial + len(event.tickets) * (event.at % 2)",
        ),
    ),
    # ---- what is remembered
    fault(
        "a repeated order that has left memory is not read back",
        (
            "ledger.ledger:Ledger.missing",
            "case OpenBooking() | ExtendBooking() | ConfirmBooking() | CancelBooking() | ReadBooking():\n"
            "                return None if command.booking in self.bookings else booking_stream(command.booking)",
            "case OpenBooking() | ExtendBooking() | ConfirmBooking() | CancelBooking() | ReadBooking():\n"
            "                return None",
        ),
    ),
    fault(
        "a booking asked about that has left memory is not read back",
        (
            "ledger.ledger:Ledger.missing",
            "case Inquire() if command.coordinator == self.carrier:\n"
            "                return None if command.booking in self.bookings else booking_stream(command.booking)",
            "case Inquire() if command.coordinator == self.carrier:\n                return None",
        ),
    ),
    fault(
        "a booking leaves memory though something newer has happened to it",
        (
            "ledger.ledger:Ledger.forget",
            "if booking in self.bookings and self.bookings[booking].version == version:",
            "if booking in self.bookings:",
        ),
    ),
    fault(
        "deadlines are not taken up after a start",
        ("ledger.ledger:Ledger.restarted", "heapq.heapify(self._due)", "self._due.clear()"),
    ),
    fault(
        "what was owed is not owed after a start",
        ("ledger.ledger:Ledger.restarted", "self._moved[booking.id] = None", "pass"),
    ),
    fault(
        "a snapshot forgets the closed doors",
        ("snapshots.form:_bare_flight", "waiting=set(), doubts={}", "waiting=set(), doubts={}, closed={}"),
    ),
    fault(
        "a snapshot gives seats that are taken back as free",
        (
            "snapshots.form:restore",
            "{seat: booking for booking, claim in flight.claims.items() for seat in claim.holds}",
            "{}",
        ),
    ),
    fault(
        "a snapshot forgets the ticket stock",
        ("snapshots.form:restore", "ledger.stock.next_serial = seen.stock.next_serial", "pass"),
    ),
    fault(
        "a snapshot shows a later state than its position",
        ("snapshots.form:GradualPicture.__init__", "ledger.before_change = self._draw", "pass"),
    ),
    fault(
        "a snapshot shows an earlier state than its position",
        (
            "airline_node.node:Node._write",
            "self._keep_pictures(said.begun, said.drawn)",
            "self._keep_pictures(said.drawn, said.drawn)",
        ),
    ),
    fault(
        "a booking that a snapshot left out is not read whole",
        ("airline_node.rebuild:rebuild", "torn = sorted(ledger.torn)", "torn = []"),
    ),
    # ---- what is sent
    fault(
        "what failed is not sent again",
        (
            "airline_node.lines:Line.failed",
            "            self._make_ready(item)",
            "            pass",
        ),
    ),
)


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """The production code with this fault in it."""
    wrong: dict[str, str] = {}
    with ExitStack() as undo:
        for function, right, wrong_piece in fault.swaps:
            source = wrong.get(function) or inspect.getsource(_found(function))
            assert source.count(right) == 1, f"{function} has this {source.count(right)} times: {right}"
            wrong[function] = source.replace(right, wrong_piece)
        for function, source in wrong.items():
            undo.enter_context(_swapped(_found(function), source))
        yield


def _found(name: str) -> FunctionType:
    module, _, path = name.partition(":")
    found = attrgetter(path)(importlib.import_module(module))
    assert isinstance(found, FunctionType), name
    return found


@contextmanager
def _swapped(function: FunctionType, source: str) -> Iterator[None]:
    made: dict[str, object] = {}
    exec("if True:\n" * source.startswith(" ") + source, dict(function.__globals__), made)  # a method is indented
    wrong, right = made[function.__name__], function.__code__
    assert isinstance(wrong, FunctionType)
    function.__code__ = wrong.__code__
    try:
        yield
    finally:
        function.__code__ = right


def seeds_until_caught(fault: Fault) -> tuple[int, str]:
    """How many worlds it took, and what gave it away; no words if `SEEDS_MAX` were not enough."""
    with planted(fault):
        for seed in range(SEEDS_MAX):
            if violation := live(seed).violation:
                return seed + 1, violation
    return SEEDS_MAX, ""
