from tests.protocol_page import BLOCK, PAGE, TABLES, rendered


def test_the_tables_of_the_protocol_page_are_what_the_code_does() -> None:
    page = PAGE.read_text()
    assert {block[1] for block in BLOCK.findall(page)} == set(TABLES)
    assert page == rendered(page), "write them again with: python -m tests.protocol_page"
