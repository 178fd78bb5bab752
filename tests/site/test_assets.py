"""What the site carries of others is what its makers published, and what it serves may be kept for ever."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.browser import __file__ as browser_folder
from ui.assets import FOLDER, Assets
from ui.desk import Carrier

VENDORED = (FOLDER / "vendor", Path(browser_folder).parent / "vendor")
CARRIERS = {"AN": Carrier(code="AN", name="Andorinha", colour="#112233", colour_dark="#ddeeff")}


@pytest.mark.parametrize("folder", VENDORED, ids=str)
def test_every_vendored_file_has_its_checksum(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split() for line in lines)}
    found = {file.name: sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.name != "SHA256SUMS"}
    assert found == listed


def test_an_address_changes_with_its_content() -> None:
    other = {"AN": Carrier(code="AN", name="Andorinha", colour="#445566", colour_dark="#ddeeff")}
    assert Assets(CARRIERS).address("brand.css") != Assets(other).address("brand.css")
    assert Assets(CARRIERS).address("site.css") == Assets(other).address("site.css")


def test_a_page_that_names_a_file_that_is_not_there_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Assets(CARRIERS).address("no-such-file.css")
