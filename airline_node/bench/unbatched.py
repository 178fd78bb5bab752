"""A node as it would be without batches, to see what they are worth: `python -m airline_node.bench.unbatched`.

Each message to a peer travels in a request of its own, as many at once as a careful client would have under way.
"""

import os
import sys
from typing import Final

from airline_node import app, config, lines, peers

AT_ONCE: Final = 16

if __name__ == "__main__":
    lines.BATCH_MAX = 1
    peers.REQUESTS_AT_ONCE = AT_ONCE
    sys.exit(app.serve(config.read(os.environ), until_eof=True))
