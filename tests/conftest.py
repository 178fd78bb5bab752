"""What holds for all tests."""

import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Protocol

import pytest

from airline_node import certificates
from airline_node.config import LEDGER, Address, Config
from ledger.terms import CarrierCode
from tests.node.business import CARRIERS, TOKEN, Configs
from tests.thorough import THOROUGH

BROWSER = Path(__file__).parent / "browser"
LONG = tuple(Path(__file__).parent / name for name in ("crash", "disks", "simulator"))
"""What takes longest is begun first: else one process is still at it when the others have nothing left."""
LEFT_OUT = pytest.StashKey[int]()
"""How many tests this run leaves to a thorough one."""
LEFT_OUT_TOLD = "passcom_left_out"


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


# ---- in several processes ---------------------------------------------------------------------------------------


class Scheduler(Protocol):
    """Of xdist."""

    _split_scope: Callable[[str], str]


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> Generator[None, Scheduler, Scheduler]:
    """Every day one process has all crash tests, as it has all of any other file: it starts their nodes only once."""
    scheduler = yield
    if not THOROUGH and config.getoption("dist") == "loadfile":
        by_file = scheduler._split_scope
        scheduler._split_scope = lambda test: "tests/crash" if test.startswith("tests/crash/") else by_file(test)
    return scheduler


# ---- every day and thorough -------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `thorough`, unless all is to be run or a single test is named. Long ones come first."""
    items.sort(key=lambda item: next((n for n, folder in enumerate(LONG) if folder in item.path.parents), len(LONG)))
    thorough = [item for item in items if item.get_closest_marker("thorough")]
    for item in thorough:
        item.add_marker(pytest.mark.slow)
    if THOROUGH or any("::" in argument for argument in config.args):
        return
    config.hook.pytest_deselected(items=thorough)
    items[:] = [item for item in items if item not in thorough]
    config.stash[LEFT_OUT] = len(thorough)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One process of several: the one that writes the summary is told."""
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told[LEFT_OUT_TOLD] = session.config.stash.get(LEFT_OUT, 0)


class Worker(Protocol):
    """Of xdist."""

    config: pytest.Config


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Worker) -> None:
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get(LEFT_OUT_TOLD, 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{left_out} thorough tests were left out; THOROUGH=1 runs them too, and CI does")
