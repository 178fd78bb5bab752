"""What a carrier opens for sale, and what the data files may and may not say."""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airline_node.timetable import DATA, BadTimetable, Timetable, WeeklyFlight, carriers, load, seat_kind
from ledger.terms import Millis

NETWORK = load()
MONDAY = date(2026, 12, 14)
SATURDAY = date(2026, 12, 19)


def utc(text: str) -> Millis:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def all_departures(first: date, days: int) -> dict[str, tuple[Millis, Millis]]:
    return {
        flight.flight: (flight.departure, flight.arrival)
        for carrier in NETWORK.carriers
        for flight in NETWORK.departures(carrier, first, days, at=0)
    }


# ---- the sale ----------------------------------------------------------------------------------------------------


def test_thirty_days_of_the_whole_network_are_on_sale() -> None:
    flights = all_departures(MONDAY, 30)
    assert len(flights) > 11_000
    assert min(flight[-10:] for flight in flights) == "2026-12-14"
    assert max(flight[-10:] for flight in flights) == "2027-01-12"


def test_a_weekday_has_some_forty_nine_thousand_five_hundred_seats() -> None:
    seats = sum(len(flight.seats) for c in NETWORK.carriers for flight in NETWORK.departures(c, MONDAY, 1, at=0))
    assert 49_000 < seats < 50_000


def test_the_pattern_of_the_week_counts_and_not_the_printed_season() -> None:
    long_after_the_season = date(2031, 12, 15)
    assert long_after_the_season.weekday() == MONDAY.weekday()
    assert len(all_departures(long_after_the_season, 7)) == len(all_departures(MONDAY, 7))


def test_a_flight_stays_on_the_ground_on_the_days_its_pattern_leaves_out() -> None:
    on_saturday = all_departures(SATURDAY, 1)
    assert "IP4001/2026-12-19" not in on_saturday
    assert "IP4003/2026-12-19" in on_saturday
    assert "IP4001/2026-12-20" in all_departures(SATURDAY, 2)


@settings(max_examples=25, deadline=None)
@given(first=st.dates(date(2000, 1, 1), date(2100, 1, 1)), days=st.integers(0, 3))
def test_a_flight_departs_on_its_date_where_it_departs(first: date, days: int) -> None:
    for flight in NETWORK.departures("IP", first, days, at=-(10**13)):
        zone = NETWORK.airports[flight.origin].zone()
        local = datetime.fromtimestamp(flight.departure / 1000, zone).date()
        assert flight.flight.endswith(f"/{local.isoformat()}")
        assert first <= local < first + timedelta(days=days)


def test_each_end_of_a_flight_keeps_the_time_of_its_own_airport() -> None:
    # Brasília is three hours behind UTC, Cuiabá four, Fernando de Noronha two.
    flights = all_departures(MONDAY, 1)
    assert flights["AN1117/2026-12-14"] == (utc("2026-12-14T15:30"), utc("2026-12-14T17:05"))
    assert flights["JG2025/2026-12-14"] == (utc("2026-12-14T11:05"), utc("2026-12-14T12:15"))


def test_a_flight_past_midnight_arrives_on_the_next_day() -> None:
    assert all_departures(MONDAY, 1)["AN1016/2026-12-14"] == (utc("2026-12-15T01:40"), utc("2026-12-15T04:50"))


def test_every_flight_takes_the_minutes_that_the_schedule_prints() -> None:
    flights = all_departures(MONDAY, 7)
    for row in csv.DictReader((DATA / "schedule.csv").read_text(encoding="utf-8").splitlines()):
        [departure, arrival] = next(times for flight, times in flights.items() if flight.startswith(row["flight"]))
        assert arrival - departure == int(row["block_min"]) * 60_000, row["flight"]


def test_what_has_departed_is_not_opened_for_sale() -> None:
    noon = utc("2026-12-14T15:00")
    flights = NETWORK.departures("AN", MONDAY, 1, at=noon)
    assert flights
    assert all(flight.departure > noon and flight.at == noon for flight in flights)
    assert flights == sorted(flights, key=lambda flight: flight.departure)


def test_today_begins_where_the_day_is_youngest() -> None:
    assert NETWORK.today(utc("2026-12-14T04:30")) == date(2026, 12, 13), "it is half past eleven in Rio Branco"
    assert NETWORK.today(utc("2026-12-14T05:00")) == date(2026, 12, 14)


def test_a_fare_is_exact_to_the_centavo() -> None:
    for row in NETWORK.week:
        assert row.fare() % 100 == int(row.fare_brl[-2:])
        assert row.fare() // 100 == int(row.fare_brl[:-3])
    assert NETWORK.departures("AN", MONDAY, 1, at=0)[0].fare > 10_000


def test_a_larger_network_is_made_of_rows() -> None:
    one = NETWORK.week[0]
    rows = tuple(
        WeeklyFlight(
            **{name: getattr(one, name) for name in WeeklyFlight.__struct_fields__ if name not in ("number", "days")},
            number=f"AN{number:04d}",
            days="1234567",
        )
        for number in range(400)
    )
    larger = Timetable(carriers=NETWORK.carriers, airports=NETWORK.airports, aircraft=NETWORK.aircraft, week=rows)
    assert len(larger.departures("AN", MONDAY, at=0)) == 400 * 30


# ---- carriers, airports, cabins -----------------------------------------------------------------------------------


def test_each_carrier_has_a_ticket_stock_of_its_own() -> None:
    assert {code: carrier.prefix for code, carrier in carriers().items()} == {"AN": "981", "JG": "982", "IP": "983"}


def test_a_passenger_is_ready_to_fly_on_after_the_minimum_connection_time() -> None:
    assert NETWORK.airports["GRU"].ready_at(0) == 75 * 60_000


@pytest.mark.parametrize(("aircraft", "seats"), [("320", 180), ("295", 136), ("AT7", 70)])
def test_an_aircraft_has_the_seats_of_its_layout(aircraft: str, seats: int) -> None:
    layout = NETWORK.aircraft[aircraft].seats()
    assert len(set(layout)) == len(layout) == seats
    assert layout[0] == "1A"


def test_a_seat_that_was_left_out_to_make_room_is_not_sold() -> None:
    layout = NETWORK.aircraft["AT7"].seats()
    assert "1D" not in layout
    assert layout[:3] == ("1A", "1C", "2A")


def test_the_seats_at_an_exit_are_known() -> None:
    assert [row for row in range(1, 31) if NETWORK.aircraft["320"].at_exit(f"{row}A")] == [12, 13]


@pytest.mark.parametrize(
    ("cabin", "windows", "aisles"),
    [("ABC DEF", "AF", "CD"), ("AC DF", "AF", "CD"), ("A CD", "AD", "C"), ("AB DEFG JK", "AK", "BDGJ")],
)
def test_a_seat_is_at_the_window_at_the_aisle_or_between(cabin: str, windows: str, aisles: str) -> None:
    for column in cabin.replace(" ", ""):
        kind = "window" if column in windows else "aisle" if column in aisles else "middle"
        assert seat_kind(cabin, f"12{column}") == kind


# ---- bad data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "right", "wrong", "told"),
    [
        ("schedule.csv", "GRU,SSA,", "XXX,SSA,", "schedule.csv, AN1001: unknown airport 'XXX'"),
        ("schedule.csv", "AN,AN1001,", "AN,JG1001,", "schedule.csv, JG1001: not a flight of a known carrier"),
        ("schedule.csv", "AN,AN1001,", "ZZ,ZZ1001,", "schedule.csv, ZZ1001: not a flight of a known carrier"),
        ("schedule.csv", "AN,AN1002,", "AN,AN1001,", "schedule.csv, AN1001: it already flies on one of these days"),
        ("schedule.csv", ",320,431.90", ",747,431.90", "schedule.csv, AN1001: unknown aircraft '747'"),
        ("schedule.csv", "05:40,08:00,0", "05:40,05:00,0", "schedule.csv, AN1001: it arrives before it departs"),
        ("schedule.csv", "05:40,", "5:40am,", "schedule.csv, line 2: .*std"),
        ("schedule.csv", ",431.90", ",431.9", "schedule.csv, line 2: .*fare_light_brl"),
        ("schedule.csv", ",431.90", "", "schedule.csv, line 2: .*fare_light_brl"),
        ("schedule.csv", ",12345-7,", ",monday,", "schedule.csv, line 2: .*days"),
        ("schedule.csv", ",431.90", ",431.90,extra", "schedule.csv, line 2: "),
        ("schedule.csv", ",days,", ",weekdays,", "schedule.csv, line 2: .*days"),
        ("airports.json", '"America/Noronha"', '"America/Atlantis"', "airports.json, FEN: .*America/Atlantis"),
        ("airports.json", '"America/Noronha"', '"../Noronha"', "airports.json, FEN: .*Noronha"),
        ("airports.json", '"mct": 75', '"mct": -1', "airports.json, GRU: .*mct"),
        ("aircraft.json", '"ABC DEF"', '"abc def"', "aircraft.json, 320: .*cols"),
        ("carriers.json", '"prefix": "982"', '"prefix": "98"', "carriers.json, JG: .*prefix"),
        ("carriers.json", "{", "[", "carriers.json: "),
    ],
)
def test_a_bad_row_is_named_with_its_file(tmp_path: Path, file: str, right: str, wrong: str, told: str) -> None:
    for name in ("carriers.json", "airports.json", "aircraft.json", "schedule.csv"):
        text = (DATA / name).read_text(encoding="utf-8")
        assert name != file or right in text
        (tmp_path / name).write_text(text.replace(right, wrong, 1) if name == file else text, encoding="utf-8")
    with pytest.raises(BadTimetable, match=told):
        load(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadTimetable, match=r"carriers\.json"):
        load(tmp_path)
