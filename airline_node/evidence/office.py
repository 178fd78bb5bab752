"""All of one node's evidence put together: its tree, its checkpoints, its watch over the others, its receipts."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from airline_node.evidence import keys as key_files
from airline_node.evidence.desk import ReceiptDesk
from airline_node.evidence.keys import KeyTrouble, PublicKey
from airline_node.evidence.notary import TREE_FILE, Notary, restore
from airline_node.evidence.shelf import FILE, Shelf
from airline_node.evidence.witness import Witness
from airline_node.journal import Journal
from ledger.terms import CarrierCode, Millis


class Office:
    """Opened with the journal, before the node's first event; `run` in a task; `close` after the node has ended."""

    @classmethod
    def open(
        cls,
        carrier: CarrierCode,
        data: Path,
        signing_key: Path,
        log_keys: Path,
        journal: Journal,
        addresses: Mapping[CarrierCode, str],
        tls: ssl.SSLContext | None,
        now: Callable[[], Millis],
    ) -> Self:
        """Raises `KeyTrouble`, `ShelfTrouble`, `Changed`, `OSError` or what the journal raises."""
        own, public = key_files.read_private(signing_key, carrier), key_files.read_public(log_keys)
        for known in (carrier, *addresses):
            if known not in public:
                raise KeyTrouble(f"{log_keys}: no key of {known}")
        if public[carrier] != own.public:
            raise KeyTrouble(f"{signing_key} is not the private half of {carrier}'s key in {log_keys}")
        with ExitStack() as undo:
            shelf = Shelf(data / FILE)
            undo.callback(shelf.close)
            tree = restore(data / TREE_FILE, shelf.newest(own.public.name), journal)
            undo.callback(tree.close)
            journal.tree = tree
            watched = {who: public[who] for who in (carrier, *addresses)}
            notary = Notary(own, watched, tree, shelf, now)
            witness = Witness(own, watched, addresses, tls, shelf, now)
            desk = ReceiptDesk(carrier, notary, journal, addresses, tls)
            return cls(notary, witness, desk, shelf, watched, undo.pop_all())

    def __init__(
        self,
        notary: Notary,
        witness: Witness,
        desk: ReceiptDesk,
        shelf: Shelf,
        keys: Mapping[CarrierCode, PublicKey],
        opened: ExitStack,
    ) -> None:
        self.notary = notary
        self.witness = witness
        self.desk = desk
        self.shelf = shelf
        self.keys = keys
        self._opened = opened

    async def run(self) -> None:
        """Sign and watch, until cancelled. What is left unsigned then is signed after the next start."""
        await self.desk.start()
        try:
            async with asyncio.TaskGroup() as work:
                work.create_task(self.notary.run())
                work.create_task(self.witness.run())
        finally:
            await self.desk.close()

    def close(self) -> None:
        self._opened.close()

    def figures(self) -> Mapping[str, float]:
        """For the node's metrics."""
        note = self.notary.newest
        return {
            "log_events": self.notary.size,
            "signed_events": note.checkpoint.size if note else 0,
            "newest_checkpoint_cosignatures": len(note.signatures) - 1 if note else 0,
            "logs_with_two_histories": len(self.witness.alarms),
        }
