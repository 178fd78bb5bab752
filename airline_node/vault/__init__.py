"""Private data that can be erased. The ledger keeps everything for ever, so no name ever enters it.

file.py         one SQLite file, one thread, one transaction for all that wait
travellers.py   who travels on a booking
secrets.py      keys that the node makes for itself
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Self

from airline_node.vault.file import PRAGMAS, VaultFile, VaultTrouble
from airline_node.vault.secrets import secret
from airline_node.vault.travellers import Contact, Erase, Keep, Passenger, Read, Travellers
from ledger.terms import BookingId, CarrierCode

__all__ = ["PRAGMAS", "Contact", "Passenger", "Travellers", "Vault", "VaultTrouble"]


class Vault:
    """One node's private data. Open it once, close it once; everything between may be asked at the same time."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """A file that only its owner can read, made with its folder if need be. Raises VaultTrouble."""
        return cls(VaultFile.open(path))

    def __init__(self, file: VaultFile) -> None:
        self.file = file
        """For whoever asks one of the rooms."""
        key = file.first(lambda connection: secret(connection, "fingerprint"))
        self._fingerprint = hmac.new(key, digestmod=sha256)

    async def keep(self, booking: BookingId, travellers: Travellers) -> Travellers | None:
        """On disk when this returns. What is already kept for this booking, or was erased, is left as it is.

        Answers who is kept: these, or who came first; None if they are erased.
        """
        return await self.file.ask(Keep(booking, travellers))

    async def travellers(self, booking: BookingId) -> Travellers | None:
        """Who was kept first for this booking; None if nobody was, or they are erased."""
        [travellers] = await self.all_travellers([booking])
        return travellers

    async def all_travellers(self, bookings: Sequence[BookingId]) -> Sequence[Travellers | None]:
        """The same of several bookings, in their order."""
        return await self.file.ask_all([Read(booking) for booking in bookings])

    async def erase(self, booking: BookingId, owed_to: Sequence[CarrierCode] = ()) -> None:
        """Gone from table, file and write-ahead log when this returns. A later `keep` does not bring it back.

        With the erasure it is written down that those carriers have yet to hear of it.
        """
        await self.file.ask(Erase(booking, tuple(owed_to)))

    def fingerprint(self, body: bytes) -> str:
        """A keyed hash: two requests can be compared by it, and no name be guessed from it without this vault."""
        keyed = self._fingerprint.copy()  # unlike hmac.digest it keeps Python's lock, for which a thread may be waiting
        keyed.update(body)
        return keyed.hexdigest()

    def close(self) -> None:
        """Finish what was asked, then leave no thread and no open file."""
        self.file.close()
