"""`passcom grant` and `passcom revoke`: roles of an airline's staff, beside its live node.

The rule: the account comes first, with a password that only its owner knows; a role is then given to it, here, by
whoever can write the node's files. The node asks for roles at every request, so both take effect at once.
"""

import asyncio
from pathlib import Path

from airline_node.vault import Vault, VaultTrouble
from airline_node.vault.accounts import SetRole
from ui.visitor import Account, Role

VAULT = "vault.sqlite"


class StaffTrouble(Exception):
    """Nothing was changed. The text says why, and what to do."""


def set_role(data: Path, email: str, role: Role, *, granted: bool) -> Account:
    """The account as it is then. `data` is the folder of one node. Raises `StaffTrouble`."""
    path = data / VAULT
    if not path.is_file():
        nodes = sorted(found.parent.name for found in data.glob(f"*/{VAULT}"))
        raise StaffTrouble(
            f"{data} has a folder for each airline; name one: --data {data / nodes[0]}"
            if nodes
            else f"{data} is no node's data folder: there is no {VAULT} in it"
        )
    try:
        account = asyncio.run(_set_role(path, email, role, granted))
    except VaultTrouble as trouble:
        raise StaffTrouble(f"{trouble}. Try again.") from trouble
    if account is None:
        raise StaffTrouble(f"Nobody has registered as {email!a} at this airline. Register on its site first.")
    return account


async def _set_role(path: Path, email: str, role: Role, granted: bool) -> Account | None:
    vault = Vault.open(path)
    try:
        return await vault.file.ask(SetRole(email, role, granted))
    finally:
        vault.close()
