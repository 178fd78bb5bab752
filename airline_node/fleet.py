"""Where the nodes of one machine keep their things and listen, and the settings and tokens each is started with."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec
import orjson

from airline_node import certificates
from airline_node.evidence import keys
from airline_node.timetable import load
from ledger.terms import CarrierCode

HOST = "127.0.0.1"
TOKENS_FILE = "tokens.json"
PORT_BASE = 8100
PEER_PORTS_ABOVE = 100
"""A node's peer port, above its public one."""
PORT_BASE_MAX = 65_535 - 2 * PEER_PORTS_ABOVE

LARGE_PAGES = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""For a node's environment: its many small objects lie in memory pages of 2 MiB, which glibc asks Linux for.

With Python's own allocator and pages of 4 KiB a processor spends a tenth of its time and more on finding them. What
knows neither of the two takes no notice."""


class FleetTrouble(Exception):
    """The nodes cannot be started here, or not be found. The text is a sentence with the remedy."""


class Tokens(msgspec.Struct, frozen=True):
    operator: str
    auditor: str


class Note(msgspec.Struct, frozen=True):
    port_base: int


@dataclass(frozen=True)
class Fleet:
    """Where the nodes of one machine keep their things and listen."""

    folder: Path
    port_base: int
    carriers: tuple[CarrierCode, ...]

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def keys(self) -> Path:
        """What the logs are signed with: apart from the certificates, which are renewed."""
        return self.folder / "keys"

    @property
    def tokens(self) -> Path:
        return self.folder / TOKENS_FILE

    @property
    def note(self) -> Path:
        """Where they listened last, for commands that look for them."""
        return self.folder / "fleet.json"

    def data(self, carrier: CarrierCode) -> Path:
        return self.folder / carrier

    def log(self, carrier: CarrierCode) -> Path:
        return self.data(carrier) / "node.log"

    def port(self, carrier: CarrierCode) -> int:
        return self.port_base + 1 + self.carriers.index(carrier)

    def peer_port(self, carrier: CarrierCode) -> int:
        return self.port(carrier) + PEER_PORTS_ABOVE

    def address(self, carrier: CarrierCode) -> str:
        return address(self.port(carrier))


def issue(fleet: Fleet) -> None:
    """Throw-away certificates, and keys to sign the logs with. Raises `CertificateTrouble` or `KeyTrouble`."""
    certificates.make(fleet.certificates, fleet.carriers)
    keys.make(fleet.keys, fleet.carriers)


def address(port: int) -> str:
    """Of a node's public side, as a client on this machine names it."""
    return f"http://{HOST}:{port}"


def remembered(folder: Path) -> Fleet:
    """The nodes that were last started in this folder, running or not. Raises `FleetTrouble` for a damaged note."""
    fleet = Fleet(folder.absolute(), PORT_BASE, tuple(load().carriers))
    if not fleet.note.exists():
        return fleet  # started before there were notes
    try:
        note = msgspec.json.decode(fleet.note.read_bytes(), type=Note)
    except msgspec.DecodeError as wrong:
        raise FleetTrouble(f"{fleet.note} is damaged ({wrong}). Name the nodes with --at instead.") from None
    return Fleet(fleet.folder, note.port_base, fleet.carriers)


def tokens_of(folder: Path) -> Tokens:
    """The tokens of the nodes in this folder. Raises `FleetTrouble`."""
    path = folder / TOKENS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Tokens)
    except (OSError, msgspec.DecodeError) as wrong:
        raise FleetTrouble(f"{path} cannot be read ({wrong}).") from None


def environment(fleet: Fleet, carrier: CarrierCode, tokens: Tokens) -> dict[str, str]:
    """The settings of one node, as `airline_node.config` reads them, and how it is to use memory."""
    others = [peer for peer in fleet.carriers if peer != carrier]
    tls = certificates.files(fleet.certificates, carrier)
    return {
        "PASSCOM_CARRIER": carrier,
        "PASSCOM_DATA": str(fleet.data(carrier)),
        "PASSCOM_LISTEN": f"{HOST}:{fleet.port(carrier)}",
        "PASSCOM_PEER_LISTEN": f"{HOST}:{fleet.peer_port(carrier)}",
        "PASSCOM_PEERS": ",".join(f"{peer}=https://{HOST}:{fleet.peer_port(peer)}" for peer in others),
        "PASSCOM_TLS_CA": str(tls.ca),
        "PASSCOM_TLS_CERT": str(tls.cert),
        "PASSCOM_TLS_KEY": str(tls.key),
        "PASSCOM_SITES": ",".join(f"{one}={fleet.address(one)}" for one in fleet.carriers),
        "PASSCOM_OPERATOR_TOKEN": tokens.operator,
        "PASSCOM_AUDITOR_TOKEN": tokens.auditor,
        "PASSCOM_LOG": "text",  # a person reads these files
        "PASSCOM_SIGNING_KEY": str(keys.private_file(fleet.keys, carrier)),
        "PASSCOM_LOG_KEYS": str(fleet.keys / keys.KEYS_FILE),
        **LARGE_PAGES,
    }


def made_tokens(fleet: Fleet) -> Tokens:
    """The operators' and auditors' tokens, made at the first start and the same ever after."""
    if fleet.tokens.exists():
        try:
            return msgspec.json.decode(fleet.tokens.read_bytes(), type=Tokens)
        except msgspec.DecodeError as wrong:
            raise FleetTrouble(f"{fleet.tokens} is damaged ({wrong}). Remove it; new tokens will be made.") from None
    fleet.folder.mkdir(parents=True, exist_ok=True)
    tokens = Tokens(secrets.token_urlsafe(), secrets.token_urlsafe())
    fresh = fleet.tokens.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(orjson.dumps(msgspec.to_builtins(tokens)))
    fresh.replace(fleet.tokens)
    return tokens
