"""What has happened to a booking, from the log."""

from airline_node.desk.words import for_pages
from airline_node.journal import Journal
from ledger.events import AnyBookingEvent, BookingEvent, booking_stream
from ledger.terms import BookingId


class NodeHistory:
    """See `ui.desk.History`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @for_pages
    async def of(self, booking: BookingId) -> tuple[AnyBookingEvent, ...]:
        stream = booking_stream(booking)
        records = (await self._journal.read([stream]))[stream]
        return tuple(record.event for record in records if isinstance(record.event, BookingEvent))
