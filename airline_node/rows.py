"""An event and the row it is stored in: a tag, and plain JSON behind a checksum. No Python name is on the disk.

0a1b2c3d{"event":"seat-held","at":...}      stream, version and tag stand in columns beside it
"""

from collections.abc import Mapping
from typing import Final, get_args
from zlib import crc32

import msgspec
import orjson

from ledger.events import AnyEvent, Recorded, StreamName, stream_of

CHECKSUM_BYTES: Final = 8
TAGS: Mapping[type, str] = {kind: str(kind.__struct_config__.tag) for kind in get_args(AnyEvent)}
DECODER: Final = msgspec.json.Decoder[AnyEvent](AnyEvent)


class BadRow(ValueError):
    """What lies there is not what was written."""


def sealed(record: Recorded) -> tuple[StreamName, int, str, bytes]:
    """Stream, version, tag and state, as they are stored."""
    assert record.version > 0, record
    stream, body = stream_of(record.event), orjson.dumps(msgspec.to_builtins(record.event))
    return stream, record.version, TAGS[type(record.event)], checksum(stream, record.version, body) + body


def opened(stream: StreamName, version: int, tag: str, state: bytes) -> Recorded:
    """The same event again. Raises `BadRow` for whatever is not as it was sealed."""
    return Recorded(version, event_of(stream, version, tag, state))


def event_of(stream: StreamName, version: int, tag: str, state: bytes) -> AnyEvent:
    """The event alone: an auditor opens a million of them. Raises `BadRow` as `opened` does."""
    try:
        body = state[CHECKSUM_BYTES:]
        if state[:CHECKSUM_BYTES] != checksum(stream, version, body):
            raise BadRow("its checksum does not hold")
        event: AnyEvent = DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as fault:
        raise BadRow(str(fault)) from fault
    kind = type(event)
    if TAGS[kind] != tag:
        raise BadRow(f"its body is a {TAGS[kind]}")
    if stream != stream_of(event):
        raise BadRow(f"its body belongs to {stream_of(event)}")
    return event


def checksum(stream: StreamName, version: int, body: bytes) -> bytes:
    """CRC-32 as eight hex digits: a database lets a bit that has flipped in a value through."""
    return b"%08x" % crc32(body, crc32(f"{stream} {version} ".encode()))
