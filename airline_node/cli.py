"""The command `passcom`. Each command turns its words into one call, and the answer into an exit code."""

import re
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console

from airline_node import certificates as issuing
from airline_node import config, fleet, staff
from airline_node import serve as node
from airline_node import up as machine
from airline_node import verify as receipts
from airline_node.audit.command import audit, settle
from airline_node.bench.command import bench
from airline_node.book import order as booking
from airline_node.evidence import keys
from airline_node.recover.command import recover
from airline_node.timetable import load
from ledger.terms import CARRIER_PATTERN, PASSENGERS_MAX, Millis
from ui.visitor import Role

StaffRole = Literal["operator", "auditor"]
TROUBLE = 2
"""The exit code of a command that could not begin."""

app = typer.Typer(
    help="Airlines sell one another's seats: all of an itinerary or none of it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would show tokens
)


def main() -> None:
    if not __debug__:
        print(config.ASSERTS_WANTED, file=sys.stderr)
        sys.exit(TROUBLE)
    app()


@app.command()
def up(
    data: Annotated[Path, typer.Option(help="Folder of the nodes' data.")] = Path(".passcom"),
    port_base: Annotated[
        int, typer.Option(min=0, max=fleet.PORT_BASE_MAX, help="Their ports follow this one.")
    ] = fleet.PORT_BASE,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove first what earlier nodes left there.")] = False,
) -> None:
    """Run the three airlines on this machine until Ctrl-C."""
    try:
        code = machine.up(data, port_base, Console(), fresh=fresh)
    except (fleet.FleetTrouble, issuing.CertificateTrouble, keys.KeyTrouble, OSError) as trouble:
        _give_up(trouble)
    raise typer.Exit(code)


@app.command()
def serve() -> None:
    """Run one airline's node, described by PASSCOM_ variables, until SIGTERM."""
    raise typer.Exit(node.main())


@app.command()
def book(
    origin: Annotated[str, typer.Argument(help="Airport, as FEC.")],
    destination: Annotated[str, typer.Argument(help="Airport, as CGB.")],
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day of departure; else the first day that has an itinerary."),
    ] = None,
    passengers: Annotated[
        int | None,
        typer.Option(min=1, max=PASSENGERS_MAX, show_default="as many as names", help="How many travel."),
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="Who travels; once for each passenger.")] = None,
    email: Annotated[str | None, typer.Option(help="Where the tickets go.")] = None,
    at: Annotated[str, typer.Option(help="The node to buy from.")] = fleet.address(fleet.PORT_BASE + 1),
    choice: Annotated[int | None, typer.Option(min=1, help="Which itinerary, as they are shown.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; without --choice it is the first.")] = False,
    hold_only: Annotated[bool, typer.Option("--hold-only", help="Hold the seats, do not buy yet.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as JSON on standard output.")] = False,
) -> None:
    """Find an itinerary and buy it: all of it or none of it.

    Exit code 0: bought or held. 1: refused. 2: nothing was bought. 3: the outcome is not known yet.
    """
    names = tuple(name or ())
    if passengers is not None and passengers < len(names):
        raise typer.BadParameter(f"{len(names)} names for {passengers} passengers")
    order = booking.Order(
        origin=origin.upper(),
        destination=destination.upper(),
        passengers=passengers or max(1, len(names)),
        day=date.date() if date else None,
        names=names,
        email=email,
        choice=choice,
        yes=yes,
        hold_only=hold_only,
    )
    console = Console(stderr=as_json, highlight=False)  # as JSON the outcome has standard output for itself
    ask = partial(console.input, markup=False) if sys.stdin.isatty() else None
    raise typer.Exit(booking.book(order, at, console, ask, _now, as_json=as_json))


@app.command()
def certificates(
    out: Annotated[Path, typer.Option(help="Folder to write ca.pem, AN.pem, AN.key and so on into.")],
    carriers: Annotated[str, typer.Option(help="Whose.")] = ",".join(load().carriers),
) -> None:
    """Issue a throw-away authority, and a certificate and a key for its log to each carrier: for trials, not for trade.

    Certificates that run out are issued anew; the keys of logs stay, for what was signed is checked with them.
    """
    codes = carriers.split(",")
    if wrong := [code for code in codes if not re.fullmatch(CARRIER_PATTERN, code)]:
        raise typer.BadParameter(f"{wrong[0]!r} is not a carrier's two capital letters")
    try:
        issuing.make(out, codes)
        keys.make(out, codes)
    except (issuing.CertificateTrouble, keys.KeyTrouble) as trouble:
        _give_up(trouble)


@app.command()
def grant(
    email: Annotated[str, typer.Argument(help="The address that the account was registered with.")],
    role: Annotated[StaffRole, typer.Argument(help="What it may do from now on.")],
    data: Annotated[Path, typer.Option(help="The node's data folder, as .passcom/AN. It may be running.")],
) -> None:
    """Give an account of this airline a role."""
    _set_role(email, role, data, granted=True)


@app.command()
def revoke(
    email: Annotated[str, typer.Argument(help="The address that the account was registered with.")],
    role: Annotated[StaffRole, typer.Argument(help="What it may not do any more.")],
    data: Annotated[Path, typer.Option(help="The node's data folder, as .passcom/AN. It may be running.")],
) -> None:
    """Take a role from an account of this airline."""
    _set_role(email, role, data, granted=False)


@app.command()
def verify(
    receipt: Annotated[Path, typer.Argument(help="The file, as GET /api/bookings/ID/receipt gave it.")],
    keys_file: Annotated[
        Path, typer.Option("--keys", help="The carriers' public keys, as their operators publish them.")
    ] = Path(".passcom") / "keys" / keys.KEYS_FILE,
) -> None:
    """Check a traveller's receipt: needs no node and no network.

    Exit code 0: it holds. 1: it does not. 2: it could not be read.
    """
    raise typer.Exit(receipts.verify(receipt, keys_file, Console(highlight=False)))


app.command()(audit)
app.command()(settle)
app.command()(bench)
app.command()(recover)


def _set_role(email: str, role: StaffRole, data: Path, *, granted: bool) -> None:
    try:
        account = staff.set_role(data, email, Role(role), granted=granted)
    except staff.StaffTrouble as trouble:
        _give_up(trouble)
    roles = ", ".join(sorted({*account.roles, Role.TRAVELLER}))
    print(f"{account.email} is now: {roles}")


def _now() -> Millis:
    return time.time_ns() // 1_000_000


def _give_up(trouble: Exception) -> NoReturn:
    print(trouble, file=sys.stderr)
    raise typer.Exit(TROUBLE)


if __name__ == "__main__":
    main()
