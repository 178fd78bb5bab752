"""Roles are given and taken beside a live node, to whoever has registered."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airline_node.cli import app
from airline_node.vault import Vault
from airline_node.vault.accounts import FindCredentials, Register
from ui.visitor import Account, Role

ANA = Account(id="AN." + "a" * 32, name="Ana Lima", email="ana@example.com")


@pytest.fixture
def registered(vault: Vault) -> Vault:
    asyncio.run(_register(vault))
    return vault


async def _register(vault: Vault) -> None:
    assert await vault.file.ask(Register(account=ANA, password_hash="", at=0))


def passcom(*words: str) -> tuple[int, str]:
    told = CliRunner().invoke(app, words)
    return told.exit_code, told.output


def roles(vault: Vault) -> frozenset[Role]:
    credentials = asyncio.run(vault.file.ask(FindCredentials(ANA.email)))
    assert credentials
    return frozenset(credentials.account.roles)


def test_a_role_is_granted_and_revoked_while_the_node_has_its_vault_open(registered: Vault, path: Path) -> None:
    data = str(path.parent)
    assert passcom("grant", "ANA@example.com", "operator", "--data", data) == (
        0,
        "ana@example.com is now: operator, traveller\n",
    )
    assert roles(registered) == {Role.OPERATOR}
    assert passcom("grant", "ana@example.com", "auditor", "--data", data)[0] == 0
    assert passcom("revoke", "ana@example.com", "operator", "--data", data) == (
        0,
        "ana@example.com is now: auditor, traveller\n",
    )
    assert roles(registered) == {Role.AUDITOR}


def test_what_cannot_be_done_is_said_with_the_remedy(registered: Vault, path: Path, tmp_path: Path) -> None:
    code, said = passcom("grant", "rui@example.com", "operator", "--data", str(path.parent))
    assert code == 2
    assert "Register on its site first" in said
    code, said = passcom("grant", "ana@example.com", "operator", "--data", str(tmp_path))
    assert code == 2
    assert f"--data {path.parent}" in said
    code, said = passcom("grant", "ana@example.com", "operator", "--data", str(tmp_path / "elsewhere"))
    assert code == 2
    assert "no node's data folder" in said
    assert not (tmp_path / "elsewhere").exists(), "a mistyped folder is not made"
    assert passcom("grant", "ana@example.com", "king", "--data", str(path.parent))[0] == 2
    assert roles(registered) == frozenset()
