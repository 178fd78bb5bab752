"""A whole node, and three of them: real sockets, real TLS, real disks, one process.

Ana's journey from Feira de Santana to Cuiabá needs all three carriers; it is bought at Ipê's.
"""

import asyncio
import logging
import os
import signal
import socket
import sqlite3
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from datetime import date, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson
import pytest
import trustme
import uvloop
from aiohttp import ClientError, ClientSession, TCPConnector
from msgspec import structs

from airline_node import certificates
from airline_node.app import TROUBLE, now, running, serve
from airline_node.config import LEDGER, Address, Config
from airline_node.journal import Journal
from airline_node.timetable import Timetable, load
from ledger.terms import BookingId, CarrierCode, FlightId, locator_of
from snapshots.store import SnapshotStore

pytestmark = pytest.mark.slow

CARRIERS = ("AN", "JG", "IP")
TOKEN = "a-token-for-the-auditor"
BOOKING: BookingId = "01JD3VGJ5Q8T6N0ZK4W2XRA7MC"
PATH = ("IP4001", "JG2055", "AN1117")
FARES = (10_890, 35_190, 30_890)
UNREACHABLE = Address("127.0.0.1", 1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    certificates.make(folder, CARRIERS)
    return folder


def timetable() -> Timetable:
    """Ana's three flights and no others, so that a start is quick."""
    whole = load()
    return structs.replace(whole, week=tuple(weekly for weekly in whole.week if weekly.number in PATH))


def travel_day() -> date:
    """Some day soon on which all three fly."""
    tomorrow = timetable().today(now()) + timedelta(days=2)
    days = [tomorrow + timedelta(days=n) for n in range(7)]
    return next(day for day in days if all(weekly.flies_on(day) for weekly in timetable().week))


def journey() -> list[FlightId]:
    return [f"{number}/{travel_day()}" for number in PATH]


def configured(folder: Path, authority: Path) -> dict[CarrierCode, Config]:
    """Three nodes on six ports that are free now."""
    with AsyncExitStack():
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2 * len(CARRIERS))]
        ports = [open_socket.getsockname()[1] for open_socket in sockets]
        for open_socket in sockets:
            open_socket.close()
    places = dict(zip(CARRIERS, zip(ports[::2], ports[1::2], strict=True), strict=True))
    return {
        carrier: Config(
            carrier=carrier,
            data=folder / carrier,
            listen=Address("127.0.0.1", public),
            peer_listen=Address("127.0.0.1", private),
            peers={other: f"https://127.0.0.1:{places[other][1]}" for other in CARRIERS if other != carrier},
            journal=str(folder / carrier / LEDGER),
            auditor_token=TOKEN,
            **certificates.files(authority, carrier)._asdict(),
        )
        for carrier, (public, private) in places.items()
    }
