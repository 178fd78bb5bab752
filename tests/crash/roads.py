"""Each carrier in a network namespace of its own; between them a switch that delays, loses and cuts, one way or both.

The kernel's own TCP and TLS run over it: every packet is handed to this process through a TUN device and passed on, or
not. Only Linux, only for root, and only where a TUN device may be made: `why_not` says what is missing.
"""

import fcntl
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Final, TypeAlias

from ledger.terms import Millis

Place: TypeAlias = str
"""A carrier, or HERE, where the travellers are."""
HERE: Final = "here"
TUN: Final = Path("/dev/net/tun")
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PACKET_BYTES_MAX = 65_536
TICK_S = 0.05


def why_not() -> str:
    """Why there can be no such roads on this machine; empty if there can."""
    if os.uname().sysname != "Linux" or not TUN.exists():
        return "no TUN devices on this machine"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    try:
        os.close(_tun(f"try{os.getpid()}"))
        name = f"try{os.getpid()}"
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError) as refused:
        return f"namespaces or TUN devices are not allowed here: {refused}"
    return ""


class Roads:
    """`cut` are the directions in which nothing gets through. Packets are up to `delay_ms_max` late, lost by `loss`."""

    def __init__(self, carriers: tuple[Place, ...]) -> None:
        net = f"10.{random.randrange(64, 250)}.{random.randrange(1, 250)}"
        self.addresses: Mapping[Place, str] = {place: f"{net}.{n}" for n, place in enumerate((*carriers, HERE), 1)}
        self.cut: set[tuple[Place, Place]] = set()
        self.delay_ms_max: Millis = 0
        self.loss = 0.0
        self.lost = self.passed = 0
        self._places = {bytes(map(int, address.split("."))): place for place, address in self.addresses.items()}
        self._ends: dict[Place, int] = {}
        self._over = threading.Event()
        self._switch = threading.Thread(target=self._carry, name="switch", daemon=True)

    def namespace(self, carrier: Place) -> str:
        return f"passcom-{os.getpid()}-{carrier}"

    @contextmanager
    def open(self) -> Iterator["Roads"]:
        """Nothing of them outlives the block."""
        try:
            for number, (place, address) in enumerate(self.addresses.items()):
                self._lead_to(place, address, f"pc{os.getpid() % 1_000_000}n{number}")
            self._switch.start()
            yield self
        finally:
            self._over.set()
            if self._switch.is_alive():
                self._switch.join()
            for end in self._ends.values():
                os.close(end)
            for place in self._ends.keys() - {HERE}:
                _ip("netns", "del", self.namespace(place))

    def _lead_to(self, place: Place, address: str, device: str) -> None:
        self._ends[place] = _tun(device)
        inside = [] if place == HERE else ["-n", self.namespace(place)]
        if inside:
            _ip("netns", "add", self.namespace(place))
            _ip("link", "set", device, "netns", self.namespace(place))
            _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "addr", "add", f"{address}/24", "dev", device)
        _ip(*inside, "link", "set", device, "up")

    def _carry(self) -> None:
        """The switch: whatever comes in leaves after a while, or never."""
        under_way: list[tuple[float, int, int, bytes]] = []
        numbers, places = count(), {end: place for place, end in self._ends.items()}
        while not self._over.is_set():
            now = time.monotonic()
            while under_way and under_way[0][0] <= now:
                _, _, end, packet = heappop(under_way)
                self.passed += 1
                os.write(end, packet)
            wait_s = min(TICK_S, under_way[0][0] - now) if under_way else TICK_S
            for end in select.select(list(places), [], [], wait_s)[0]:
                packet = os.read(end, PACKET_BYTES_MAX)
                to = self._places.get(packet[16:20]) if packet[0] >> 4 == 4 else None
                if to is None or (places[end], to) in self.cut or random.random() < self.loss:
                    self.lost += to is not None
                    continue
                late_s = random.uniform(0, self.delay_ms_max) / 1000
                heappush(under_way, (time.monotonic() + late_s, next(numbers), self._ends[to], packet))


def _tun(name: str) -> int:
    end = os.open(TUN, os.O_RDWR)
    try:
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(end)
        raise
    return end


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
