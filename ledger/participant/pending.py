"""What a flight's carrier still owes to others, worked out from the state."""

from ledger.messages import Inquire
from ledger.participant import forcing
from ledger.participant.state import Flight
from ledger.terms import BookingId, CarrierCode, FlightId, carrier_of


def pending(flight: Flight) -> list[Inquire]:
    """What is still owed to others: questions about every pledge in doubt, and about every one that was broken."""
    owed = [question for booking in flight.doubts for question in _questions(flight, booking)]
    for booking, broken in flight.broken.items():
        owed += forcing.pending(flight, booking, broken)
    return owed


def _questions(flight: Flight, booking: BookingId) -> list[Inquire]:
    claim, doubt = flight.claims[booking], flight.doubts[booking]
    me = carrier_of(flight.id)
    if claim.coordinator == me:
        return []  # one log holds both: its own booking settles this

    def ask(about: FlightId, to: CarrierCode) -> Inquire:
        return Inquire(booking=booking, flight=about, coordinator=claim.coordinator, asker=flight.id, to=to)

    questions = [ask(flight.id, claim.coordinator)]
    if claim.coordinator in doubt.silent:
        others = [other for other in claim.participants if carrier_of(other) not in (me, claim.coordinator)]
        questions += [ask(other, carrier_of(other)) for other in others]
    return questions
