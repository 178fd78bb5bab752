"""The JSON snapshot store: what a node remembers of its log, so that a start replays only the tail."""
