"""Registering and logging in: the same answer and the same work for everybody, and no more of it than may be."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from airline_node.people import passwords
from airline_node.people.accounts import FREE_TRIES, Accounts
from airline_node.people.passwords import HASHER, Passwords
from airline_node.people.sessions import Sessions
from airline_node.vault import Vault
from airline_node.vault.accounts import FindCredentials, Rehash, SetRole
from ledger.terms import Millis
from ui.people import Crowded, Taken, Wait, Wrong
from ui.visitor import Account, Role

NOW = 1_800_000_000_000
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"
ANA = {"name": "Ana Lima", "email": "ana@example.com", "password": "um trem para as estrelas"}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> Millis:
        return self.now


def lived(vault: Vault, story: Callable[[Accounts, Clock], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = Clock()
        accounts = Accounts("AN", vault.file, Sessions(vault.file, "AN"), clock)
        try:
            await story(accounts, clock)
        finally:
            accounts.close()

    asyncio.run(main())
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("passwords")] == []


async def registered(accounts: Accounts) -> Account:
    account = await accounts.register(**ANA, address=HOME)
    assert isinstance(account, Account)
    return account


def test_who_registers_logs_in_however_the_address_is_typed(vault: Vault) -> None:
    async def story(accounts: Accounts, _: Clock) -> None:
        account = await registered(accounts)
        assert account.id.startswith("AN.")
        for email in ("ana@example.com", " ANA@Example.com", "ana@ｅxample.com"):
            assert await accounts.log_in(email=email, password=ANA["password"], address=HOME) == account

    lived(vault, story)


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(vault: Vault) -> None:
    async def story(accounts: Accounts, _: Clock) -> None:
        await registered(accounts)
        assert await accounts.log_in(email="ana@example.com", password="wrong" * 3, address=HOME) == Wrong()
        assert await accounts.log_in(email="rui@example.com", password="wrong" * 3, address=HOME) == Wrong()

    lived(vault, story)


def test_an_unknown_address_costs_the_same_work(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    fits = passwords._fits

    def counted(stored: str, password: str) -> bool:
        checked.append(stored.rpartition("$")[0].rpartition("$")[0])
        return fits(stored, password)

    monkeypatch.setattr(passwords, "_fits", counted)

    async def story(accounts: Accounts, _: Clock) -> None:
        await registered(accounts)
        for email in ("ana@example.com", "rui@example.com"):
            await accounts.log_in(email=email, password="wrong" * 3, address=HOME)

    lived(vault, story)
    assert checked == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


def test_registering_twice_is_a_login_and_with_another_password_nothing(vault: Vault) -> None:
    async def story(accounts: Accounts, _: Clock) -> None:
        account = await registered(accounts)
        assert await registered(accounts) == account
        other = await accounts.register(name="Rui", email="ANA@example.com", password="x" * 12, address=HOME)
        assert other == Taken()
        assert await accounts.log_in(**without_name(), address=HOME) == account

    lived(vault, story)


def test_two_who_register_one_address_at_once_do_not_both_get_it(vault: Vault) -> None:
    async def story(accounts: Accounts, _: Clock) -> None:
        words = ("um trem para as estrelas", "o barquinho vai a tarde cai")
        told = await asyncio.gather(
            *(accounts.register(name="Ana", email="ana@example.com", password=word, address=HOME) for word in words)
        )
        assert sorted(type(answer).__name__ for answer in told) == ["Account", "Taken"]

    lived(vault, story)


def test_a_guesser_waits_and_the_owner_elsewhere_does_not(vault: Vault) -> None:
    async def story(accounts: Accounts, clock: Clock) -> None:
        account = await registered(accounts)

        async def guess() -> Account | Wrong | Wait:
            return await accounts.log_in(email="ana@example.com", password="wrong" * 3, address=ELSEWHERE)

        assert [await guess() for _ in range(FREE_TRIES + 2)] == [Wrong()] * FREE_TRIES + [Wait(1), Wait(1)]
        right = await accounts.log_in(**without_name(), address=ELSEWHERE)
        assert right == Wait(1), "even the right word is not looked at"
        assert await accounts.log_in(**without_name(), address=HOME) == account
        clock.now += 1_000
        assert await guess() == Wrong()
        assert await guess() == Wait(2)

    lived(vault, story)


def test_a_hundred_guesses_at_once_are_a_hundred(vault: Vault) -> None:
    async def story(accounts: Accounts, _: Clock) -> None:
        await registered(accounts)
        guesses = [accounts.log_in(email="ana@example.com", password=f"wrong{n}", address=HOME) for n in range(30)]
        told = await asyncio.gather(*guesses)
        assert sum(isinstance(answer, Wrong) for answer in told) == FREE_TRIES

    lived(vault, story)


def test_who_goes_through_many_accounts_waits_too(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airline_node.people.accounts.FREE_TRIES_OF_ADDRESS", 6)

    async def story(accounts: Accounts, _: Clock) -> None:
        told = [await accounts.log_in(email=f"{n}@example.com", password="wrong", address=HOME) for n in range(8)]
        assert told == [Wrong()] * 6 + [Wait(1)] * 2

    lived(vault, story)


def test_a_password_under_older_parameters_is_hashed_anew_at_the_next_login(vault: Vault) -> None:
    async def story(accounts: Accounts, _: Clock) -> None:
        account = await registered(accounts)
        known = await vault.file.ask(FindCredentials("ana@example.com"))
        assert known
        older = type(HASHER)(time_cost=1, memory_cost=8, parallelism=1).hash(ANA["password"])
        await vault.file.ask(Rehash(account.id, known.password_hash, older))
        assert await accounts.log_in(**without_name(), address=HOME) == account
        renewed = await vault.file.ask(FindCredentials("ana@example.com"))
        assert renewed
        assert renewed.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1")

    lived(vault, story)


def test_a_role_is_given_and_taken_by_address(vault: Vault) -> None:
    async def story(accounts: Accounts, _: Clock) -> None:
        await registered(accounts)
        assert await vault.file.ask(SetRole("nobody@example.com", Role.OPERATOR, True)) is None
        for granted in (True, True, False):
            told = await vault.file.ask(SetRole("ANA@example.com", Role.OPERATOR, granted))
            assert told
            assert (Role.OPERATOR in told.roles) is granted

    lived(vault, story)


def test_an_account_that_is_removed_is_in_no_file(vault: Vault, path: Path) -> None:
    async def story(accounts: Accounts, _: Clock) -> None:
        account = await registered(accounts)
        assert b"ana@example.com" in everything_on_disk(path)
        await accounts.remove(account.id)
        assert b"ana@example.com" not in everything_on_disk(path)
        assert await accounts.log_in(**without_name(), address=HOME) == Wrong()

    lived(vault, story)


# ---- the pool ---------------------------------------------------------------------------------------------------


def test_no_more_is_begun_than_can_be_done_soon_and_then_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING_MAX", 3)
    may = threading.Event()
    monkeypatch.setattr(passwords, "_fits", lambda *_: may.wait(5))

    async def main() -> None:
        pool = Passwords()
        waiting = [asyncio.create_task(pool.check("stored", "word")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # A client that leaves does not make room: the thread works on.
        await asyncio.sleep(0)
        with pytest.raises(Crowded):
            await pool.check("stored", "word")
        may.set()
        assert await asyncio.gather(*waiting[1:]) == [True, True]
        assert await pool.check("stored", "word")
        pool.close()

    asyncio.run(main())


def test_the_same_letters_from_another_keyboard_are_the_same_password() -> None:
    async def main() -> None:
        pool = Passwords()
        stored = await pool.hash("sa\u0303o sebastia\u0303o")
        assert await pool.check(stored, "são sebastião")
        assert not await pool.check(stored, "sao sebastiao")
        pool.close()

    asyncio.run(main())


def without_name() -> dict[str, str]:
    return {key: value for key, value in ANA.items() if key != "name"}


def everything_on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())
