"""What one node is told at its start, checked once: from then on every setting is known to be sound.

The rule: a wrong start names everything that is wrong, each with an example, and nothing has been touched.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from airline_node.logs import Kind, default
from airline_node.timetable import load
from ledger.terms import CarrierCode

PREFIX = "PASSCOM_"
LEDGER = "ledger.sqlite"
"""The journal's file in the data folder, unless PASSCOM_JOURNAL names a database."""
ADDRESS_PATTERN = r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})"
SITE_PATTERN = r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
BEARER_PATTERN = r"[A-Za-z0-9._~+/=-]{16,200}"
"""What fits an `Authorization: Bearer` line (RFC 6750) and is too long to guess."""
ASSERTS_WANTED = "passcom does not run under python -O: an assert that fails must stop a node."
SHOWN_MAX = 60
"""Characters of a wrong value that are repeated in the message."""


class ConfigTrouble(Exception):
    """The environment does not describe a node. The text names every fault; nothing was started."""


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Config:
    """One node. `peers` are the base addresses of the other carriers' nodes, always https.

    `journal` is a file path or a `postgresql://` address. An empty token opens its routes to nobody. `sites` are the
    addresses under which travellers see the airlines' sites, this one's too; `proxies` the network addresses of what
    stands before this node and says on whose behalf it comes. With a signing key comes the list of all carriers' public
    ones; without them the log is not signed.
    """

    carrier: CarrierCode
    data: Path
    listen: Address
    peer_listen: Address
    peers: Mapping[CarrierCode, str]
    tls_ca: Path
    tls_cert: Path
    tls_key: Path
    # These hold secrets: a log that prints the configuration must not print them.
    journal: str = field(repr=False)
    operator_token: str = field(repr=False, default="")
    auditor_token: str = field(repr=False, default="")
    signing_key: Path | None = None
    log_keys: Path | None = None
    sites: Mapping[CarrierCode, str] = field(default_factory=dict)
    proxies: frozenset[str] = frozenset()
    log: Kind = field(default_factory=default)

    @property
    def site(self) -> str:
        """Where travellers see this airline's own site."""
        return self.sites.get(self.carrier, f"http://{self.listen}")


def read(environment: Mapping[str, str]) -> Config:
    """The node that the `PASSCOM_` variables describe. An empty variable counts as absent.

    Raises `ConfigTrouble` with one line for each fault.
    """
    if not __debug__:
        raise ConfigTrouble(ASSERTS_WANTED)
    given = {name: value for name, value in environment.items() if name.startswith(PREFIX) and value}
    faults = [*_unknown(given), *_malformed(given)]
    # Only well-formed settings can be held against one another.
    faults = faults or list(_contradictions(given))
    if faults:
        raise ConfigTrouble("\n".join(["This node cannot start:", *(f"  {fault}" for fault in faults)]))
    carrier = _carrier(given["PASSCOM_CARRIER"])
    data = Path(given.get("PASSCOM_DATA", f".passcom/{carrier}"))
    return Config(
        carrier=carrier,
        data=data,
        listen=_address(given["PASSCOM_LISTEN"]),
        peer_listen=_address(given["PASSCOM_PEER_LISTEN"]),
        peers=_peers(given["PASSCOM_PEERS"]),
        tls_ca=Path(given["PASSCOM_TLS_CA"]),
        tls_cert=Path(given["PASSCOM_TLS_CERT"]),
        tls_key=Path(given["PASSCOM_TLS_KEY"]),
        journal=given.get("PASSCOM_JOURNAL", str(data / LEDGER)),
        operator_token=given.get("PASSCOM_OPERATOR_TOKEN", ""),
        auditor_token=given.get("PASSCOM_AUDITOR_TOKEN", ""),
        sites=_sites(given.get("PASSCOM_SITES", "")),
        proxies=_proxies(given.get("PASSCOM_PROXIES", "")),
        log=_kind(given["PASSCOM_LOG"]) if "PASSCOM_LOG" in given else default(),
        signing_key=_optional(given, "PASSCOM_SIGNING_KEY"),
        log_keys=_optional(given, "PASSCOM_LOG_KEYS"),
    )


def _optional(given: Mapping[str, str], name: str) -> Path | None:
    return Path(given[name]) if name in given else None


# ---- one variable: its parser raises ValueError with what is wrong, the end of a sentence ---------------


def _carrier(text: str) -> CarrierCode:
    if text not in _network():
        raise ValueError(f"{_shown(text)} is no carrier of this network ({', '.join(_network())})")
    return text


@cache
def _network() -> tuple[CarrierCode, ...]:
    return tuple(load().carriers)


def _address(text: str) -> Address:
    found = re.fullmatch(ADDRESS_PATTERN, text)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ValueError(f"{_shown(text)} is not host:port with a port of 1 to 65535")
    return Address(found["host"].strip("[]"), int(found["port"]))


def _peers(text: str) -> dict[CarrierCode, str]:
    return _by_carrier(text, "CARRIER=https://host:port", _https)


def _sites(text: str) -> dict[CarrierCode, str]:
    return _by_carrier(text, "CARRIER=https://host", _site) if text else {}


def _by_carrier(text: str, form: str, parse: Callable[[str], str]) -> dict[CarrierCode, str]:
    found: dict[CarrierCode, str] = {}
    for entry in text.split(","):
        name, equals, url = entry.strip().partition("=")
        if not equals:
            raise ValueError(f"{_shown(entry)} is not {form}")
        if (carrier := _carrier(name)) in found:
            raise ValueError(f"{carrier} is named twice")
        found[carrier] = parse(url)
    return found


def _site(url: str) -> str:
    site = url.removesuffix("/")
    if not re.fullmatch(SITE_PATTERN, site):
        raise ValueError(f"{_shown(url)} is not https://host or http://host:port, without a path")
    return site


def _proxies(text: str) -> frozenset[str]:
    try:
        return frozenset(ip_address(entry.strip()).compressed for entry in text.split(",") if entry.strip())
    except ValueError as wrong:
        raise ValueError(f"{wrong}; name network addresses, as they reach this node") from None


def _https(url: str) -> str:
    scheme, _, place = url.partition("://")
    if scheme != "https":
        raise ValueError(f"{_shown(url)} is not https://: carriers speak to one another over TLS only")
    return f"https://{_address(place.removesuffix('/'))}"


def _journal(text: str) -> str:
    if not text.startswith("postgresql://"):
        raise ValueError("is not a postgresql:// address; leave it out for a SQLite file in the data folder")
    return text


def _token(text: str) -> str:
    if not re.fullmatch(BEARER_PATTERN, text):
        raise ValueError("is not 16 to 200 of the characters A-Z a-z 0-9 . _ ~ + / = -")
    return text


def _kind(text: str) -> Kind:
    if text not in tuple(Kind):
        raise ValueError(f"{_shown(text)} is none of {', '.join(Kind)}")
    return Kind(text)


def _shown(text: str) -> str:
    """A wrong value as a message may repeat it: quoted, bounded, no control characters."""
    return ascii(text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "...")


class Variable(NamedTuple):
    parse: Callable[[str], object]
    example: str
    required: bool = True


VARIABLES: Mapping[str, Variable] = {
    "PASSCOM_CARRIER": Variable(_carrier, "AN"),
    "PASSCOM_DATA": Variable(Path, "./.passcom/AN", required=False),
    "PASSCOM_LISTEN": Variable(_address, "127.0.0.1:8101"),
    "PASSCOM_PEER_LISTEN": Variable(_address, "127.0.0.1:8201"),
    "PASSCOM_PEERS": Variable(_peers, "JG=https://127.0.0.1:8202,IP=https://127.0.0.1:8203"),
    "PASSCOM_TLS_CA": Variable(Path, "./.passcom/certificates/ca.pem"),
    "PASSCOM_TLS_CERT": Variable(Path, "./.passcom/certificates/AN.pem"),
    "PASSCOM_TLS_KEY": Variable(Path, "./.passcom/certificates/AN.key"),
    "PASSCOM_JOURNAL": Variable(_journal, "postgresql://user:password@host/andorinha", required=False),
    "PASSCOM_OPERATOR_TOKEN": Variable(_token, "at-least-16-characters", required=False),
    "PASSCOM_AUDITOR_TOKEN": Variable(_token, "another-16-characters", required=False),
    "PASSCOM_SITES": Variable(
        _sites, "AN=https://an.example,JG=https://jg.example,IP=https://ip.example", required=False
    ),
    "PASSCOM_PROXIES": Variable(_proxies, "10.0.0.7", required=False),
    "PASSCOM_LOG": Variable(_kind, "json", required=False),
    "PASSCOM_SIGNING_KEY": Variable(Path, "./.passcom/keys/AN.signing-key", required=False),
    "PASSCOM_LOG_KEYS": Variable(Path, "./.passcom/keys/log-keys", required=False),
}


# ---- what can be wrong ----------------------------------------------------------------------------------


def _unknown(given: Mapping[str, str]) -> Iterator[str]:
    # A setting under a misspelt name would silently not be in force.
    for name in sorted(given.keys() - VARIABLES.keys()):
        near = get_close_matches(name, VARIABLES, n=1)
        yield f"{_shown(name)} is no setting" + (f"; did you mean {near[0]}?" if near else "")


def _malformed(given: Mapping[str, str]) -> Iterator[str]:
    for name, variable in VARIABLES.items():
        example = f"; for example {name}={variable.example}"
        if name not in given:
            if variable.required:
                yield f"{name} is missing{example}"
            continue
        try:
            variable.parse(given[name])
        except ValueError as wrong:
            yield f"{name}: {wrong}{example}"


def _contradictions(given: Mapping[str, str]) -> Iterator[str]:
    carrier = given["PASSCOM_CARRIER"]
    if carrier in _peers(given["PASSCOM_PEERS"]):
        yield f"PASSCOM_PEERS: {carrier} is this node's own carrier; name only the others"
    if (sites := _sites(given.get("PASSCOM_SITES", ""))) and carrier not in sites:
        yield f"PASSCOM_SITES: {carrier}, this node's own carrier, is not named; name every airline that has a site"
    if given["PASSCOM_LISTEN"] == given["PASSCOM_PEER_LISTEN"]:
        yield "PASSCOM_PEER_LISTEN: the same as PASSCOM_LISTEN; travellers and peers need a port each"
    operator = given.get("PASSCOM_OPERATOR_TOKEN")
    if operator and operator == given.get("PASSCOM_AUDITOR_TOKEN"):
        yield "PASSCOM_AUDITOR_TOKEN: the same as PASSCOM_OPERATOR_TOKEN; every auditor would be an operator"
    for name, other in (("PASSCOM_SIGNING_KEY", "PASSCOM_LOG_KEYS"), ("PASSCOM_LOG_KEYS", "PASSCOM_SIGNING_KEY")):
        if name in given and other not in given:
            yield f"{other} is missing: a node that signs its log needs both; for example {VARIABLES[other].example}"
