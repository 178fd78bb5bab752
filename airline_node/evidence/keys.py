"""A carrier's name and key under what it signs: Ed25519, in the text form of C2SP's signed notes.

    an.passcom+3f7c2a10+AbQz...       name, key id, and behind base64 one byte for the kind of signature and the key

The private key signs this carrier's own checkpoints and cosigns the others'. One key serves for both: what is signed
begins with another line, and the key id differs. `make` draws keys for a trial, once: unlike a certificate a log's key
is never renewed by itself, because everything that was signed is checked with it.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Struct

from airline_node.atomic import write
from ledger.terms import CarrierCode

LOG: Final = b"\x01"
"""A log's own signature under a checkpoint (C2SP signed-note)."""
WITNESS: Final = b"\x04"
"""A cosignature with its time (C2SP tlog-cosignature, cosignature/v1)."""
KEY_BYTES: Final = 32
KEYS_FILE: Final = "log-keys"
NAME_PATTERN: Final = r"([a-z]{2})\.passcom"


class KeyTrouble(Exception):
    """A key cannot serve; the message names its file and says why."""


class PublicKey(Struct, frozen=True):
    """Whose signatures it checks."""

    name: str
    key: bytes

    @property
    def carrier(self) -> CarrierCode:
        return self.name[:2].upper()

    def key_id(self, kind: bytes) -> bytes:
        return sha256(self.name.encode() + b"\n" + kind + self.key).digest()[:4]

    def checks(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id(LOG).hex()}+{b64encode(LOG + self.key).decode()}"


class PrivateKey:
    """What this carrier signs with."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(name, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def log_name(carrier: CarrierCode) -> str:
    """What a carrier's log is called: the name that its certificate bears too."""
    return f"{carrier.lower()}.passcom"


def parse(text: str) -> PublicKey:
    """A key in its text form. Raises ValueError."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        decoded = b64decode(encoded, validate=True)
    except NotBase64 as wrong:
        raise ValueError(f"its key is not base64: {wrong}") from None
    key = PublicKey(name, decoded[1:])
    if decoded[:1] != LOG or len(key.key) != KEY_BYTES:
        raise ValueError("it is not an Ed25519 key")
    if key.key_id(LOG).hex() != key_id:
        raise ValueError("its key id does not fit: the line was cut or changed")
    return key


# ---- files ---------------------------------------------------------------------------------------------------------


def read_public(path: Path) -> dict[CarrierCode, PublicKey]:
    """The carriers' public keys, one a line; empty lines and those that begin with # are passed over."""
    keys: dict[CarrierCode, PublicKey] = {}
    for number, line in enumerate(_read(path).decode(errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            key = parse(line.strip())
            if not re.fullmatch(NAME_PATTERN, key.name):
                raise ValueError("a carrier's log is called like an.passcom")
            if key.carrier in keys:
                raise ValueError(f"a second key of {key.carrier}")
        except ValueError as wrong:
            raise KeyTrouble(f"{path}, line {number}: {wrong}") from None
        keys[key.carrier] = key
    return keys


def read_private(path: Path, carrier: CarrierCode) -> PrivateKey:
    """This carrier's own key: a PEM file (PKCS #8) without a password."""
    content = _read(path)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as wrong:
        raise KeyTrouble(f"{path}: no private key in PEM form without a password ({wrong})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyTrouble(f"{path}: not an Ed25519 key")
    return PrivateKey(log_name(carrier), key)


def private_file(folder: Path, carrier: CarrierCode) -> Path:
    return folder / f"{carrier}.signing-key"


def make(folder: Path, carriers: Iterable[CarrierCode]) -> None:
    """Draw a key for each carrier that has none there, and write down all public ones. Raises KeyTrouble."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        public: dict[CarrierCode, PublicKey] = {}
        for carrier in carriers:
            path = private_file(folder, carrier)
            if not path.exists():
                drawn = Ed25519PrivateKey.generate()
                write(path, drawn.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
            public[carrier] = read_private(path, carrier).public
        write(folder / KEYS_FILE, _listed(public), 0o644)
    except OSError as error:
        raise KeyTrouble(f"{error.filename or folder}: {error.strerror}") from error


def _listed(keys: Mapping[CarrierCode, PublicKey]) -> bytes:
    return "".join(f"{key}\n" for key in keys.values()).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyTrouble(f"{path}: {error.strerror}") from error
