"""A traveller's booking, its votes and its decision, at the node that took it.

    UNKNOWN --open--> OPEN --vote--> VOTING --commit--> COMMITTED --settle--> COMMITTED_SETTLED
       |               |               |                   |                          |
       |               |               |                   '--cancel--> CANCELLED <--cancel'
       |               |               |                                    '--settle--> CANCELLED_SETTLED
       '--abort--------'---- abort ----'--> ABORTED --settle--> ABORTED_SETTLED

The rules (docs/protocol.md counts them):
1. A decision is written once. Everybody who decides (the traveller, a deadline, an inquiry) comes through `decide`;
   the second one hears the first one's result. The table has no way from one decision to the other.
2. A yes counts until `decide_by`, by this node's clock, and not after.
4. An inquiry about a booking that is unknown here is answered abort, and the abort is on disk before that.
5. Votes and acknowledgements are not stored: a crash forgets them, and `pending` asks again.
"""

from ledger.coordinator.decide import decide
from ledger.coordinator.evolve import evolve
from ledger.coordinator.pending import owed, pending
from ledger.coordinator.reply import reply
from ledger.coordinator.state import Heard

__all__ = ["Heard", "decide", "evolve", "owed", "pending", "reply"]
