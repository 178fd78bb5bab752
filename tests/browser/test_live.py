"""Pages that change while they are looked at: seats, holds, confirmations; and what becomes of them without a node."""

import time
from datetime import datetime

import pytest

from ledger.terms import BookingId
from tests.browser.hasty import hasty
from tests.browser.journeys import button, fill_in, hold, pay, seats_path, title, travel_day
from tests.browser.screens import NARROW, OpenScreen
from tests.crash.cluster import Cluster, new_booking
from tests.crash.doomed import Point

LIVE_MS_MAX = 500


def test_a_seat_that_is_taken_elsewhere_changes_here_and_the_focus_stays(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    screen = open_screen("AN")
    flight = nodes.journeys[2][1]  # Jangada's, watched at Andorinha's site
    screen.go(seats_path((flight,)))
    seat = screen.page.locator("#s-20C input")
    seat.check()
    screen.page.evaluate(
        "new MutationObserver(() => window.changed ??= Date.now()).observe("
        "document.querySelector('#s-20C input'), {attributes: true})"
    )
    screen.page.wait_for_timeout(300)  # The stream is open by then; a missed change would come as a snapshot.
    told = nodes.hold(new_booking(), "JG", {flight: "20C"})
    taken_at = time.time() * 1000
    assert told is not None
    assert told.status == 201
    screen.page.locator("#s-20C input[aria-disabled=true]").wait_for()
    assert screen.page.evaluate("window.changed") - taken_at < LIVE_MS_MAX
    assert screen.page.evaluate("document.activeElement.value") == "20C"
    assert not seat.is_checked()
    assert "20C, which you had chosen" in screen.page.locator("#news").inner_text()
    assert screen.page.locator("#picked").inner_text() == "choose"
    seat.click(force=True)
    assert not seat.is_checked(), "it is gone"


def test_what_is_chosen_stays_chosen_while_other_seats_go(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("AN")
    flight = nodes.journeys[2][1]
    screen.go(seats_path((flight,)))
    screen.page.locator("#s-22A input").check()
    nodes.hold(new_booking(), "JG", {flight: "22C"})
    screen.page.locator("#s-22C.gone").wait_for()
    assert screen.page.locator("#s-22A input").is_checked()


@pytest.mark.thorough
def test_a_page_that_was_cut_off_heals_when_its_node_is_back(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("AN")
    flight = nodes.journeys[2][1]
    screen.go(seats_path((flight,)))
    screen.expect_lost_connections()
    nodes.kill("AN")
    nodes.hold(new_booking(), "JG", {flight: "24A"})
    nodes.start("AN")
    screen.page.locator("#s-24A.gone").wait_for(timeout=20_000)


def test_two_travellers_want_one_seat_and_the_second_is_offered_the_next_best(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    flights = nodes.journeys[2]
    ana, rui = open_screen("AN"), open_screen("JG", width=NARROW, scripts=False)
    for screen in (ana, rui):
        screen.go(seats_path(flights, ("5A", "5A", "5A"), leg=2))
    button(ana.page, "Hold").click()
    title(ana, "Your seats are held")
    button(rui.page, "Hold").click()  # His page does not know yet.
    title(rui, "Not all airlines could hold your seats")
    assert rui.page.locator(".lane.refused").count() >= 1
    look = open_screen("JG")
    look.go(rui.page.url.removeprefix(rui.address))
    look.assert_accessible()
    button(rui.page, "Hold these instead").click()
    title(rui, "Your seats are held")
    assert rui.page.locator(".lane.held").count() == 3


@pytest.mark.thorough
def test_a_hold_runs_down_is_extended_by_a_press_and_runs_out(open_screen: OpenScreen, nodes: Cluster) -> None:
    with hasty(nodes, "IP", 8_000):
        screen = open_screen("IP")
        booking = hold(screen, nodes.journeys[2], "7A", "7A", "7A")
        title(screen, "Your seats are held")
        until = held_until(nodes, booking)
        screen.page.get_by_label("Full name").fill("Ana Lima")
        screen.page.wait_for_timeout(1_500)
        shown = screen.page.locator("#clock").get_attribute("data-until")
        button(screen.page, "More time").click()
        screen.page.locator(f"#clock:not([data-until='{shown}'])").wait_for()
        assert held_until(nodes, booking) > until
        assert screen.page.get_by_label("Full name").input_value() == "Ana Lima"
        title(screen, "The time to buy these seats ran out")
        screen.assert_accessible()
        button(screen.page, "Hold them again").click()
        title(screen, "Your seats are held")
        assert screen.page.get_by_text("7A").count() >= 3


@pytest.mark.thorough
def test_without_scripts_more_time_keeps_what_is_filled_in(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("IP", scripts=False)
    hold(screen, nodes.journeys[2], "8A", "8A", "8A")
    screen.page.get_by_label("Full name").fill("Ana Lima")
    button(screen.page, "More time").click()
    title(screen, "Your seats are held")
    assert screen.page.get_by_label("Full name").input_value() == "Ana Lima"


def test_seats_that_are_let_go_are_free_again(open_screen: OpenScreen, nodes: Cluster) -> None:
    screen = open_screen("AN")
    booking = hold(screen, nodes.journeys[2], "9A", "9A", "9A")
    title(screen, "Your seats are held")
    button(screen.page, "Let the seats go").click()
    title(screen, "You have let these seats go")
    screen.assert_accessible()
    reply = nodes.read(booking, "AN")
    assert reply is not None
    assert reply.booking.status == "cancelled"


@pytest.mark.thorough
def test_a_carrier_that_dies_after_the_decision_is_named_and_the_purchase_stands(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    screen = open_screen("AN")
    hold(screen, nodes.journeys[2], "10A", "10A", "10A")
    title(screen, "Your seats are held")
    fill_in(screen.page)
    with nodes.doomed("IP", Point.SALE_UNWRITTEN):
        pay(screen.page)
        title(screen, "Confirmed")
    screen.page.locator("#lane-IP").get_by_text("being recorded").wait_for()
    screen.page.get_by_text("does not answer at the moment").wait_for(timeout=25_000)
    screen.assert_accessible()
    path = screen.page.url.removeprefix(screen.address)
    screen.page.close()
    again = open_screen("AN")
    again.go(path)
    title(again, "Confirmed")
    again.page.get_by_text("Ipê Regional does not answer at the moment").wait_for()
    searcher = open_screen("AN")
    searcher.go(f"/search?from=FEC&to=CGB&date={travel_day(nodes)}&passengers=1")
    searcher.page.get_by_text("Ipê Regional does not answer at the moment. Its flights are shown as we knew").wait_for()
    nodes.start("IP")
    again.page.locator("#lane-IP.issued").wait_for(timeout=20_000)
    again.page.get_by_text("Every airline has issued your ticket").wait_for()


@pytest.mark.thorough
def test_the_node_that_sells_dies_while_it_confirms_and_the_page_tells_the_outcome(
    open_screen: OpenScreen, nodes: Cluster
) -> None:
    screen = open_screen("JG")
    hold(screen, nodes.journeys[2], "11A", "11A", "11A")
    title(screen, "Your seats are held")
    fill_in(screen.page)
    path = screen.page.url.removeprefix(screen.address)
    screen.expect_lost_connections()
    with nodes.doomed("JG", Point.COMMIT):
        pay(screen.page)
    nodes.start("JG")
    screen.go(path)
    title(screen, "Confirmed")
    screen.page.locator(".lane.issued").nth(2).wait_for()


def held_until(nodes: Cluster, booking: BookingId) -> datetime:
    reply = nodes.read(booking, "IP")
    assert reply is not None
    assert reply.booking.hold_until is not None
    return reply.booking.hold_until
