"""What carriers owe one another: per coupon, from both logs, netted, summing to zero."""

from pathlib import Path

from msgspec.structs import replace

from airline_node.audit import page
from airline_node.audit.run import settle
from airline_node.audit.sources import open_sources
from ledger.audit import Cited
from ledger.events import BookingCancelled, BookingCommitted, SeatReturned
from ledger.settlement import Clearing, Settlement
from ledger.terms import Millis
from tests.audit.given import DEPARTURE, FARES, HERE, THERE, Told, booking_id, honest, recorded, write
from tests.evidence.given import NOW


def settled(told: list[Told], carriers: str = "AN JG", start: Millis = 0, end: Millis = 2**53) -> Settlement:
    clearing = Clearing(carriers.split(), start, end)
    for carrier, records in recorded(told).items():
        if carrier in carriers:
            for position, record in enumerate(records, 1):
                clearing.hear(carrier, record.event, position)
    return clearing.settle()


def test_who_sold_a_coupon_owes_its_fare_to_who_flew_it() -> None:
    told = settled(honest(8))
    assert told.owed == {("AN", "JG"): 8 * FARES[THERE]}
    assert told.net == {"AN": -8 * FARES[THERE], "JG": 8 * FARES[THERE]}
    first = told.coupons[0]
    assert (first.flight, first.coupon, first.debtor, first.creditor) == (THERE, 2, "AN", "JG")
    assert (first.sold, first.decided) == (Cited("JG", 3), Cited("AN", 5))
    assert told.disputed == 0


def test_a_carrier_s_own_coupons_are_no_debt() -> None:
    assert all(coupon.flight != HERE for coupon in settled(honest(8)).coupons)


def test_a_coupon_counts_in_the_period_in_which_its_flight_departs() -> None:
    assert settled(honest(3), start=DEPARTURE, end=DEPARTURE + 1).owed == {("AN", "JG"): 3 * FARES[THERE]}
    assert settled(honest(3), start=DEPARTURE + 1).coupons == ()
    assert settled(honest(3), end=DEPARTURE).coupons == ()


def test_what_was_given_back_is_not_owed() -> None:
    back: list[Told] = [
        ("AN", BookingCancelled(at=NOW + 60_000, booking=booking_id(0))),
        ("JG", SeatReturned(at=NOW + 60_001, flight=THERE, seat="1A", booking=booking_id(0))),
    ]
    assert settled([*honest(3), *back]).owed == {("AN", "JG"): 2 * FARES[THERE]}


def test_what_only_one_side_says_is_disputed_and_not_netted() -> None:
    missing = [
        pair for pair in honest(3) if not (isinstance(pair[1], BookingCommitted) and pair[1].booking == booking_id(1))
    ]
    told = settled(missing)
    assert told.owed == {("AN", "JG"): 2 * FARES[THERE]}
    assert [coupon.dispute for coupon in told.coupons if coupon.dispute] == ["the log of AN has no commit of it"]
    alone = settled(honest(3), carriers="JG")
    assert {coupon.dispute for coupon in alone.coupons} == {"the log of AN is not at hand"}
    assert alone.owed == {}
    assert sum(alone.net.values()) == 0


def test_a_fare_that_the_two_logs_do_not_agree_on_is_disputed() -> None:
    told = honest(1)
    plan = next(n for n, (carrier, _) in enumerate(told) if carrier == "JG")
    told[plan] = ("JG", replace(told[plan][1], fare=1))
    assert [coupon.dispute for coupon in settled(told).coupons] == [f"AN sold it at a fare of {FARES[THERE]}"]


def test_it_is_read_from_the_files_and_told_as_csv(tmp_path: Path) -> None:
    write(tmp_path, honest(2), sign=False)
    sources = open_sources([str(tmp_path)], "")
    told = settle(sources, 0, 2**53, lambda _carrier, _count: None)
    lines = page.coupons_csv(told.coupons).splitlines()
    assert lines[0].startswith("debtor,creditor,fare_brl,ticket,coupon,flight,seat")
    assert lines[1] == (f"AN,JG,250.50,9810000000000,2,{THERE},1A,2025-12-14T16:00:00Z,{booking_id(0)},JG:3,AN:5,")
    assert len(lines) == 3
    for source in sources:
        source.close()
