"""An event to bytes and back, and a batch of messages between two nodes."""

import msgspec
import orjson

from airline_node.door import encoded
from airline_node.peer_routes import Batch
from airline_node.rows import DECODER
from ledger.events import AnyEvent
from ledger.messages import PeerMessage
from tests.ledger import given
from tests.micro import Benchmark

EVENT = given.pledged()
MESSAGES = [given.prepare() for _ in range(50)]
BATCH = msgspec.json.Decoder(Batch)


def as_stored(event: AnyEvent) -> bytes:
    return orjson.dumps(msgspec.to_builtins(event))


def as_sent(messages: list[PeerMessage]) -> bytes:
    return encoded({"items": messages})


def test_an_event_is_encoded(benchmark: Benchmark) -> None:
    assert benchmark(as_stored, EVENT).startswith(b"{")


def test_an_event_is_decoded(benchmark: Benchmark) -> None:
    assert benchmark(DECODER.decode, as_stored(EVENT)) == EVENT


def test_fifty_messages_are_encoded(benchmark: Benchmark) -> None:
    assert benchmark(as_sent, list(MESSAGES)).startswith(b"{")


def test_fifty_messages_are_decoded(benchmark: Benchmark) -> None:
    assert list(benchmark(BATCH.decode, as_sent(list(MESSAGES))).items) == MESSAGES
