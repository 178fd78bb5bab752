"""One audit from its sources to its findings, and what it needs of the disk on the way."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from airline_node.audit.beside import alarm_findings, log_checks, shelves, snapshot_moments
from airline_node.audit.live import Compared, live_findings
from airline_node.audit.page import Audited, EvidenceLine, FindingLine, event_line
from airline_node.audit.replay import Replay
from airline_node.audit.sources import HttpSource, Source
from airline_node.audit.verify import Verifier
from airline_node.evidence.keys import PublicKey
from airline_node.rows import BadRow, event_of
from ledger.audit import Audit, Cited, Finding
from ledger.events import AnyEvent
from ledger.settlement import Clearing, Settlement
from ledger.terms import CarrierCode, Millis

EVIDENCE_MAX = 200
"""Findings whose events are looked up; the others name only their positions."""
Progress = Callable[[CarrierCode, int], None]


def audit(
    sources: Sequence[Source],
    keys: Mapping[CarrierCode, PublicKey] | None,
    progress: Progress,
    *,
    at_rest: bool = False,
    compared: Compared = lambda _carrier, _done, _all: None,
) -> Audited:
    """With `keys` also everything that was signed is checked. Raises `SourceTrouble`."""
    at_hand = shelves(sources) if keys is not None else None
    verifier = Verifier(log_checks(sources, keys, at_hand)) if keys is not None and at_hand else None
    moments = {source.carrier: snapshot_moments(source, lambda: _heard(replay)) for source in sources}
    replay = Replay(sources, listeners=[verifier] if verifier else [], moments=moments, progress=progress)
    replay.run()
    found, notices = replay.findings(at_rest=at_rest), []
    verified = tuple(check.close() for check in verifier.checks.values()) if verifier else ()
    if verifier and at_hand:
        found += [finding for check in verifier.checks.values() for finding in check.found] + alarm_findings(at_hand)
        notices += [*at_hand.troubles, *(notice for one in verified for notice in one.notices)]
    for source in sources:
        if isinstance(source, HttpSource):
            differing, unseen = live_findings(source, replay, compared, _now)
            found += differing
            notices += unseen
    return Audited(
        logs={source.carrier: source.name for source in sources},
        events=replay.ends,
        verified=verified,
        notices=tuple(notices),
        findings=tuple(_with_evidence(found, sources)),
    )


def settle(sources: Sequence[Source], start: Millis, end: Millis, progress: Progress) -> Settlement:
    """What is owed for flights that depart in this period. Raises `SourceTrouble`."""
    clearing = Clearing([source.carrier for source in sources], start, end)
    Replay(sources, progress=progress).run(clearing.hear)
    return clearing.settle()


def _now() -> Millis:
    return time.time_ns() // 1_000_000


def _heard(replay: Replay) -> Audit:
    return replay.audit


def _with_evidence(found: Iterable[Finding], sources: Sequence[Source]) -> Iterable[FindingLine]:
    logs = {source.carrier: source for source in sources}
    for number, finding in enumerate(found):
        lines = [_line(cited, logs.get(cited.carrier), look=number < EVIDENCE_MAX) for cited in finding.evidence]
        yield FindingLine(finding.fault, finding.stream, finding.detail, tuple(lines))


def _line(cited: Cited, source: Source | None, *, look: bool) -> EvidenceLine:
    row = next(iter(next(iter(source.sections(cited.position - 1)), ())), None) if source and look else None
    if row is None or row[0] != cited.position:
        return EvidenceLine(cited.carrier, cited.position, None, None, None)
    _, stream, version, tag, state = row
    event: AnyEvent | None = None
    with suppress(BadRow):  # then that is what the finding says
        event = event_of(stream, version, tag, state)
    return EvidenceLine(cited.carrier, cited.position, stream, version, event_line(event))
