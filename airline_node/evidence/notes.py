"""Checkpoints: what a carrier signs about its log and others cosign (C2SP signed-note, tlog-checkpoint, -cosignature).

    an.passcom                                           whose log
    20852163                                             how many events
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=          the root of their tree

    — an.passcom Az3grlgtzPICa5OS8npVmf1Myq/5IZni...      the log's own signature over the lines above
    — jg.passcom jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9...      a cosignature: key id, time, signature

A cosignature says: when I saw this, I checked that it continues all that I had cosigned of this log before, and I will
never cosign what does not continue this.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from airline_node.evidence.keys import LOG, WITNESS, PrivateKey, PublicKey
from ledger.terms import CarrierCode
from ledger.tree import HASH_BYTES, Hash

NOTE_BYTES_MAX: Final = 8 * 1024
SIGNATURES_MAX: Final = 16
SIZE_MAX: Final = 2**53
MARK: Final = "\N{EM DASH} "
KEY_ID_BYTES: Final = 4
TIME_BYTES: Final = 8
SIGNATURE_BYTES: Final = 64


class BadNote(ValueError):
    """It is no checkpoint, or not one that this key has signed."""


class Checkpoint(Struct, frozen=True):
    """How a log stood: this many events, under this root."""

    origin: str
    size: int
    root: Hash

    @property
    def body(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


class Signature(Struct, frozen=True):
    """One line under a note: a name, and the signature behind the id of its key."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        return f"{MARK}{self.name} {b64encode(self.key_id + self.signature).decode()}\n"


class Note(Struct, frozen=True):
    """A checkpoint and whatever was signed below it; none of that is checked yet."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.checkpoint.body}\n{''.join(signature.line for signature in self.signatures)}"

    def with_signatures(self, others: Iterable[Signature]) -> "Note":
        """The same with these below it too, each once."""
        return Note(self.checkpoint, tuple(dict.fromkeys((*self.signatures, *others)))[:SIGNATURES_MAX])


def parse(text: str) -> Note:
    """Raises `BadNote`. Lines of an extension, which C2SP permits below the root, are none of ours."""
    if len(text.encode()) > NOTE_BYTES_MAX:
        raise BadNote(f"a note of over {NOTE_BYTES_MAX} bytes")
    body, separator, below = text.partition("\n\n")
    lines = body.split("\n")
    if not separator or len(lines) != 3 or not below.endswith("\n"):
        raise BadNote("not three lines, an empty one, and signatures")
    origin, size, root = lines
    signatures = tuple(map(parse_signature, below[:-1].split("\n")))
    if len(signatures) > SIGNATURES_MAX:
        raise BadNote(f"over {SIGNATURES_MAX} signatures")
    return Note(Checkpoint(_name(origin), _size(size), _bytes(root, HASH_BYTES)), signatures)


def parse_signature(line: str) -> Signature:
    """Raises `BadNote`."""
    name, space, encoded = line.removeprefix(MARK).partition(" ")
    if not line.startswith(MARK) or not space:
        raise BadNote("a signature's line is: dash, name, base64")
    decoded = _bytes(encoded)
    if len(decoded) <= KEY_ID_BYTES:
        raise BadNote("a signature without its key id")
    return Signature(_name(name), decoded[:KEY_ID_BYTES], decoded[KEY_ID_BYTES:])


def signed(checkpoint: Checkpoint, key: PrivateKey) -> Note:
    """The log's own word."""
    assert checkpoint.origin == key.public.name, "a log signs for itself alone"
    return Note(checkpoint, (_sign(checkpoint.body.encode(), LOG, b"", key),))


def cosigned(checkpoint: Checkpoint, key: PrivateKey, at_s: int) -> Signature:
    """A witness's word, given at a second since 1970."""
    assert checkpoint.origin != key.public.name, "a witness is somebody else"
    return _sign(_cosigned_message(checkpoint, at_s), WITNESS, at_s.to_bytes(TIME_BYTES, "big"), key)


def opened(text: str, key: PublicKey) -> Note:
    """The note, if this key's owner has signed it for its own log. Raises `BadNote`."""
    note = parse(text)
    if note.checkpoint.origin != key.name:
        raise BadNote(f"it is a checkpoint of {note.checkpoint.origin}, not of {key.name}")
    own = [s for s in note.signatures if (s.name, s.key_id) == (key.name, key.key_id(LOG))]
    if not own:
        raise BadNote(f"it bears no signature of {key.name}'s key")
    if not all(key.checks(signature.signature, note.checkpoint.body.encode()) for signature in own):
        raise BadNote(f"the signature of {key.name} does not hold")
    return note


def witnesses(note: Note, keys: Mapping[CarrierCode, PublicKey]) -> dict[CarrierCode, int]:
    """Who has cosigned it, and at which second. Raises `BadNote` for a known key's cosignature that does not hold."""
    by_id = {(key.name, key.key_id(WITNESS)): key for key in keys.values() if key.name != note.checkpoint.origin}
    found: dict[CarrierCode, int] = {}
    for signature in note.signatures:
        if key := by_id.get((signature.name, signature.key_id)):
            found[key.carrier] = checked_cosignature(note.checkpoint, signature, key)
    return found


def checked_cosignature(checkpoint: Checkpoint, signature: Signature, key: PublicKey) -> int:
    """The second at which it was given. Raises `BadNote`."""
    at_s = int.from_bytes(signature.signature[:TIME_BYTES], "big")
    if (
        (signature.name, signature.key_id) != (key.name, key.key_id(WITNESS))
        or len(signature.signature) != TIME_BYTES + SIGNATURE_BYTES
        or not key.checks(signature.signature[TIME_BYTES:], _cosigned_message(checkpoint, at_s))
    ):
        raise BadNote(f"the cosignature of {key.name} does not hold")
    return at_s


def _cosigned_message(checkpoint: Checkpoint, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n{checkpoint.body}".encode()


def _sign(message: bytes, kind: bytes, before: bytes, key: PrivateKey) -> Signature:
    return Signature(key.public.name, key.public.key_id(kind), before + key.sign(message))


def _name(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text or "+" in text:
        raise BadNote("not a name")
    return text


def _size(text: str) -> int:
    # One way to write a number: no signs, no zeros in front, no digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and str(int(text)) == text and int(text) <= SIZE_MAX):
        raise BadNote("not a number of events")
    return int(text)


def _bytes(text: str, length: int | None = None) -> bytes:
    try:
        decoded = b64decode(text, validate=True)
    except (NotBase64, ValueError) as wrong:
        raise BadNote(f"not base64: {wrong}") from None
    if b64encode(decoded).decode() != text or length not in (None, len(decoded)):
        raise BadNote("not base64 of the right length")
    return decoded
