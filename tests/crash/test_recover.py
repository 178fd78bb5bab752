"""`passcom recover` from a second terminal: what a coordinator killed at any step has left, and what becomes of it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

import msgspec
import orjson
import pytest

from airline_node.config import LEDGER
from airline_node.recover.files import Verdict
from airline_node.recover.heard import Settling
from airline_node.recover.report import Report, Source, Waits
from ledger.messages import ForceState
from ledger.terms import DECIDE_MS, BookingId, CarrierCode
from ledger.waiting import WaitState
from tests.crash.cluster import DOOMED, ROOT, SOON_MS_MAX, TOKENS, Cluster, Reply, insist, new_booking, until
from tests.crash.doomed import Point

pytestmark = pytest.mark.slow
RECOVER = (sys.executable, "-m", "airline_node.cli", "recover")
SECONDS_MAX = 90
FIRST_PAGE = 200
"""A byte of the first page in SQLite's write-ahead log: what was committed there last begins with it."""
STILL_OPEN = (Verdict.OPEN, Verdict.PRESUMED_ABORTED)
"""Which of the two depends on how long the machine took to get here."""


@pytest.fixture
def cluster(doomed: Cluster) -> Cluster:
    doomed.revive()
    return noted(doomed)


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """For what must not be left to the other tests' nodes."""
    with Cluster(tmp_path, DOOMED) as nodes:
        yield noted(nodes)


def noted(nodes: Cluster) -> Cluster:
    """As `passcom up` would have left it."""
    nodes.fleet.tokens.write_bytes(orjson.dumps(msgspec.to_builtins(TOKENS)))
    nodes.fleet.note.write_bytes(orjson.dumps({"port_base": nodes.fleet.port_base}))
    return nodes


def recover(nodes: Cluster, *words: str, folder: str = "") -> tuple[int, Report]:
    """Exit code and report of the command in a process of its own."""
    command = [*RECOVER, "--data", str(nodes.fleet.folder / folder), "--json", *words]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=SECONDS_MAX, check=False)
    assert ran.stdout, ran.stderr.decode()
    return ran.returncode, msgspec.json.decode(ran.stdout, type=Report)


def of(report: Report, booking: BookingId, at: CarrierCode) -> Waits | None:
    return next((w for w in report.waiting if (w.transaction.booking, w.at) == (booking, at)), None)


def source(report: Report, carrier: CarrierCode) -> Source:
    [node] = [node for node in report.nodes if node.carrier == carrier]
    return node.source


def files(nodes: Cluster, carrier: CarrierCode) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in nodes.fleet.data(carrier).glob(f"{LEDGER}*")}


CLIENTS: dict[str, Callable[[Cluster, BookingId], Reply | None]] = {
    "buy": lambda nodes, booking: nodes.buy(booking),
    "hold": lambda nodes, booking: nodes.hold(booking),
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("client", "point", "state", "verdicts"),
    [
        ("buy", Point.COMMIT, WaitState.UNSETTLED, (Verdict.COMMITTED,)),
        ("buy", Point.OPENED_UNWRITTEN, None, ()),
        ("hold", Point.OPENED, WaitState.OPEN, (Verdict.OPEN,)),
        ("buy", Point.VOTING, WaitState.VOTING, STILL_OPEN),
        ("buy", Point.VOTE_HEARD, WaitState.VOTING, STILL_OPEN),
        ("buy", Point.COMMIT_UNWRITTEN, WaitState.VOTING, STILL_OPEN),
        ("buy", Point.ONE_TOLD, WaitState.UNSETTLED, (Verdict.COMMITTED,)),
        ("buy", Point.SETTLED_UNWRITTEN, WaitState.UNSETTLED, (Verdict.COMMITTED,)),
    ],
)
def test_a_coordinator_killed_at_any_step_is_examined_and_recovered_from_a_second_terminal(
    cluster: Cluster,
    booking: BookingId,
    client: str,
    point: Point,
    state: WaitState | None,
    verdicts: tuple[Verdict, ...],
) -> None:
    with cluster.doomed("AN", point):
        cluster.background(partial(CLIENTS[client], cluster, booking))
    before = files(cluster, "AN")

    code, report = recover(cluster, "--all")

    assert [source(report, carrier) for carrier in ("AN", "JG", "IP")] == [Source.FILES, Source.NODE, Source.NODE]
    mine = of(report, booking, "AN")
    if state is None:
        assert mine is None
    else:
        assert mine is not None
        if point is Point.SETTLED_UNWRITTEN:  # All have it on disk: what is missing is its coordinator's note of that.
            assert (code, mine.settling) == (0, Settling.RECORDED)
        else:
            assert code == 1
        assert (mine.transaction.state, mine.transaction.coordinator) == (state, "AN")
        assert mine.transaction.at_stake > 0
        assert mine.verdict in verdicts
        pledges = [w for w in report.waiting if w.transaction.booking == booking and w.at != "AN"]
        assert all(pledge.verdict in verdicts for pledge in pledges), "the dead coordinator's files speak for it"
    assert recover(cluster, "--all", folder="AN")[1].nodes[0].source is Source.FILES
    assert files(cluster, "AN") == before, "it was read, and left as it lay there"

    cluster.start("AN")
    code, report = recover(cluster, "--resume", "--wait", "60")
    assert (code, report.rests, report.waiting) == (0, True, ())
    assert recover(cluster, "--resume", "--wait", "60")[0] == 0
    if client == "hold":
        insist(partial(cluster.cancel, booking))
    cluster.assert_at_rest()


@pytest.mark.thorough
@pytest.mark.parametrize(("point", "verdict"), [(Point.ABORT, Verdict.ABORTED), (Point.CANCELLED, Verdict.COMMITTED)])
def test_an_abort_or_a_cancellation_that_nobody_was_told_is_read_from_the_files(
    cluster: Cluster, booking: BookingId, point: Point, verdict: Verdict
) -> None:
    if point is Point.CANCELLED:
        assert insist(partial(cluster.buy, booking)).status == HTTPStatus.CREATED
        client = partial(cluster.cancel, booking)
    else:
        ipe, jangada, _ = cluster.journey
        first_come = insist(partial(cluster.buy, new_booking(), "JG", {jangada: None})).booking
        [taken] = first_come.segments[0].seats
        client = partial(cluster.buy, booking, wanted={ipe: None, jangada: taken})
    with cluster.doomed("AN", point):
        cluster.background(client)
    code, report = recover(cluster)
    mine = of(report, booking, "AN")
    assert mine is not None
    assert (code, mine.verdict, mine.transaction.state) == (1, verdict, WaitState.UNSETTLED)
    cluster.start("AN")
    assert recover(cluster, "--resume", "--wait", "60")[0] == 0
    insist(client)
    cluster.assert_at_rest()


@pytest.mark.thorough
def test_past_its_time_a_dead_coordinator_without_a_decision_is_presumed_to_have_aborted(
    cluster: Cluster, booking: BookingId
) -> None:
    with cluster.doomed("AN", Point.VOTE_HEARD):
        cluster.background(partial(cluster.buy, booking))
    until("its time is over", partial(presumed_aborted, cluster, booking), DECIDE_MS + SOON_MS_MAX)
    code, report = recover(cluster, "--resume", "--wait", "1")
    assert code == 1, "while it is down nobody else may decide"
    for carrier in ("JG", "IP"):
        pledge = of(report, booking, carrier)
        assert pledge is not None
        assert (pledge.transaction.state, pledge.ask[0]) == (WaitState.IN_DOUBT, "AN")
        assert pledge.verdict is Verdict.PRESUMED_ABORTED
    cluster.start("AN")
    assert recover(cluster, "--resume", "--wait", "60")[0] == 0
    cluster.assert_at_rest()


def presumed_aborted(nodes: Cluster, booking: BookingId) -> bool:
    mine = of(recover(nodes, "--all")[1], booking, "AN")
    assert mine is not None
    return mine.verdict is Verdict.PRESUMED_ABORTED


@pytest.mark.thorough
def test_it_reads_beside_a_node_that_lives_and_says_so(cluster: Cluster, booking: BookingId) -> None:
    assert insist(partial(cluster.buy, booking)).status == HTTPStatus.CREATED
    code, report = recover(cluster, folder="JG")
    [node] = report.nodes
    assert (code, node.carrier, node.source) == (0, "JG", Source.FILES)
    assert "a node is at work on them" in node.detail
    assert insist(partial(cluster.buy, new_booking())).status == HTTPStatus.CREATED, "it was not disturbed"


@pytest.mark.thorough
def test_a_journal_that_is_damaged_is_said_to_be_and_never_guessed_at(own_cluster: Cluster, booking: BookingId) -> None:
    with own_cluster.doomed("AN", Point.COMMIT):
        own_cluster.background(partial(own_cluster.buy, booking))
    log = own_cluster.fleet.data("AN") / f"{LEDGER}-wal"
    flipped = bytearray(log.read_bytes())
    flipped[FIRST_PAGE] ^= 1
    log.write_bytes(flipped)
    code, report = recover(own_cluster)
    assert (code, source(report, "AN")) == (1, Source.NOTHING)
    [node] = [node for node in report.nodes if node.carrier == "AN"]
    assert "damaged" in node.detail
    assert all(w.verdict is None for w in report.waiting)


# ---- by force -------------------------------------------------------------------------------------------------------


def order(nodes: Cluster, what: str, booking: BookingId, **words: str) -> Reply:
    [flight] = [flight for flight in nodes.journey if flight.startswith("JG")]
    body = orjson.dumps({"flight": flight, **words})
    reply = nodes.ask("JG", "POST", f"/api/transactions/{booking}/{what}", body, token=TOKENS.operator)
    assert reply is not None
    return reply


def error(reply: Reply) -> str:
    assert reply.status == HTTPStatus.CONFLICT, reply
    return reply.problem.error


def in_doubt(nodes: Cluster, booking: BookingId) -> bool:
    nodes.ask("JG", "POST", "/api/transactions/resume", token=TOKENS.operator)
    [waits] = [one for one in nodes.waiting("JG") if one.booking == booking]
    return waits.may_not_force is None


@pytest.mark.thorough
def test_a_pledge_is_broken_by_two_operators_compared_with_the_decision_and_seen_to(
    own_cluster: Cluster, booking: BookingId
) -> None:
    nodes, why, note = own_cluster, "the gate closes", "flew on the next"
    with nodes.doomed("AN", Point.COMMIT):
        nodes.background(partial(nodes.buy, booking))
    assert error(order(nodes, "force", booking, operator="Marta", why=why)) == "decision-can-be-learned"
    until("nobody who can be reached knows", partial(in_doubt, nodes, booking), SOON_MS_MAX)
    assert error(order(nodes, "force/confirm", booking, operator="José")) == "not-proposed"
    assert order(nodes, "force", booking, operator="Marta", why=why).status == HTTPStatus.OK
    nodes.kill("JG")
    nodes.start("JG")  # a proposal is on disk, what was heard is not
    until("nobody who can be reached knows", partial(in_doubt, nodes, booking), SOON_MS_MAX)
    assert error(order(nodes, "force/confirm", booking, operator="marta")) == "second-operator"
    assert order(nodes, "force/confirm", booking, operator="José").status == HTTPStatus.OK
    _, report = recover(nodes)
    broken = of(report, booking, "JG")
    assert broken is not None
    assert (broken.transaction.state, broken.verdict) == (WaitState.FORCED, Verdict.COMMITTED)

    nodes.start("AN")
    until("it comes to light", partial(mismatch, nodes, booking), SOON_MS_MAX)
    code, report = recover(nodes, "--resume", "--wait", "2")
    told = of(report, booking, "JG"), of(report, booking, "AN")
    assert code == 1
    assert [waits.transaction.state for waits in told if waits] == [WaitState.MISMATCH, WaitState.CONFLICT]
    seen_to = order(nodes, "acknowledge", booking, operator="Marta", note=note)
    assert orjson.loads(seen_to.body)["state"] == ForceState.ACKNOWLEDGED
    code, report = recover(nodes, "--resume")
    assert (of(report, booking, "JG"), of(report, booking, "AN"), code) == (None, None, 0)
    nodes.kill("AN")
    code, report = recover(nodes)  # from AN's files, and from those of the carriers that have its acknowledgements
    assert ([(one.booking, one.note) for one in report.seen_to], code) == ([(booking, note)], 0)
    code, report = recover(nodes, folder="AN")
    alone = of(report, booking, "AN")
    assert alone is not None
    assert (alone.settling, code) == (Settling.DECIDED, 1)
    nodes.start("AN")  # it has forgotten what it heard
    code, report = recover(nodes, "--resume")
    assert (of(report, booking, "AN"), code) == (None, 0)


def mismatch(nodes: Cluster, booking: BookingId) -> bool:
    return [one.state for one in nodes.waiting("JG") if one.booking == booking] == [WaitState.MISMATCH]


@pytest.mark.thorough
def test_a_pledge_whose_sale_another_carrier_has_made_is_not_broken(cluster: Cluster, booking: BookingId) -> None:
    buy = partial(cluster.buy, booking)
    with cluster.doomed("AN", Point.ONE_TOLD):
        cluster.background(buy)
    cluster.ask("JG", "POST", "/api/transactions/resume", token=TOKENS.operator)
    until("Jangada has it from Ipê", lambda: cluster.waiting("JG") == (), SOON_MS_MAX)
    assert error(order(cluster, "force", booking, operator="Marta", why="the gate closes")) == "committed"
    cluster.start("AN")
    assert insist(buy).status == HTTPStatus.CREATED
    cluster.assert_at_rest()
