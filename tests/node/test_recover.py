"""`passcom recover` on small journals: what it reads, what it makes of it, and how it says so."""

import asyncio
import io
import os
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import orjson
import psycopg
import pytest
from msgspec.structs import replace
from rich.console import Console
from typer.testing import CliRunner

from airline_node.answers import TRANSACTIONS_MAX, TransactionsAnswer
from airline_node.cli import app
from airline_node.config import LEDGER
from airline_node.fleet import PORT_BASE, Tokens, address
from airline_node.journal import Journal
from airline_node.recover import nodes
from airline_node.recover.files import Files, FilesTrouble, Verdict, read_database, read_files, verdict
from airline_node.recover.heard import Settling
from airline_node.recover.nodes import Place, RecoverTrouble, look, places
from airline_node.recover.report import Looked, NodeFound, Report, Source, report
from airline_node.recover.screen import headline, length, show
from airline_node.wal import promised_frames, sound_frames
from ledger.events import AnyBookingEvent, AnyEvent, Decision, Recorded, ReleaseReason, StreamName, stream_of
from ledger.terms import CarrierCode
from ledger.waiting import WaitState
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    DECIDE_BY,
    EXPIRES_AT,
    JG_FLIGHT,
    NOW,
    aborted,
    booking,
    cancelled,
    committed,
    compared,
    opened,
    pledged,
    proposed,
    released,
    scheduled,
    seen_to,
    settled,
    sold,
    timed,
    voting,
)

pytest_plugins = ["tests.node.postgres"]
LATE = EXPIRES_AT + 1


def records(*events: AnyEvent) -> list[Recorded]:
    versions: dict[StreamName, int] = {}
    found = []
    for event in events:
        stream = stream_of(event)
        versions[stream] = versions.get(stream, 0) + 1
        found.append(Recorded(versions[stream], event))
    return found


def lived(folder: Path, *events: AnyEvent) -> Path:
    """A node's data folder, left in good order."""
    with closing(Journal.open(str(folder / LEDGER))) as journal:
        asyncio.run(journal.append(records(*events)))
    return folder


def killed(folder: Path, *events: AnyEvent) -> Path:
    """The same, of a node that was killed: what it wrote last is in SQLite's write-ahead log alone."""
    folder.mkdir(parents=True, exist_ok=True)
    if (child := os.fork()) == 0:
        journal = Journal.open(str(folder / LEDGER))
        for one in records(*events):
            journal._insert([one])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    return folder


def looked(files: Files) -> Looked:
    return Looked(node=NodeFound(carrier=files.carrier, source=Source.FILES, detail=""), files=files)


def reported(*folders: Path, everything: bool = False) -> Report:
    return report([looked(read_files(folder)) for folder in folders], LATE, everything=everything)


def of(waiting: Report, at: CarrierCode) -> list[tuple[WaitState, Verdict | None]]:
    return [(one.transaction.state, one.verdict) for one in waiting.waiting if one.at == at]


AN_PLAN = scheduled(AN_FLIGHT)
AN_SOLD = (replace(pledged(), flight=AN_FLIGHT), replace(sold(), flight=AN_FLIGHT))
"""A coordinator's own part is written with its decision."""

# ---- a coordinator's own word ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "now", "word"),
    [
        ((opened(),), EXPIRES_AT - 1, Verdict.OPEN),
        ((opened(),), EXPIRES_AT, Verdict.PRESUMED_ABORTED),
        ((opened(), voting()), DECIDE_BY - 1, Verdict.OPEN),
        ((opened(), voting()), DECIDE_BY, Verdict.PRESUMED_ABORTED),
        ((opened(), voting(), committed()), LATE, Verdict.COMMITTED),
        ((opened(), voting(), committed(), settled()), LATE, Verdict.COMMITTED),
        ((opened(), voting(), committed(), cancelled()), LATE, Verdict.COMMITTED),
        ((opened(), voting(), aborted()), NOW, Verdict.ABORTED),
    ],
)
def test_a_dead_coordinator_s_log_says_what_it_would_say_itself(
    history: Sequence[AnyBookingEvent], now: int, word: Verdict
) -> None:
    assert verdict(booking(*history), now) is word


def test_a_booking_that_has_settled_or_was_never_heard_of_is_looked_up_when_asked_for(tmp_path: Path) -> None:
    files = read_files(lived(tmp_path / "AN", AN_PLAN, opened(), voting(), committed(), settled()))
    assert files.waiting() == ()
    assert files.verdict(ANA, LATE) is Verdict.COMMITTED
    assert files.verdict("nobody-0000000000000000", LATE) is Verdict.PRESUMED_ABORTED


def test_a_cancellation_that_came_after_the_settlement_is_found(tmp_path: Path) -> None:
    folder = lived(tmp_path / "AN", AN_PLAN, opened(), voting(), committed(), settled(), cancelled())
    [one] = read_files(folder).waiting()
    assert one.state is WaitState.UNSETTLED


# ---- files ----------------------------------------------------------------------------------------------------------


def test_what_a_killed_node_wrote_last_is_read_and_its_files_are_left_as_they_lie(tmp_path: Path) -> None:
    folder = killed(tmp_path / "JG", scheduled(), pledged())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert promised_frames(folder / LEDGER) > 0, "it was to be killed with something in the log alone"
    files = read_files(folder)
    assert (files.carrier, files.position, files.at_work) == ("JG", 2, False)
    [one] = files.waiting()
    assert (one.state, one.seats) == (WaitState.IN_DOUBT, ("1A",))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_sound_log_holds_as_many_pages_as_were_promised(tmp_path: Path) -> None:
    path = killed(tmp_path / "JG", scheduled(), pledged()) / LEDGER
    assert sound_frames(path) == promised_frames(path)
    assert sound_frames(lived(tmp_path / "AN", AN_PLAN) / LEDGER) == 0


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_flipped_bit_in_the_log_is_damage_and_not_an_end(tmp_path: Path, share: float) -> None:
    folder = killed(tmp_path / "JG", scheduled(), pledged())
    log = folder / f"{LEDGER}-wal"
    flipped = bytearray(log.read_bytes())
    flipped[32 + round(share * (len(flipped) - 33))] ^= 1
    log.write_bytes(flipped)
    with pytest.raises(FilesTrouble, match="damaged"):
        read_files(folder)


@pytest.mark.parametrize(
    "changed", ["CAST(replace(state, '1A', '1B') AS BLOB)", "CAST(state AS TEXT)", "42", "x''", "CAST('[' AS BLOB)"]
)
def test_a_row_that_is_not_what_was_written_is_named(tmp_path: Path, changed: str) -> None:
    folder = lived(tmp_path / "JG", scheduled(), pledged())
    with closing(sqlite3.connect(folder / LEDGER)) as database, database:
        database.execute(f"UPDATE stored_events SET state = {changed} WHERE originator_version = 2")
    with pytest.raises(FilesTrouble, match=f"position 2, flight:{JG_FLIGHT} version 2 is damaged"):
        read_files(folder)


def test_a_missing_row_is_named(tmp_path: Path) -> None:
    folder = lived(tmp_path / "JG", scheduled(), pledged("1A"), pledged("1B", ticket=1))
    with closing(sqlite3.connect(folder / LEDGER)) as database, database:
        database.execute("DELETE FROM stored_events WHERE originator_version = 2")
    with pytest.raises(FilesTrouble, match="position 2 is missing"):
        read_files(folder)


def test_a_node_that_lives_is_noticed_and_not_disturbed(tmp_path: Path) -> None:
    with closing(Journal.open(str(tmp_path / "JG" / LEDGER))) as journal:
        asyncio.run(journal.append(records(scheduled())))
        assert read_files(tmp_path / "JG").at_work
        asyncio.run(journal.append([Recorded(2, pledged())]))
        assert read_files(tmp_path / "JG").position == 2


def test_progress_is_told_of_a_long_log(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    read_files(lived(tmp_path / "JG", scheduled(), pledged()), lambda done, total: told.append((done, total)))
    assert told[-1] == (2, 2)


def test_a_folder_without_a_journal_is_told_so_and_where_else_one_may_be(tmp_path: Path) -> None:
    with pytest.raises(FilesTrouble, match=r"there is no ledger\.sqlite .* PASSCOM_JOURNAL"):
        read_files(tmp_path)


# ---- PostgreSQL -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_journal_in_postgresql_is_read_as_a_file_is_and_left_as_it_is(postgres_address: str) -> None:
    with closing(Journal.open(postgres_address)) as journal:
        asyncio.run(journal.append(records(AN_PLAN, opened(), voting(), committed(), settled(), cancelled())))
        assert read_database(postgres_address).at_work
    told: list[tuple[int, int]] = []
    files = read_database(postgres_address, lambda done, total: told.append((done, total)))
    assert (files.carrier, files.position, files.at_work) == ("AN", 6, False)
    assert files.place.startswith("postgresql:///carrier_")
    assert told[-1] == (6, 6)
    [one] = files.waiting()
    assert one.state is WaitState.UNSETTLED, "a cancellation after the settlement: the stream was read again"
    assert files.verdict("nobody-0000000000000000", LATE) is Verdict.PRESUMED_ABORTED


@pytest.mark.slow
def test_a_damaged_row_in_postgresql_is_named_and_a_server_that_is_gone_is_told(postgres_address: str) -> None:
    with closing(Journal.open(postgres_address)) as journal:
        asyncio.run(journal.append(records(scheduled(), pledged())))
    with psycopg.connect(postgres_address) as database:
        database.execute("UPDATE stored_events SET state = 'x' WHERE originator_version = 2")
    with pytest.raises(FilesTrouble, match=f"flight:{JG_FLIGHT} version 2 is damaged"):
        read_database(postgres_address)
    with pytest.raises(FilesTrouble) as told:
        read_database("postgresql://me:secret@127.0.0.1:1/andorinha")
    assert "secret" not in str(told.value)


@pytest.mark.slow
def test_the_command_reads_the_database_that_the_node_s_settings_name(
    postgres_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Journal.open(postgres_address)) as journal:
        asyncio.run(journal.append(records(scheduled(), pledged())))
    monkeypatch.setenv("PASSCOM_JOURNAL", postgres_address)
    ran = CliRunner().invoke(app, ["recover", "--data", str(tmp_path), "--json"])
    assert ran.exit_code == 1, ran.output
    found = msgspec.json.decode(ran.stdout, type=Report)
    assert [(node.carrier, node.source) for node in found.nodes] == [("JG", Source.FILES)]
    assert of(found, "JG") == [(WaitState.IN_DOUBT, None)]
    lived(tmp_path, AN_PLAN)
    ran = CliRunner().invoke(app, ["recover", "--data", str(tmp_path), "--json"])
    assert msgspec.json.decode(ran.stdout, type=Report).nodes[0].carrier == "AN", "what lies in the folder is read"


def test_a_journal_that_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecoverTrouble, match="postgresql://"):
        places([], [tmp_path], "", "ledger.sqlite")


# ---- all of it together ---------------------------------------------------------------------------------------------


def test_a_pledge_is_explained_by_its_coordinator_s_own_files(tmp_path: Path) -> None:
    andorinha = lived(tmp_path / "AN", AN_PLAN, opened(), voting(), committed(), *AN_SOLD)
    jangada = lived(tmp_path / "JG", scheduled(), pledged())
    both = reported(andorinha, jangada)
    assert of(both, "AN") == [(WaitState.UNSETTLED, Verdict.COMMITTED)]
    assert of(both, "JG") == [(WaitState.IN_DOUBT, Verdict.COMMITTED)]
    assert both.at_stake == opened().price, "the booking's price, and not the pinned seats once more"
    assert not both.rests
    alone = reported(jangada)
    assert of(alone, "JG") == [(WaitState.IN_DOUBT, None)]
    assert alone.waiting[0].ask == ("AN", "IP"), "the coordinator first"


def test_a_pledge_whose_coordinator_never_heard_of_it_is_presumed_to_be_aborted(tmp_path: Path) -> None:
    both = reported(lived(tmp_path / "AN", AN_PLAN), lived(tmp_path / "JG", scheduled(), pledged()))
    assert of(both, "JG") == [(WaitState.IN_DOUBT, Verdict.PRESUMED_ABORTED)]


MISMATCH = (pledged(), proposed(), released(reason=ReleaseReason.FORCED), compared(Decision.COMMITTED))


def test_a_coordinator_s_files_alone_do_not_say_who_has_its_decision(tmp_path: Path) -> None:
    alone = reported(lived(tmp_path / "AN", AN_PLAN, opened(), voting(), committed(), *AN_SOLD))
    [one] = alone.waiting
    assert (one.state, one.transaction.reason) == (
        Settling.DECIDED,
        "committed; whether it is recorded or seen to at JG is not in this log, but in theirs",
    )
    assert headline(alone) == "1 booking decided; what is left of it is in logs that were not read."
    assert "unsettled" not in shown(alone)
    assert not alone.rests


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ((pledged(),), [WaitState.UNSETTLED]),
        ((pledged(), sold()), []),
        (MISMATCH, [WaitState.CONFLICT]),
        ((*MISMATCH, seen_to()), []),
    ],
    ids=["pledged", "recorded", "broken", "acknowledged"],
)
def test_read_beside_a_carrier_s_files_they_say_what_its_node_would_hear(
    tmp_path: Path, history: Sequence[AnyEvent], state: list[str]
) -> None:
    andorinha = lived(tmp_path / "AN", AN_PLAN, opened(), voting(), committed(), *AN_SOLD)
    both = reported(andorinha, lived(tmp_path / "JG", scheduled(), *history))
    assert [one.state for one in both.waiting if one.at == "AN"] == state
    assert both.rests == (not both.waiting)
    assert bool(both.seen_to) == (history[-1] == seen_to())


def test_a_mismatch_that_was_acknowledged_is_told_as_over_by_whom_and_how(tmp_path: Path) -> None:
    andorinha = lived(tmp_path / "AN", AN_PLAN, opened(), voting(), committed(), *AN_SOLD)
    both = reported(andorinha, lived(tmp_path / "JG", scheduled(), *MISMATCH, seen_to()))
    assert both.rests
    text = shown(both)
    assert text.startswith("Everything has come to rest.")
    assert f"Acknowledged by {seen_to().operator}: {seen_to().note}. Nothing is left to do." in text


def test_a_node_that_lives_has_its_files_read_for_what_only_they_say(tmp_path: Path) -> None:
    andorinha = lived(tmp_path / "AN", AN_PLAN, opened(), voting(), committed(), *AN_SOLD)
    jangada = lived(tmp_path / "JG", scheduled(), *MISMATCH, seen_to())
    with answering(msgspec.json.encode(TransactionsAnswer("JG", (), 0))) as address:
        both = [Place(carrier="AN", folder=andorinha), Place(carrier="JG", address=address, folder=jangada)]
        found = report(look(both, lambda *_: None), LATE, everything=False)
    assert [one.source for one in found.nodes] == [Source.FILES, Source.NODE]
    assert (found.rests, [one.flight for one in found.seen_to]) == (True, [JG_FLIGHT])


def test_what_is_merely_held_ends_by_itself_and_what_is_sold_waits_for_nobody(tmp_path: Path) -> None:
    held = reported(lived(tmp_path / "JG", scheduled(), timed()))
    assert (held.waiting, held.routine, held.rests) == ((), 1, True)
    assert reported(lived(tmp_path / "IP", scheduled("IP4001/2026-12-14"))).rests
    everything = reported(tmp_path / "JG", everything=True)
    assert of(everything, "JG") == [(WaitState.HELD, None)]
    assert reported(lived(tmp_path / "X", scheduled(), pledged(), sold())).rests


def test_a_vote_of_a_node_that_is_down_is_no_routine(tmp_path: Path) -> None:
    assert of(reported(lived(tmp_path / "AN", AN_PLAN, opened(), voting())), "AN") == [
        (WaitState.VOTING, Verdict.PRESUMED_ABORTED)
    ]


def test_nothing_rests_while_a_node_could_not_be_looked_at() -> None:
    blind = Looked(node=NodeFound(carrier="AN", source=Source.NOTHING, detail="it cannot be reached"))
    shown = report([blind], NOW, everything=False)
    assert (shown.rests, headline(shown)) == (False, "Nothing is known of AN.")


# ---- where to look --------------------------------------------------------------------------------------------------


def test_the_folder_of_passcom_up_names_all_its_nodes_where_they_listened_last(tmp_path: Path) -> None:
    tokens = Tokens("operators-token", "auditors-token")
    (tmp_path / "tokens.json").write_bytes(orjson.dumps(msgspec.to_builtins(tokens)))
    assert places([], [tmp_path], "")[0].address == address(PORT_BASE + 1)
    (tmp_path / "fleet.json").write_bytes(b'{"port_base":9000}')
    found = places([], [tmp_path], "")
    assert [(one.carrier, one.address, one.folder) for one in found] == [
        ("AN", "http://127.0.0.1:9001", tmp_path / "AN"),
        ("JG", "http://127.0.0.1:9002", tmp_path / "JG"),
        ("IP", "http://127.0.0.1:9003", tmp_path / "IP"),
    ]
    assert {one.token for one in found} == {"operators-token"}
    (tmp_path / "fleet.json").write_bytes(b"{")
    with pytest.raises(RecoverTrouble, match="damaged"):
        places([], [tmp_path], "")


def test_folders_may_be_named_one_by_one_or_by_the_one_they_are_in(tmp_path: Path) -> None:
    both = [lived(tmp_path / carrier, scheduled()) for carrier in ("AN", "JG")]
    for named in (both, [tmp_path]):
        assert [(one.carrier, one.folder) for one in places([], named, "")] == list(
            zip(("AN", "JG"), both, strict=True)
        )


def test_nodes_are_named_one_way_or_the_other(tmp_path: Path) -> None:
    assert [one.address for one in places(["http://an.example/"], [], "t")] == ["http://an.example"]
    with pytest.raises(RecoverTrouble, match="not both"):
        places(["http://an.example"], [tmp_path], "t")
    with pytest.raises(RecoverTrouble, match="There is no"):
        places([], [tmp_path / "nowhere"], "")


def test_where_nobody_listens_the_files_are_read(tmp_path: Path) -> None:
    lived(tmp_path / "JG", scheduled(), pledged())
    [silent] = [replace(one, address="http://127.0.0.1:1") for one in places([], [tmp_path / "JG"], "")]
    [found] = look([silent], lambda *_: None)
    assert (found.node.source, found.node.carrier) == (Source.FILES, "JG")
    assert "http://127.0.0.1:1 cannot be reached" in found.node.detail


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """The address of a node that says this, whatever it is asked."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # Who has heard enough goes away.
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing of it is for the tests' own page."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_a_node_where_a_thousand_bookings_wait_is_heard_to_the_end(tmp_path: Path) -> None:
    one = reported(lived(tmp_path / "JG", scheduled(), pledged())).waiting[0].transaction
    told = TransactionsAnswer("JG", (one,) * TRANSACTIONS_MAX, TRANSACTIONS_MAX)
    with answering(msgspec.json.encode(told)) as address:
        [found] = look(places([address], [], "token"), lambda *_: None)
    assert (found.node.source, len(found.told)) == (Source.NODE, TRANSACTIONS_MAX)


def test_an_answer_without_an_end_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "ANSWER_BYTES_MAX", 1_000)
    with answering(b" " * 1_001) as address:
        [found] = look(places([address], [], "token"), lambda *_: None)
    assert (found.node.source, found.told) == (Source.NOTHING, ())
    assert "answers with over 1000 bytes" in found.node.detail


# ---- on the screen --------------------------------------------------------------------------------------------------


def shown(waiting: Report) -> str:
    paper = Console(file=io.StringIO(), width=140, highlight=False)
    show(waiting, paper, datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(minutes=7))
    assert isinstance(paper.file, io.StringIO)
    return paper.file.getvalue()


def test_a_person_reads_what_waits_why_for_whom_and_what_is_safe(tmp_path: Path) -> None:
    andorinha = lived(tmp_path / "AN", AN_PLAN, opened(), voting(), committed(), *AN_SOLD)
    text = shown(reported(andorinha, lived(tmp_path / "JG", scheduled(), pledged())))
    assert text.startswith("1 booking waiting, R$ 820,00 at stake.")
    for words in (
        "in-doubt",
        "unsettled",
        "JG2055/2026-12-14 1A",
        "7 min ago",
        "own files: committed",
        "Safe: wait",
    ):
        assert words in text


def test_control_characters_of_a_node_s_answer_do_not_reach_the_terminal() -> None:
    evil = Looked(node=NodeFound(carrier="AN", source=Source.NOTHING, detail="\x1b[2J[bold]gone"))
    text = shown(report([evil], NOW, everything=False))
    assert "\x1b" not in text
    assert "[bold]gone" in text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 days"), (-1, "0 s")]
)
def test_a_time_is_told_as_one_says_it(seconds: float, words: str) -> None:
    assert length(seconds) == words
