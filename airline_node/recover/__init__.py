"""`passcom recover`: what waits, on nodes that live and in the files of those that do not. It repairs nothing itself.

A node recovers by itself, at its start and all the time: what it owes is worked out from its state (`pending`). This
tool is for the person who is woken meanwhile: what waits, why, for whom, and what is safe to do.
"""
