"""Notes: C2SP's own text to the letter; whatever was changed, or was signed by somebody else, is not believed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airline_node.evidence import keys, notes
from airline_node.evidence.keys import LOG, WITNESS, KeyTrouble
from airline_node.evidence.notes import BadNote, Checkpoint, cosigned, opened, parse, parse_signature, signed, witnesses
from tests.evidence.given import CARRIERS, KEYS, NOW, PUBLIC, leaf

CHECKPOINT = Checkpoint("an.passcom", 4_711, leaf(1))
SIGNED = signed(CHECKPOINT, KEYS["AN"])

# The example of Go's golang.org/x/mod/sumdb/note, which defined signed notes.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NEUMANN_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


def test_the_signed_note_that_everybody_tests_with_holds() -> None:
    key, line = keys.parse(NEUMANN), parse_signature(NEUMANN_LINE)
    assert str(key) == NEUMANN
    assert (line.name, line.key_id) == (key.name, key.key_id(LOG))
    assert key.checks(line.signature, NEUMANN_TEXT)
    assert not key.checks(line.signature, NEUMANN_TEXT + b"\n")


def test_a_checkpoint_is_three_lines_and_its_signatures() -> None:
    text = str(SIGNED)
    assert text.startswith("an.passcom\n4711\n")
    assert text.split("\n")[3:5][0] == ""
    assert opened(text, PUBLIC["AN"]) == SIGNED == parse(text)
    assert str(parse(text)) == text


def test_a_cosignature_says_who_has_seen_it_and_when() -> None:
    lines = [cosigned(CHECKPOINT, KEYS[who], NOW // 1000 + late) for who, late in (("JG", 0), ("IP", 60))]
    note = parse(str(SIGNED.with_signatures(lines)))
    assert witnesses(note, PUBLIC) == {"JG": NOW // 1000, "IP": NOW // 1000 + 60}
    assert opened(str(note), PUBLIC["AN"]).checkpoint == CHECKPOINT


def test_a_key_is_known_by_another_id_as_a_witness_than_as_a_log() -> None:
    assert PUBLIC["AN"].key_id(LOG) != PUBLIC["AN"].key_id(WITNESS)


@given(st.integers(0, len(str(SIGNED).encode()) - 1), st.integers(1, 255))
def test_a_checkpoint_with_any_byte_changed_is_not_believed(place: int, change: int) -> None:
    text = bytearray(str(SIGNED).encode())
    text[place] ^= change
    with pytest.raises((BadNote, UnicodeDecodeError)):
        opened(text.decode(), PUBLIC["AN"])


@given(st.text(max_size=300))
def test_whatever_is_no_note_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(BadNote):
        parse(text)


def test_nobody_signs_for_another_log() -> None:
    forged = notes.Note(CHECKPOINT, signed(Checkpoint("jg.passcom", 4_711, leaf(1)), KEYS["JG"]).signatures)
    for key in PUBLIC.values():
        with pytest.raises(BadNote):
            opened(str(forged), key)
    with pytest.raises(AssertionError):
        signed(CHECKPOINT, KEYS["JG"])


def test_a_cosignature_holds_for_one_checkpoint_and_one_time() -> None:
    [line] = [cosigned(CHECKPOINT, KEYS["JG"], NOW // 1000)]
    other = signed(Checkpoint("an.passcom", 4_712, leaf(1)), KEYS["AN"]).with_signatures([line])
    with pytest.raises(BadNote, match=r"cosignature of jg\.passcom"):
        witnesses(other, PUBLIC)
    later = notes.Signature(line.name, line.key_id, (NOW // 1000 + 1).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(BadNote, match=r"cosignature of jg\.passcom"):
        witnesses(SIGNED.with_signatures([later]), PUBLIC)


def test_a_stranger_s_signature_counts_for_nothing() -> None:
    assert witnesses(SIGNED, PUBLIC) == {}
    assert witnesses(SIGNED.with_signatures([cosigned(CHECKPOINT, KEYS["JG"], 1)]), {"AN": PUBLIC["AN"]}) == {}


# ---- keys ----------------------------------------------------------------------------------------------------------


def test_keys_are_drawn_once_and_stay(tmp_path: Path) -> None:
    keys.make(tmp_path, CARRIERS)
    before = keys.read_public(tmp_path / keys.KEYS_FILE)
    keys.make(tmp_path, CARRIERS)
    assert keys.read_public(tmp_path / keys.KEYS_FILE) == before
    assert set(before) == set(CARRIERS)
    for carrier in CARRIERS:
        path = keys.private_file(tmp_path, carrier)
        assert path.stat().st_mode & 0o777 == 0o600
        assert keys.read_private(path, carrier).public == before[carrier]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (str(PUBLIC["AN"]).replace("an.", "ip."), "its key id does not fit"),
        (str(PUBLIC["AN"])[:-4], "it is not an Ed25519 key"),
        ("an.passcom+0+%", "its key is not base64"),
        (NEUMANN, "a carrier's log is called like"),
        (f"{PUBLIC['AN']}\n{PUBLIC['AN']}", "a second key of AN"),
    ],
)
def test_a_wrong_line_of_keys_is_named(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "log-keys").write_text(f"# the carriers' keys\n\n{line}\n")
    with pytest.raises(KeyTrouble, match=f"line [34]: {why}"):
        keys.read_public(tmp_path / "log-keys")


def test_a_private_key_that_cannot_serve_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyTrouble, match="No such file"):
        keys.read_private(tmp_path / "none", "AN")
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----\nQQ==\n-----END PRIVATE KEY-----\n")
    with pytest.raises(KeyTrouble, match="no private key in PEM form"):
        keys.read_private(tmp_path / "key", "AN")
