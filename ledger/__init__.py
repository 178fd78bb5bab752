"""The rules of the reservation ledger: pure, deterministic, without I/O, clock or chance."""
