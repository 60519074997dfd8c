"""The vault with a token that cheats: nothing is credited that has not arrived, and nobody gets in while tokens move."""

from __future__ import annotations

import pytest
from contract_court import CALL_BACK, FEE, LIE, REFUSE, Court, hostile_token
from contract_venue import ETHER, GAS, address, deploy_clearing, key

from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local

CAP, AMOUNT = 10**9, 500


class Custody(Court):
    """A vault of the hostile token, its Clearing, and account 1 of a depositor."""

    def __init__(self) -> None:
        super().__init__(hostile_token())
        operator = key("operator")
        custody = (self.token.address, address("governor"), address("guardian"), address("treasury"), CAP)
        self.vault = deploy_local(self.chain, operator, artifact("Vault"), *custody)
        parameters = tuple(value * 10**16 for value in (15, 13, 9, 9, 9, 120, 110, 105, 55, 100, 99, 200))
        margin = deploy_local(self.chain, operator, artifact("Margin"), parameters)
        times = (60, 3600, 120, 120)
        roles = (address("governor"), address("operator"), self.vault.address, bytes(20), margin.address, bytes(20))
        _, self.ledger = deploy_clearing(self.chain, operator, (*roles, *times, 0, 0, 0))
        self.vault.send(key("operator"), "set_clearing", self.ledger.address, gas=GAS)
        self.ledger.send(key("other"), "open_account", gas=GAS)
        self.token.send(key("other"), "mint", address("other"), 10 * AMOUNT)

    def deposit(self) -> str:
        """The reason for which a deposit is refused."""
        try:
            self.vault.send(key("other"), "deposit", 1, AMOUNT, gas=GAS)
        except Reverted as error:
            return str(error.reason)
        return "accepted"

    def behave(self, mode: int, name: str = "", *args: object) -> None:
        message = self.vault.interface.encode(name, *args) if name else b""
        self.token.send(key("other"), "behave", mode, self.vault.address, message)

    def books(self) -> tuple[int, int]:
        """Tokens in the vault, and what the account is credited with."""
        return self.balance(self.vault.address), int(self.ledger.call("cash_of", 1))


@pytest.fixture
def custody() -> Custody:
    made = Custody()
    assert made.chain.balance(address("other")) > ETHER
    return made


@pytest.mark.parametrize(
    ("mode", "reason"), [(FEE, Revert.VAULT_DELTA), (LIE, Revert.VAULT_DELTA), (REFUSE, Revert.VAULT_TRANSFER)]
)
def test_what_did_not_arrive_is_not_credited(custody, mode, reason):
    custody.behave(mode)
    assert custody.deposit() == reason
    assert custody.books() == (0, 0)
    custody.behave(0)
    assert custody.deposit() == "accepted"
    assert custody.books() == (AMOUNT, AMOUNT)


@pytest.mark.parametrize("called", [("deposit", 1, AMOUNT), ("release", bytes(20), AMOUNT)])
def test_a_token_that_calls_back_does_not_reach_the_vault(custody, called):
    custody.behave(CALL_BACK, *called)
    assert custody.deposit() == "accepted"
    assert not custody.token.call("answered")
    assert custody.books() == (AMOUNT, AMOUNT)


def test_a_payment_that_is_refused_leaves_the_money_where_it_is(custody):
    """A withdrawal asked for and due; the token will not move, and later will."""
    assert custody.deposit() == "accepted"
    custody.ledger.send(key("other"), "request_withdrawal", 1, AMOUNT, gas=GAS)
    custody.wait(60)
    custody.behave(REFUSE)
    with pytest.raises(Reverted, match=Revert.VAULT_TRANSFER):
        custody.ledger.send(key("other"), "finalise_withdrawal", 1, 0, b"", b"", gas=GAS)
    assert custody.books() == (AMOUNT, AMOUNT)
    custody.behave(CALL_BACK, "release", address("other"), AMOUNT)
    custody.ledger.send(key("other"), "finalise_withdrawal", 1, 0, b"", b"", gas=GAS)
    assert not custody.token.call("answered")
    assert custody.books() == (0, 0)
    assert custody.balance("other") == 10 * AMOUNT


@pytest.mark.parametrize("called", ["finalise_withdrawal", "finalise_exit"])
@pytest.mark.parametrize("by", ["finalise_withdrawal", "finalise_exit"])
def test_a_token_that_calls_back_is_paid_once(custody, by, called):
    """While a payment is on its way nobody gets another one, whichever way each was asked for."""
    assert custody.deposit() == "accepted"
    custody.ledger.send(key("other"), "request_withdrawal", 1, AMOUNT, gas=GAS)
    custody.ledger.send(key("other"), "request_exit", 1, gas=GAS)
    custody.wait(60)
    message = custody.ledger.interface.encode(called, 1, 0, b"", b"")
    custody.token.send(key("other"), "behave", CALL_BACK, custody.ledger.address, message)
    custody.ledger.send(key("other"), by, 1, 0, b"", b"", gas=GAS)
    assert not custody.token.call("answered")
    assert custody.books() == (0, 0)
    assert custody.balance("other") == 10 * AMOUNT


def test_a_token_that_calls_back_finds_the_books_as_they_will_be(custody):
    """What needs no lock is open meanwhile, and sees the money gone."""
    assert custody.deposit() == "accepted"
    custody.ledger.send(key("other"), "request_withdrawal", 1, AMOUNT, gas=GAS)
    custody.wait(60)
    message = custody.ledger.interface.encode("open_account")
    custody.token.send(key("other"), "behave", CALL_BACK, custody.ledger.address, message)
    custody.ledger.send(key("other"), "finalise_withdrawal", 1, 0, b"", b"", gas=GAS)
    assert custody.token.call("answered")
    assert custody.ledger.call("account_count") == 2
    assert custody.books() == (0, 0)
