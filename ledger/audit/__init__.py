"""What is wrong in one log or in many: a plain second reading of the events, which shares no rule with the machines."""

from ledger.audit.audit import Audit
from ledger.audit.findings import NO_PROMISES, Cited, Fault, Finding, Promises

__all__ = ["NO_PROMISES", "Audit", "Cited", "Fault", "Finding", "Promises"]
