"""The code at the gate: sixty characters, each in its place."""

import re

import pytest
import segno

from ui.ticket.boarding import QUIET, Coupon, boarding_code, picture, ticket_name

COUPON = Coupon(
    passenger="Ana Lima",
    locator="K7QX2M",
    origin="FEC",
    destination="SSA",
    flight="IP4001/2026-12-14",
    seat="4A",
    number=1,
)


def test_every_item_stands_where_a_reader_looks_for_it() -> None:
    code = boarding_code(COUPON)
    assert code == "M1LIMA/ANA            EK7QX2M FECSSAIP 4001 348Y004A0001 100"
    assert (code[2:22].rstrip(), code[23:30].rstrip(), code[30:36]) == ("LIMA/ANA", "K7QX2M", "FECSSA")
    assert (code[36:39], code[39:44], code[44:47], code[48:52]) == ("IP ", "4001 ", "348", "004A")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Ana Lima", "LIMA/ANA"),
        ("João da Conceição Sá", "SA/JOAO DA CONCEICAO"),
        ("Maximiliano Albuquerque Cavalcanti", "CAVALCANTI/MAXIMILIA"),
        ("D'Ávila-Sá", "DAVILASA"),
        ("李小龍", "X"),
    ],
)
def test_a_name_is_written_as_on_tickets(name: str, written: str) -> None:
    assert ticket_name(name) == written


def test_the_picture_has_every_dark_square_of_the_code_and_no_other() -> None:
    code = boarding_code(COUPON)
    drawn = picture(code)
    squares = [
        [x, y]
        for x0, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", drawn.dark)
        for x, y in ((int(x0) + n, int(y)) for n in range(int(width)))
    ]
    matrix = segno.make(code, error="m", micro=False).matrix
    assert squares == [[x + QUIET, y + QUIET] for y, row in enumerate(matrix) for x, dark in enumerate(row) if dark]
    assert drawn.side == len(matrix) + 2 * QUIET
    assert re.sub(r"M\d+ \d+h\d+v1h-\d+z", "", drawn.dark) == ""
