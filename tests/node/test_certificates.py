"""Who a carrier is to another one, on both event loops and with files that cannot serve."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
import uvloop

from airline_node.certificates import (
    CertificateTrouble,
    carrier_of_peer,
    client_context,
    files,
    make,
    peer_host_name,
    server_context,
)

CARRIERS = ("AN", "JG", "IP")
LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]
NewLoop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path / "certificates", CARRIERS)
    return tmp_path / "certificates"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---- a set of files ---------------------------------------------------------------------------------------------


def test_a_set_is_one_authority_and_a_certificate_and_key_for_each_carrier(folder: Path) -> None:
    assert set(contents(folder)) == {"ca.pem", "AN.pem", "AN.key", "JG.pem", "JG.key", "IP.pem", "IP.key"}


def test_nobody_else_may_read_a_private_key(folder: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}


def test_a_whole_set_that_still_serves_is_kept(folder: Path) -> None:
    before = contents(folder)
    make(folder, CARRIERS)
    assert contents(folder) == before


def spoil_by_removal(folder: Path) -> None:
    (folder / "JG.key").unlink()


def spoil_by_a_crash_between_two_files(folder: Path) -> None:
    (folder / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())


def issue(folder: Path, common_name: Callable[[str], str], days: int) -> None:
    authority = trustme.CA()
    expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=days)
    (folder / "ca.pem").write_bytes(authority.cert_pem.bytes())
    for carrier in CARRIERS:
        issued = authority.issue_cert(peer_host_name(carrier), common_name=common_name(carrier), not_after=expiry)
        (folder / f"{carrier}.pem").write_bytes(issued.cert_chain_pems[0].bytes())
        (folder / f"{carrier}.key").write_bytes(issued.private_key_pem.bytes())


def spoil_by_age(folder: Path) -> None:
    issue(folder, common_name=str, days=29)


def spoil_by_a_wrong_common_name(folder: Path) -> None:
    issue(folder, common_name=str.lower, days=365)


def spoil_by_exchange(folder: Path) -> None:
    """Each is a good certificate with its own key: only the name on it is another's."""
    for suffix in ("pem", "key"):
        (folder / f"AN.{suffix}").write_bytes((folder / f"JG.{suffix}").read_bytes())


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_by_removal,
        spoil_by_a_crash_between_two_files,
        spoil_by_age,
        spoil_by_a_wrong_common_name,
        spoil_by_exchange,
    ],
)
def test_a_set_that_no_longer_serves_is_made_anew_whole(folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder)
    before = contents(folder)
    make(folder, CARRIERS)
    after = contents(folder)
    assert not [name for name in after if after[name] == before.get(name)]
    make(folder, CARRIERS)
    assert contents(folder) == after


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "certificates").write_text("a file is in the way")
    with pytest.raises(CertificateTrouble, match="certificates: "):
        make(tmp_path / "certificates", CARRIERS)


# ---- files that cannot serve --------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [server_context, client_context])
@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize(
    ("name", "why"),
    [("absent.pem", "No such file"), (".", "Is a directory"), ("empty.pem", "no certificate|cannot serve")],
)
def test_a_file_that_cannot_serve_is_named_with_the_reason(
    folder: Path, context: Callable[..., ssl.SSLContext], position: int, name: str, why: str
) -> None:
    (folder / "empty.pem").touch()
    chosen = list(files(folder, "AN"))
    chosen[position] = folder / name
    with pytest.raises(CertificateTrouble, match=why) as trouble:
        context(*chosen)
    assert str(trouble.value).startswith(f"{folder / name}: ")


def test_a_key_of_another_certificate_is_named(folder: Path) -> None:
    ca, cert, _ = files(folder, "AN")
    with pytest.raises(CertificateTrouble, match=r"JG\.key: cannot serve as the private key of .*AN\.pem"):
        server_context(ca, cert, folder / "JG.key")


def test_a_certificate_in_the_place_of_a_key_is_named(folder: Path) -> None:
    ca, cert, _ = files(folder, "AN")
    with pytest.raises(CertificateTrouble, match=r"AN\.pem: cannot serve as the private key"):
        client_context(ca, cert, cert)


# ---- who it is ------------------------------------------------------------------------------------------------------


def shown(*names: str) -> Mapping[str, object]:
    return {"subject": ((("organizationName", "AN"),), *((("commonName", name),) for name in names))}


def test_a_carrier_is_the_common_name_of_its_certificate() -> None:
    assert carrier_of_peer(shown("AN")) == "AN"


@pytest.mark.parametrize("cert", [None, {}, {"subject": None}, shown(), shown("an"), shown("AN\n"), shown("AN", "JG")])
def test_a_certificate_that_names_no_one_carrier_is_nobody(cert: Mapping[str, object] | None) -> None:
    assert carrier_of_peer(cert) is None


async def call(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> tuple[list[str | None], bytes]:
    """Whom the server took its callers for, and what the caller was told."""
    callers: list[str | None] = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(carrier_of_peer(writer.get_extra_info("peercert")))
        writer.write(b"welcome")
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=host)
        try:
            return callers, await reader.read()
        finally:
            writer.close()
    except OSError:
        return callers, b""
    finally:
        listener.close()
        await listener.wait_closed()


def on(new_loop: NewLoop, server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> tuple[list[str | None], bytes]:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(call(server, client, host))


@pytest.mark.parametrize("new_loop", LOOPS)
def test_two_carriers_know_each_other_whatever_the_address(folder: Path, new_loop: NewLoop) -> None:
    server, client = server_context(*files(folder, "JG")), client_context(*files(folder, "AN"))
    assert on(new_loop, server, client, peer_host_name("JG")) == (["AN"], b"welcome")


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_server_with_another_carriers_certificate_is_refused(folder: Path, new_loop: NewLoop) -> None:
    server, client = server_context(*files(folder, "IP")), client_context(*files(folder, "AN"))
    assert on(new_loop, server, client, peer_host_name("JG")) == ([], b"")


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_caller_of_another_authority_is_refused(folder: Path, tmp_path: Path, new_loop: NewLoop) -> None:
    make(tmp_path / "elsewhere", CARRIERS)
    _, cert, key = files(tmp_path / "elsewhere", "AN")
    client = client_context(folder / "ca.pem", cert, key)
    assert on(new_loop, server_context(*files(folder, "JG")), client, peer_host_name("JG")) == ([], b"")


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_caller_without_a_certificate_is_refused(folder: Path, new_loop: NewLoop) -> None:
    client = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    assert on(new_loop, server_context(*files(folder, "JG")), client, peer_host_name("JG")) == ([], b"")


@pytest.mark.parametrize("new_loop", LOOPS)
def test_nothing_older_than_tls_1_3_is_spoken(folder: Path, new_loop: NewLoop) -> None:
    client = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    client.load_cert_chain(*files(folder, "AN")[1:])
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert on(new_loop, server_context(*files(folder, "JG")), client, peer_host_name("JG")) == ([], b"")
