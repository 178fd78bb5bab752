"""What has happened to an order, in plain words, from the events of its own log."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ledger.events import (
    AbortReason,
    AnyBookingEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    VotingStarted,
)
from ledger.terms import CarrierCode, Millis, carrier_of
from ui.desk import Carrier
from ui.figures import money, spoken_list
from ui.language import gettext as _
from ui.language import ngettext, pgettext


class Happened(NamedTuple):
    """`tone` is good, bad or empty; `title` says it, `words` what it means for the traveller."""

    at: Millis
    tone: str
    title: str
    words: str


def history(events: Sequence[AnyBookingEvent], carriers: Mapping[CarrierCode, Carrier]) -> Iterator[Happened]:
    """One line for each event, in order."""
    airlines, before = "", None
    for event in events:
        match event:
            case BookingOpened(segments=segments):
                names = [carriers[code].name for code in dict.fromkeys(carrier_of(part.flight) for part in segments)]
                airlines = spoken_list(names)
                yield _opened(event, airlines)
            case VotingStarted():
                words = _("Each airline was asked for its final yes: {airlines}.").format(airlines=airlines)
                yield Happened(event.at, "", _("You bought it"), words)
            case BookingCommitted():
                words = _("All have said yes, and from this moment every seat is yours.")
                yield Happened(event.at, "good", pgettext("trip", "Confirmed"), words)
            case BookingAborted(reason=reason):
                yield Happened(event.at, "bad", _("It came to nothing"), _why_not(reason))
            case BookingCancelled():
                words = _("You have given the whole trip back, at every airline at once.")
                yield Happened(event.at, "bad", pgettext("trip", "Cancelled"), words)
            case BookingSettled():
                yield Happened(event.at, "", _("Recorded everywhere"), _settled(before))
        before = event


def bought_at(events: Sequence[AnyBookingEvent]) -> Millis | None:
    """When it was confirmed."""
    return next((event.at for event in events if isinstance(event, BookingCommitted)), None)


def cancelled_at(events: Sequence[AnyBookingEvent]) -> Millis | None:
    return next((event.at for event in events if isinstance(event, BookingCancelled)), None)


def _opened(event: BookingOpened, airlines: str) -> Happened:
    words = ngettext(
        "One passenger, {price} in all. We asked for the seats at {airlines}.",
        "{passengers} passengers, {price} in all. We asked for the seats at {airlines}.",
        event.passengers,
    )
    return Happened(
        event.at,
        "",
        _("You chose your seats"),
        words.format(passengers=event.passengers, price=money(event.price), airlines=airlines),
    )


def _why_not(reason: AbortReason) -> str:
    nothing = _("Nothing was bought, and every seat was let go.")
    match reason:
        case AbortReason.SEAT_TAKEN:
            why = _("A seat was no longer free.")
        case AbortReason.REFUSED:
            why = _("An airline could not sell it.")
        case AbortReason.NO_ANSWER:
            why = _("An airline did not answer in time.")
        case AbortReason.EXPIRED:
            why = _("The time to buy ran out.")
        case AbortReason.CANCELLED:
            why = _("You gave the seats back.")
        case AbortReason.PRESUMED:
            why = _("The order was never completed.")
    return f"{why} {nothing}"


def _settled(before: AnyBookingEvent | None) -> str:
    match before:
        case BookingCancelled():
            return _("Every airline has taken its seats back.")
        case BookingAborted():
            return _("Every airline has let its seats go.")
        case _:
            return _("Every airline has your seats in its own books.")
