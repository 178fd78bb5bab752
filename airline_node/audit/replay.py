"""Logs heard side by side, by their events' times, each row checked before it is believed.

The one loop that sees every event: the audit hears it, whoever else wants to (`Listener`) is told, and what is damaged,
missing or out of place is found here, before a rule is asked. Of a carrier whose log is not named nothing is assumed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from airline_node.audit.sources import Row, Source
from airline_node.rows import BadRow, event_of
from ledger.audit import Audit, Cited, Fault, Finding
from ledger.events import AnyEvent, booking_stream
from ledger.terms import BookingId, CarrierCode, Millis

Heard: TypeAlias = tuple[int, int, AnyEvent]
"""Position, version, event."""
Moment: TypeAlias = tuple[int, Callable[[], Sequence[Finding]]]
"""What is to be looked at when a log has been heard up to a position: a snapshot's, say."""
FINDINGS_MAX = 1_000
"""Of damaged and missing rows; a file that is nothing but damage is not listed to its end."""


class Listener(Protocol):
    """Told of a log's rows, a section at a time, before their events are heard."""

    def rows(self, carrier: CarrierCode, rows: Sequence[Row]) -> None: ...


class Replay:
    """One pass over these logs. `audit` is as the events heard so far leave it."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        listeners: Sequence[Listener] = (),
        moments: Mapping[CarrierCode, Sequence[Moment]] | None = None,
        until: Millis | None = None,
        progress: Callable[[CarrierCode, int], None] = lambda _carrier, _count: None,
    ) -> None:
        """`until` leaves out what happened later; `progress` is told how many more of a log's rows were read."""
        self._sources = {source.carrier: source for source in sources}
        self.audit = Audit(self._sources, self._recall)
        self.events = 0
        self.ends: dict[CarrierCode, int] = dict.fromkeys(self._sources, 0)
        self.found: list[Finding] = []
        self._listeners = listeners
        self._moments = {carrier: list(found) for carrier, found in (moments or {}).items()}
        self._until = until
        self._progress = progress

    def run(self, hear: Callable[[CarrierCode, AnyEvent, int], None] | None = None) -> None:
        """Every event of every log, the earliest first; `hear` is told of each too. Raises `SourceTrouble`."""
        logs = {carrier: self._events(source) for carrier, source in self._sources.items()}
        heads = {carrier: head for carrier, log in logs.items() if (head := next(log, None))}
        told = self.audit.hear
        while heads:
            carrier = min(heads, key=lambda one: heads[one][2].at)
            turn = min((head[2].at for other, head in heads.items() if other != carrier), default=None)
            position, version, event = heads.pop(carrier)
            log, moments = logs[carrier], self._moments.get(carrier)
            while True:
                told(carrier, event, position, version)
                if hear is not None:
                    hear(carrier, event, position)
                if moments and moments[0][0] <= position:
                    self.found += moments.pop(0)[1]()
                self.events += 1
                if (head := next(log, None)) is None:
                    break
                position, version, event = head
                if turn is not None and event.at > turn:
                    heads[carrier] = head
                    break

    def findings(self, *, at_rest: bool = False) -> list[Finding]:
        return [*self.found, *self.audit.findings(at_rest=at_rest)]

    def _events(self, source: Source) -> Iterator[Heard]:
        before, carrier, until = 0, source.carrier, self._until
        for rows in source.sections():
            for listener in self._listeners:
                listener.rows(carrier, rows)
            for position, stream, version, tag, state in rows:
                if position != before + 1 and (source.gapless or position <= before):
                    self._misplaced(carrier, position, before, stream)
                before = position
                try:
                    event = event_of(stream, version, tag, state)
                except BadRow as fault:
                    self._find(Fault.DAMAGED, carrier, position, stream, f"version {version} ({tag}): {fault}")
                    continue
                if until is not None and event.at > until:
                    continue
                yield position, version, event
            self.ends[carrier] = before
            self._progress(carrier, len(rows))

    def _misplaced(self, carrier: CarrierCode, position: int, before: int, stream: str) -> None:
        if position <= before:
            self._find(Fault.REORDERED, carrier, position, stream, f"position {position} comes after {before}")
            return
        missing = f"{before + 1}" if position == before + 2 else f"{before + 1} to {position - 1}"
        self._find(Fault.GAP, carrier, position, stream, f"position {missing} of {carrier}'s log is missing before it")

    def _find(self, fault: Fault, carrier: CarrierCode, position: int, stream: str, detail: str) -> None:
        if len(self.found) < FINDINGS_MAX:
            self.found.append(Finding(fault, stream, detail, (Cited(carrier, position),)))

    def _recall(self, carrier: CarrierCode, booking: BookingId) -> Iterator[tuple[int, int, AnyEvent]]:
        for position, stream, version, tag, state in self._sources[carrier].stream(booking_stream(booking)):
            try:
                yield position, version, event_of(stream, version, tag, state)
            except BadRow:
                continue  # It was found when the log was heard.
