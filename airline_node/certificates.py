"""Who a carrier is to another one: certificates, and the TLS contexts that ask for them.

Nodes speak TLS 1.3 to one another and both ends show a certificate of the one authority that all carriers
trust. The rule: a carrier is named by its certificate and by nothing else. A client is the carrier in its
certificate's common name; a server is the carrier whose host name (`an.passcom`) its certificate bears,
wherever its address leads. `make` issues a throw-away authority with one certificate a carrier, for a trial
and for tests; carriers that trade for money bring files of the same form.
"""

import re
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from trustme import CA

from airline_node.atomic import write
from ledger.terms import CARRIER_PATTERN, CarrierCode

VALID_DAYS = 365
RENEW_DAYS = 30
"""A certificate with less than this to live counts as expired when `make` looks at it."""


class CertificateTrouble(Exception):
    """A file cannot serve; the message names it and says why."""


class Files(NamedTuple):
    """Where one carrier finds the authority's certificate, its own, and the private key of its own."""

    ca: Path
    cert: Path
    key: Path


def files(folder: Path, carrier: CarrierCode) -> Files:
    return Files(folder / "ca.pem", folder / f"{carrier}.pem", folder / f"{carrier}.key")


def make(folder: Path, carriers: Iterable[CarrierCode]) -> None:
    """Issue `ca.pem` and for each carrier `AN.pem` and `AN.key`, unless a whole set that still serves is there.

    A set is kept whole or made anew whole, for the authority's own key is never stored. Each file appears
    complete or not at all; a set left mixed by a crash is seen and replaced by the next call.
    """
    wanted = list(carriers)
    if wanted and all(_serves(files(folder, carrier), carrier) for carrier in wanted):
        return
    authority = CA(organization_name="PASSCOM", organization_unit_name="throw-away authority")
    expiry = (datetime.now(UTC) + timedelta(days=VALID_DAYS)).replace(tzinfo=None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "ca.pem", authority.cert_pem.bytes(), 0o644)
        for carrier in wanted:
            issued = authority.issue_cert(peer_host_name(carrier), common_name=carrier, not_after=expiry)
            _, cert, key = files(folder, carrier)
            write(key, issued.private_key_pem.bytes(), 0o600)
            write(cert, issued.cert_chain_pems[0].bytes(), 0o644)
    except OSError as error:
        raise CertificateTrouble(f"{error.filename or folder}: {error.strerror}") from error


def server_context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    """For the port that peers come to: no client gets in without a certificate of the authority.

    Raises CertificateTrouble naming the file that is at fault.
    """
    return _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Files(ca, cert, key))


def client_context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    """For calling peers: the server's certificate is checked against the authority and the host name asked for.

    Raises CertificateTrouble naming the file that is at fault.
    """
    return _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Files(ca, cert, key))


def carrier_of_peer(peercert: Mapping[str, object] | None) -> CarrierCode | None:
    """Who shows this certificate, as `ssl` gives it after the authority's signature was verified.

    None for no certificate, for a common name that is no carrier code, and for two common names.
    """
    subject = (peercert or {}).get("subject")
    relative_names = subject if isinstance(subject, tuple) else ()
    names = [value for relative in relative_names for field, value in relative if field == "commonName"]
    # fullmatch: the pattern's own `$` would let a line feed follow.
    if len(names) != 1 or not re.fullmatch(CARRIER_PATTERN, names[0]):
        return None
    return str(names[0])


def peer_host_name(carrier: CarrierCode) -> str:
    """The name that a carrier's certificate bears and a caller checks, so that addresses may be anything."""
    return f"{carrier.lower()}.passcom"


def _load(context: ssl.SSLContext, own: Files) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    for path in own:
        _readable(path)
    _trust(context, own.ca)
    # OpenSSL does not say which of the two files it dislikes: a certificate that can be read clears the first.
    _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), own.cert)
    try:
        # Without a password, OpenSSL would stop to ask for one on the terminal.
        context.load_cert_chain(own.cert, own.key, password="")
    except ssl.SSLError as error:
        raise CertificateTrouble(
            f"{own.key}: cannot serve as the private key of {own.cert} ({error.reason or error})"
        ) from error
    return context


def _readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise CertificateTrouble(f"{path}: {error.strerror}") from error


def _trust(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise CertificateTrouble(f"{path}: no certificate in PEM form ({error.reason or error})") from error


def _serves(own: Files, carrier: CarrierCode) -> bool:
    """Whether two nodes with these files would take each other for `carrier`: they shake hands and we look."""
    try:
        client, server = client_context(*own), server_context(*own)
        shown = _handshake(client, server, peer_host_name(carrier))
    except (CertificateTrouble, ssl.SSLError):
        return False
    lasts_s = ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time()
    return carrier_of_peer(shown) == carrier and lasts_s > RENEW_DAYS * 86_400


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> Mapping[str, object]:
    """Both ends in memory; what the server learns of its client. Raises ssl.SSLError as the network would."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(to_client, to_server, server_hostname=host)
    answerer = server.wrap_bio(to_server, to_client, server_side=True)
    for end in (caller, answerer, caller, answerer):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return answerer.getpeercert() or {}
