"""One carrier's process: aiohttp in front, the journal behind, the ledger's rules between them."""
