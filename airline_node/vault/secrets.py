"""Keys that a node makes for itself, each once in the life of its file."""

import secrets

from sqlalchemy import Column, Connection, LargeBinary, String, Table, select
from sqlalchemy.dialects.sqlite import insert

from airline_node.vault.file import TABLES

SECRET_BYTES = 32

_SECRETS = Table(
    "secrets",
    TABLES,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)


def secret(connection: Connection, name: str) -> bytes:
    """The key of that name: always the same one in one file."""
    with connection.begin():
        fresh = {"name": name, "value": secrets.token_bytes(SECRET_BYTES)}
        connection.execute(insert(_SECRETS).on_conflict_do_nothing(), fresh)
        return bytes(connection.execute(select(_SECRETS.c.value).filter_by(name=name)).scalar_one())
