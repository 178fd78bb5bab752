"""What holds for all tests."""

import socket
from pathlib import Path

import pytest

from airline_node import certificates
from airline_node.config import LEDGER, Address, Config
from ledger.terms import CarrierCode
from tests.node.business import CARRIERS, TOKEN, Configs

BROWSER = Path(__file__).parent / "browser"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The browser's tests run by themselves: its driver keeps an event loop running, which others could not start in.

    So they run when their folder is named (`pytest tests/browser`, as `make test` does).
    """
    if collection_path != BROWSER:
        return None
    named = [Path(config.invocation_params.dir, argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(BROWSER in (path, *path.parents) for path in named) else True


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    certificates.make(folder, CARRIERS)
    return folder


@pytest.fixture
def configs(tmp_path: Path, authority: Path) -> Configs:
    """Three nodes, on six ports that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2 * len(CARRIERS))]
    addresses = [Address(*taken.getsockname()) for taken in sockets]
    for taken in sockets:
        taken.close()
    public, private = addresses[::2], addresses[1::2]
    peers = {carrier: f"https://{address}" for carrier, address in zip(CARRIERS, private, strict=True)}

    def configured(carrier: CarrierCode, listen: Address, peer_listen: Address) -> Config:
        own = certificates.files(authority, carrier)
        return Config(
            carrier=carrier,
            data=tmp_path / carrier,
            listen=listen,
            peer_listen=peer_listen,
            peers={other: address for other, address in peers.items() if other != carrier},
            tls_ca=own.ca,
            tls_cert=own.cert,
            tls_key=own.key,
            journal=str(tmp_path / carrier / LEDGER),
            auditor_token=TOKEN,
        )

    nodes = zip(CARRIERS, public, private, strict=True)
    return {carrier: configured(carrier, listen, peer_listen) for carrier, listen, peer_listen in nodes}
