"""A new booking's id: of a shape that every node takes, in the order of time, and nobody's guess."""

import re
import time
from uuid import RFC_4122, UUID

from ledger.terms import BOOKING_PATTERN
from ui.ids import CHANCE_BITS, new_booking_id

ALL_CHANCE = (0xFFF << 64) | ((1 << 62) - 1)
"""The bits of a version 7 that are neither time, version nor variant."""


def test_an_id_is_a_uuid_of_version_7_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    booking = new_booking_id()
    assert re.fullmatch(BOOKING_PATTERN, booking)
    number = UUID(booking)
    assert (number.version, number.variant) == (7, RFC_4122)
    assert before <= number.int >> 80 <= time.time_ns() // 1_000_000


def test_later_ids_come_later_and_all_else_is_chance() -> None:
    ids = []
    for _ in range(300):
        ids.append(new_booking_id())
        time.sleep(0.001)
    assert ids == sorted(set(ids))
    ones, zeroes = 0, 0
    for text in ids:
        ones |= UUID(text).int & ALL_CHANCE
        zeroes |= ~UUID(text).int & ALL_CHANCE
    assert ones == zeroes == ALL_CHANCE
    assert ALL_CHANCE.bit_count() == CHANCE_BITS
