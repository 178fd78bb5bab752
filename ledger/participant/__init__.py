"""A flight and the holds on its seats: what its carrier promises, sells and gives back.

One booking's hold on one seat goes through these states; all holds of one booking on the flight are
its claim, and they move together.

    NONE --hold--> TIMED --pledge--> PLEDGED --commit--> SOLD --return--> RETURNED
     | |          (again: extended)   ^   |
     | '-------------|----- pledge ---'   '--release--> RELEASED
     |               '-------------release----------------^
     '--refuse--> REFUSED

The rules (docs/protocol.md counts them):
2. Time releases timed holds. Time alone never releases a pledge: only the decision does.
3. An abort or an inquiry about an unknown booking closes the door first (`PrepareRefused`), so that a prepare
   that it overtook finds no seat.
7. A commit without a pledge, or an abort of a sale, is answered with a conflict and changes nothing.
8. A prepare never waits for a held seat: it is refused at once.
9. A pledge in doubt asks its coordinator, and the other participants if the coordinator is silent.
11. Two operators may break a pledge, as a last resort: `ledger.participant.forcing` has that machine.
"""

from ledger.participant.decide import decide
from ledger.participant.evolve import evolve
from ledger.participant.pending import pending
from ledger.participant.reply import reply
from ledger.participant.state import Heard

__all__ = ["Heard", "decide", "evolve", "pending", "reply"]
