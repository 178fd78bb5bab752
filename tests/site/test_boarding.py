"""The code at the gate: sixty characters, each in its place."""

import re

import pytest

from ui.ticket.boarding import Coupon, boarding_code, picture, ticket_name

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


def test_the_picture_needs_no_style_and_is_black_on_white() -> None:
    drawn = picture(boarding_code(COUPON))
    assert drawn.startswith("<svg")
    assert "style" not in drawn
    assert "#fff" in drawn


def test_no_letter_of_a_passenger_is_in_the_markup_that_is_trusted() -> None:
    """However a code came about: the page takes its picture as it is."""
    drawn = picture("<SCRIPT>ZEBRA&\"'")
    assert "ZEBRA" not in drawn
    assert set(re.findall(r"<(/?\w+)", drawn)) == {"svg", "path", "g", "/g", "/svg"}
