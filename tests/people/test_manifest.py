"""Names reach the carriers that fly them: each its own, once, and not for longer than they should."""

import asyncio
import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec import convert, to_builtins
from msgspec.structs import replace

from airline_node import certificates
from airline_node.config import Config
from airline_node.journal import Journal
from airline_node.people.asking import Asking
from airline_node.people.manifest import Manifest, Named, Names, NamesRecorded
from airline_node.vault import Contact, Passenger, Travellers, Vault
from airline_node.vault.manifest import ForgetFlights, OnBoard, Owe, ReadManifest, ReadOwed, RecordNames, Settle
from ledger.events import (
    AnyBookingEvent,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    Recorded,
    VotingStarted,
)
from ledger.terms import BookingId, CarrierCode, Millis, Segment
from tests.node.business import (
    BOOKING,
    TICKET,
    Answer,
    Client,
    Configs,
    eventually,
    journey,
    lived,
    open_for_business,
    order,
    settles,
)
from ui.people import Silent

T = TypeVar("T")

NOW = 1_797_000_000_000  # 2026-12-11
DAY = "2026-12-14"
IP, JG = f"IP4001/{DAY}", f"JG2055/{DAY}"
TRAVELLERS = Travellers((Passenger("Ana Lima"), Passenger("Rui Sá")), Contact("ana@example.com"))


# ---- one carrier's rules ----------------------------------------------------------------------------------------


class Told(Asking):
    """Another carrier, which hears what it is told, or is silent."""

    def __init__(self) -> None:
        super().__init__({"JG": "https://127.0.0.1:9"}, None)
        self.silent = False
        self.names: list[Names] = []
        self.heard = asyncio.Event()

    async def ask(
        self, carrier: CarrierCode, route: str, items: Sequence[object], answer: type[T], wait_ms: Millis = 0
    ) -> list[T]:
        self.heard.set()
        if self.silent:
            raise Silent("JG is silent")
        assert (carrier, route) == ("JG", "manifest")
        self.names += (told := [item for item in items if isinstance(item, Names)])
        return [convert(to_builtins(NamesRecorded(names.booking)), answer) for names in told]


def sold(booking: BookingId) -> Sequence[AnyBookingEvent]:
    segments = (
        Segment(flight=IP, origin="FEC", destination="SSA", departure=NOW, arrival=NOW, fare=100),
        Segment(flight=JG, origin="SSA", destination="BSB", departure=NOW, arrival=NOW, fare=100),
    )
    opened = BookingOpened(
        at=NOW, booking=booking, segments=segments, passengers=2, price=400, body_hash="", hold_until=NOW
    )
    voting = VotingStarted(at=NOW, booking=booking, decide_by=NOW, first_serial=1, tickets=("983-1", "983-2"))
    return opened, voting, BookingCommitted(at=NOW, booking=booking, seats=(("1A", "1B"), ("7C", "7D")))


class Carrier:
    """Ipê's manifests, on a real vault and a real journal."""

    def __init__(self, folder: Path) -> None:
        self.vault, self.journal = Vault.open(folder / "vault.sqlite"), Journal.open(str(folder / "ledger.sqlite"))
        self.told = Told()
        self.manifest = Manifest("IP", self.vault, self.journal, self.told, lambda: NOW)
        self.versions: dict[BookingId, int] = {}

    async def __aenter__(self) -> "Carrier":
        self.running = asyncio.create_task(self.manifest.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self.journal.close()
        self.vault.close()

    async def writes(self, *events: AnyBookingEvent) -> None:
        records = []
        for event in events:
            self.versions[event.booking] = self.versions.get(event.booking, 0) + 1
            records.append(Recorded(self.versions[event.booking], event))
        await self.journal.append(records)

    async def until(self, aboard: Sequence[str], flight: str = IP) -> None:
        for _ in range(500):
            if [one.name for one in await self.manifest.of(flight)] == list(aboard):
                return
            await asyncio.sleep(0.01)
        raise AssertionError([one.name for one in await self.manifest.of(flight)])

    async def settled(self) -> None:
        for _ in range(500):
            if not await self.vault.file.ask(ReadOwed("JG", 10)) and not await self.vault.file.ask(ReadOwed("IP", 10)):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("something is owed for ever")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_MS", "RETRY_MS_MIN"):
        monkeypatch.setattr(f"airline_node.people.manifest.{name}", 5)


def test_each_carrier_hears_the_names_on_its_own_flights_and_no_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with Carrier(tmp_path) as ipe:
            await ipe.vault.keep(BOOKING, TRAVELLERS)
            await ipe.writes(*sold(BOOKING))
            await ipe.until(["Ana Lima", "Rui Sá"])
            await ipe.settled()
            assert await ipe.manifest.of(IP) == (
                OnBoard(flight=IP, seat="1A", ticket="983-1", coupon=1, name="Ana Lima"),
                OnBoard(flight=IP, seat="1B", ticket="983-2", coupon=1, name="Rui Sá"),
            )
            assert [(one.seat, one.ticket, one.coupon, one.name) for one in ipe.told.names[-1].passengers] == [
                ("7C", "983-1", 2, "Ana Lima"),
                ("7D", "983-2", 2, "Rui Sá"),
            ]

    asyncio.run(main())


def test_what_is_not_sold_is_told_to_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with Carrier(tmp_path) as ipe:
            await ipe.vault.keep("held", TRAVELLERS)
            await ipe.writes(*sold("held")[:1])
            await ipe.vault.keep(BOOKING, TRAVELLERS)
            await ipe.writes(*sold(BOOKING))
            await ipe.until(["Ana Lima", "Rui Sá"])
            await ipe.settled()
            assert {names.booking for names in ipe.told.names} == {BOOKING}

    asyncio.run(main())


def test_a_cancelled_booking_takes_its_names_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with Carrier(tmp_path) as ipe:
            await ipe.vault.keep(BOOKING, TRAVELLERS)
            await ipe.writes(*sold(BOOKING))
            await ipe.until(["Ana Lima", "Rui Sá"])
            await ipe.writes(BookingCancelled(at=NOW, booking=BOOKING))
            await ipe.until([])
            await ipe.settled()
            assert ipe.told.names[-1] == Names(BOOKING, ())

    asyncio.run(main())


def test_erasing_a_bookings_names_reaches_whoever_was_told_and_the_disk(tmp_path: Path) -> None:
    async def main() -> None:
        async with Carrier(tmp_path) as ipe:
            await ipe.vault.keep(BOOKING, TRAVELLERS)
            await ipe.writes(*sold(BOOKING))
            await ipe.until(["Ana Lima", "Rui Sá"])
            await ipe.settled()
            await ipe.manifest.erase(BOOKING)
            await ipe.until([])
            await ipe.settled()
            assert ipe.told.names[-1] == Names(BOOKING, ())
            assert b"Ana Lima" not in everything_on_disk(tmp_path)

    asyncio.run(main())


def test_a_silent_carrier_is_told_later_and_holds_up_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with Carrier(tmp_path) as ipe:
            ipe.told.silent = True
            await ipe.vault.keep(BOOKING, TRAVELLERS)
            await ipe.writes(*sold(BOOKING))
            await ipe.until(["Ana Lima", "Rui Sá"])
            await ipe.told.heard.wait()
            ipe.told.silent = False
            await ipe.settled()
            assert [names.booking for names in ipe.told.names] == [BOOKING]

    asyncio.run(main())


def test_what_was_owed_before_a_restart_is_owed_after_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with Carrier(tmp_path) as ipe:
            ipe.told.silent = True
            await ipe.vault.keep(BOOKING, TRAVELLERS)
            await ipe.writes(*sold(BOOKING))
            await ipe.told.heard.wait()
        async with Carrier(tmp_path) as ipe:
            await ipe.settled()
            assert [names.booking for names in ipe.told.names] == [BOOKING]

    asyncio.run(main())


def test_a_sale_that_nobody_had_looked_at_before_a_kill_is_found_in_the_log(tmp_path: Path) -> None:
    async def main() -> None:
        killed = Carrier(tmp_path)
        await killed.vault.keep(BOOKING, TRAVELLERS)
        await killed.writes(*sold(BOOKING))
        killed.journal.close()
        killed.vault.close()
        async with Carrier(tmp_path) as ipe:
            await ipe.until(["Ana Lima", "Rui Sá"])
            await ipe.settled()
            assert [names.booking for names in ipe.told.names] == [BOOKING]

    asyncio.run(main())


def everything_on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


# ---- the room -----------------------------------------------------------------------------------------------------

ON_BOARD = OnBoard(flight=JG, seat="7C", ticket="983-1", coupon=2, name="Ana Lima")


def test_names_told_twice_are_there_once(vault: Vault) -> None:
    async def main() -> None:
        for _ in range(2):
            await vault.file.ask(RecordNames("IP", BOOKING, (ON_BOARD,)))
        assert await vault.file.ask(ReadManifest(JG)) == (ON_BOARD,)

    asyncio.run(main())


def test_of_what_is_told_twice_at_once_the_last_counts_and_other_bookings_stay(vault: Vault) -> None:
    other = replace(ON_BOARD, ticket="983-9", seat="9A")

    async def main() -> None:
        moved = replace(ON_BOARD, ticket="983-2", seat="7D")
        told = [("b-1", ON_BOARD), ("b-2", other), ("b-1", moved)]
        await vault.file.ask_all([RecordNames("IP", booking, (one,)) for booking, one in told])
        aboard = await vault.file.ask(ReadManifest(JG))
        assert set(aboard) == {other, moved}

    asyncio.run(main())


def test_what_is_owed_again_while_it_is_being_told_is_told_again(vault: Vault) -> None:
    async def main() -> None:
        await vault.file.ask(Owe(((BOOKING, "JG"),), 1))
        [before] = await vault.file.ask(ReadOwed("JG", 10))
        await vault.erase(BOOKING, owed_to=["JG"])
        await vault.file.ask(Settle((before.number,)))
        [owed] = await vault.file.ask(ReadOwed("JG", 10))
        assert owed.booking == BOOKING

    asyncio.run(main())


def test_names_of_flights_long_flown_are_forgotten(vault: Vault) -> None:
    async def main() -> None:
        later = replace(ON_BOARD, flight="JG2055/2026-12-15")
        await vault.file.ask(RecordNames("IP", BOOKING, (ON_BOARD, later)))
        await vault.file.ask(ForgetFlights("2026-12-15"))
        assert await vault.file.ask(ReadManifest(JG)) == ()
        assert await vault.file.ask(ReadManifest(later.flight)) == (later,)

    asyncio.run(main())


# ---- three nodes ----------------------------------------------------------------------------------------------------


async def aboard(client: Client, config: Config, flight: str) -> Answer:
    return await client.ask("GET", config, f"/api/flights/{flight.replace('/', '%2F')}/manifest")


@pytest.mark.slow
def test_the_operating_carriers_know_who_boards_and_forget_who_has_cancelled(configs: Configs) -> None:
    staffed = {carrier: _with_operator(config) for carrier, config in configs.items()}
    seller = staffed["IP"]

    async def story() -> None:
        async with open_for_business(*staffed.values()) as client:
            assert (await client.ask("PUT", seller, f"/api/bookings/{BOOKING}", order(*journey()))).status == 201
            for coupon, (carrier, flight) in enumerate(zip(("IP", "JG", "AN"), journey(), strict=True), 1):
                told = await eventually(
                    partial(aboard, client, staffed[carrier], flight), lambda answer: answer.body["passengers"]
                )
                [passenger] = told.body["passengers"]
                assert (passenger["name"], passenger["ticket"], passenger["coupon"]) == ("Ana Lima", TICKET, coupon)
            await client.ask("POST", seller, f"/api/bookings/{BOOKING}/cancel")
            await settles(client, seller, "returned")
            for carrier, flight in zip(("IP", "JG", "AN"), journey(), strict=True):
                await eventually(
                    partial(aboard, client, staffed[carrier], flight), lambda answer: answer.body["passengers"] == []
                )

    lived(story)


@pytest.mark.slow
def test_an_operator_erases_names_here_and_at_every_carrier_that_was_told(configs: Configs) -> None:
    staffed = {carrier: _with_operator(config) for carrier, config in configs.items()}
    seller, flown = staffed["IP"], list(zip(("IP", "JG", "AN"), journey(), strict=True))

    async def story() -> None:
        async with open_for_business(*staffed.values()) as client:
            one = f"/api/bookings/{BOOKING}"
            assert (await client.ask("DELETE", seller, f"{one}/passengers")).status == 404
            await client.ask("PUT", seller, one, order(*journey()))
            for carrier, flight in flown:
                await eventually(
                    partial(aboard, client, staffed[carrier], flight), lambda answer: answer.body["passengers"]
                )
            assert (await client.ask("DELETE", seller, f"{one}/passengers")).status == 200
            for carrier, flight in flown:
                await eventually(
                    partial(aboard, client, staffed[carrier], flight), lambda answer: answer.body["passengers"] == []
                )
            told = await client.ask("GET", seller, one)
            assert (told.body["status"], "passengers" in told.body) == ("confirmed", False)

    lived(story)
    for carrier in staffed:
        assert b"Ana Lima" not in everything_on_disk(staffed[carrier].data)


@pytest.mark.slow
def test_a_carrier_tells_names_under_its_own_tickets_on_the_flights_of_whom_it_tells(
    configs: Configs, authority: Path
) -> None:
    config = configs["AN"]
    own, theirs = f"AN1117/{DAY}", JG

    async def story() -> None:
        async with open_for_business(config) as client:

            async def tells(carrier: CarrierCode, flight: str, ticket: str) -> int:
                tls = certificates.client_context(*certificates.files(authority, carrier))
                names = Names(BOOKING, (Named(flight=flight, ticket=ticket, seat="1A", coupon=1, name="Ana Lima"),))
                body = {"items": [to_builtins(names)]}
                return (await client.ask_as_peer("POST", config, "/manifest", body, tls)).status

            assert await tells("JG", own, "9820000000017") == 200
            assert await tells("JG", own, "9830000000016") == 403
            assert await tells("JG", theirs, "9820000000017") == 403
            assert (await client.ask("POST", config, "/manifest", {"items": []})).status == 404

    lived(story)


def _with_operator(config: Config) -> Config:
    return dataclasses.replace(config, operator_token=config.auditor_token, auditor_token="")
