"""The journal in a PostgreSQL database of its own. The driver is an extra: only such an address imports this module."""

from contextlib import ExitStack
from typing import Final

import psycopg
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.rows import dict_row

from airline_node.journal.database import LOCK_WAIT_MS, NODE_LOCK, READERS, Database
from airline_node.journal.trouble import JournalTrouble, reported

CONNECT_WAIT_MS: Final = 5_000


def open_database(address: str) -> Database:
    """This node's alone until it is released. Raises `JournalTrouble`."""
    what = "the journal in PostgreSQL cannot be opened"
    with ExitStack() as undo, reported(what, known=True):
        try:
            guard = psycopg.connect(address, autocommit=True, connect_timeout=CONNECT_WAIT_MS // 1000)
            _guard(undo.enter_context(guard))
        except psycopg.errors.LockNotAvailable:
            raise JournalTrouble("another node is running on this PostgreSQL database", known=True) from None
        except psycopg.Error as trouble:
            raise JournalTrouble(f"{what}: {trouble}", known=True) from trouble
        datastore = PostgresDatastore(
            *("", "", "", "", ""),
            connect_timeout=CONNECT_WAIT_MS / 1000,
            lock_timeout=LOCK_WAIT_MS // 1000,
            idle_in_transaction_session_timeout=LOCK_WAIT_MS / 1000,
            pool_size=1 + READERS,
            pre_ping=True,  # after the server was restarted, our connections are stale
            originator_id_type="text",
        )
        undo.callback(datastore.close)
        # The address in place of those five parts: so its sslmode and its options count too.
        datastore.pool.conninfo, datastore.pool.kwargs = address, {"row_factory": dict_row}
        recorder = PostgresApplicationRecorder(datastore)
        recorder.create_table()
        return Database(
            recorder=recorder,
            select_streams="SELECT notification_id AS position, * FROM public.stored_events "
            "WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version",
            bind=list,
            gapless=False,
            sound=lambda: None,  # the server's own business: data checksums, `amcheck`
            release=undo.pop_all().close,
        )


def _guard(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Be the only node here for as long as this connection lasts.

    Should it be lost while the node works on, the key (stream, version) still keeps two nodes from both succeeding.
    """
    unsafe = connection.execute(
        "SELECT name FROM pg_settings WHERE setting = 'off'"
        " AND name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
    ).fetchall()
    if unsafe:
        raise JournalTrouble(f"PostgreSQL is set to lose acknowledged data: {unsafe[0][0]} is off", known=True)
    # The server notices within half a minute, not two hours, that the machine of the last node is gone.
    connection.execute("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3")
    # Waited for, because the last node's session outlives its process by a moment.
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (str(LOCK_WAIT_MS),))
    connection.execute("SELECT pg_advisory_lock(%s)", (NODE_LOCK,))
