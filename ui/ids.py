"""A new booking's id, as the site and the commands choose it."""

import secrets
import time
from uuid import UUID

from ledger.terms import BookingId

CHANCE_BITS = 74


def new_booking_id() -> BookingId:
    """A UUID of version 7 (RFC 9562): the milliseconds since 1970, then chance that nobody can guess.

    What is chosen at one time lies together in the journal's index and in the vault's. Of random ids nearly each
    changes pages of its own: a third of all that a sale writes to the disk.
    """
    at_ms, chance = time.time_ns() // 1_000_000, secrets.randbits(CHANCE_BITS)
    high, low = chance >> 62, chance & (1 << 62) - 1
    return str(UUID(int=at_ms << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low))
