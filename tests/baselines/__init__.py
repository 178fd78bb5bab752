"""The same purchases, sold by two other designs: `python -m tests.baselines` (needs the extra `bench`).

    original.py   Flask, threads, one lock, JSON files; two-phase commit over HTTP between three servers
    postgres.py   aiohttp, asyncpg; two-phase commit over three PostgreSQL databases (PREPARE TRANSACTION)
    __main__.py   runs them and ours in turn, with the same travellers, and prints the ratios

Both sell for real, durably and all or nothing, and both leave out much that a node does (no timed holds, no repeats
under one id, no recovery, no TLS between servers, no vault): what they are spared is in their favour.
"""
