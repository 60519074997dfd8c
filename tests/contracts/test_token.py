"""The token of the venue: balances as a dictionary says, and approvals by signature that are good once."""

from __future__ import annotations

import pytest
from contract_drawing import PATIENCE, SOAK, drawn
from contract_venue import ETHER, GAS, GENESIS, address, key
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local
from exchange.shell.devchain import DevChain

pytestmark = PATIENCE
SUPPLY = 1_000
WHO = ("ann", "bob", "cyd")
NOBODY = bytes(20)
MOST = 2**256 - 1


class Mint:
    """The token, on a chain of its own."""

    def __init__(self) -> None:
        self.chain = DevChain(genesis_time_s=GENESIS, allocation={address(name): 10**6 * ETHER for name in WHO})
        self.token = deploy_local(self.chain, key("ann"), artifact("Token"), SUPPLY, address("ann"))

    def ask(self, who: str, name: str, *args: object) -> str:
        try:
            self.token.send(key(who), name, *args, gas=GAS)
        except Reverted as error:
            return str(error.reason)
        return "accepted"

    def permit(self, owner: str, spender: str, amount: int, by: str | None = None, **changes: object) -> tuple:
        """Arguments of a permit, signed as wallets do."""
        message = {
            "owner": "0x" + address(owner).hex(),
            "spender": "0x" + address(spender).hex(),
            "value": amount,
            "nonce": self.token.call("nonces", address(owner)),
            "deadline": self.chain.head.time_s + 100,
        } | changes
        domain = {
            "name": self.token.call("name"),
            "version": self.token.call("version"),
            "chainId": self.chain.chain_id,
            "verifyingContract": "0x" + self.token.address.hex(),
        }
        names = {
            "owner": "address",
            "spender": "address",
            "value": "uint256",
            "nonce": "uint256",
            "deadline": "uint256",
        }
        types = {"Permit": [{"name": name, "type": kind} for name, kind in names.items()]}
        signed = Account.sign_message(encode_typed_data(domain, types, message), key(by or owner))
        proof = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
        return (address(owner), address(spender), amount, message["deadline"], *proof)


@pytest.fixture
def mint() -> Mint:
    return Mint()


class TokenMachine(RuleBasedStateMachine):
    """Transfers and allowances beside two dictionaries."""

    @initialize()
    def start(self) -> None:
        self.mint = Mint()
        self.held = {"ann": SUPPLY, "bob": 0, "cyd": 0}
        self.allowed = {(owner, spender): 0 for owner in WHO for spender in WHO}

    @rule(who=st.sampled_from(WHO), to=st.sampled_from(WHO), amount=st.integers(0, SUPPLY))
    def transfer(self, who: str, to: str, amount: int) -> None:
        outcome = self.mint.ask(who, "transfer", address(to), amount)
        assert outcome == (Revert.TOKEN_BALANCE if amount > self.held[who] else "accepted")
        if outcome == "accepted":
            self.held[who] -= amount
            self.held[to] += amount

    @rule(who=st.sampled_from(WHO), to=st.sampled_from(WHO), amount=st.integers(0, SUPPLY) | st.just(MOST))
    def approve(self, who: str, to: str, amount: int) -> None:
        assert self.mint.ask(who, "approve", address(to), amount) == "accepted"
        self.allowed[who, to] = amount

    @rule(who=st.sampled_from(WHO), owner=st.sampled_from(WHO), to=st.sampled_from(WHO), amount=st.integers(0, 300))
    def transfer_from(self, who: str, owner: str, to: str, amount: int) -> None:
        outcome = self.mint.ask(who, "transferFrom", address(owner), address(to), amount)
        if amount > self.allowed[owner, who]:
            assert outcome == Revert.TOKEN_ALLOWANCE
        elif amount > self.held[owner]:
            assert outcome == Revert.TOKEN_BALANCE
        else:
            assert outcome == "accepted"
            self.held[owner] -= amount
            self.held[to] += amount
            self.allowed[owner, who] -= amount if self.allowed[owner, who] != MOST else 0

    @invariant()
    def it_is_as_the_dictionaries_say(self) -> None:
        token = self.mint.token
        assert {name: token.call("balanceOf", address(name)) for name in WHO} == self.held
        assert sum(self.held.values()) == token.call("totalSupply") == SUPPLY
        for (owner, spender), amount in self.allowed.items():
            assert token.call("allowance", address(owner), address(spender)) == amount


TokenMachine.TestCase.settings = drawn(12, stateful_step_count=50 if SOAK else 20)
TestToken = TokenMachine.TestCase


def test_a_permit_is_an_approval_that_is_good_once(mint):
    permit = mint.permit("ann", "bob", 77)
    assert mint.ask("cyd", "permit", *permit) == "accepted"
    assert mint.token.call("allowance", address("ann"), address("bob")) == 77
    assert mint.ask("cyd", "permit", *permit) == Revert.PERMIT_SIGNATURE
    assert mint.token.call("nonces", address("ann")) == 1


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (0, address("bob"), Revert.PERMIT_SIGNATURE),
        (0, NOBODY, Revert.PERMIT_SIGNATURE),
        (1, address("cyd"), Revert.PERMIT_SIGNATURE),
        (2, 78, Revert.PERMIT_SIGNATURE),
        (3, GENESIS + 10**6, Revert.PERMIT_SIGNATURE),
        (3, GENESIS - 1, Revert.PERMIT_EXPIRED),
        (4, 29, Revert.PERMIT_SIGNATURE),
        (6, b"\xff" * 32, Revert.PERMIT_SIGNATURE),
    ],
)
def test_a_permit_with_one_thing_changed_is_none(mint, place, value, reason):
    permit = list(mint.permit("ann", "bob", 77))
    permit[place] = value
    assert mint.ask("cyd", "permit", *permit) == reason
    assert mint.token.call("allowance", address("ann"), address("bob")) == 0


def test_a_permit_of_somebody_else_is_none(mint):
    assert mint.ask("cyd", "permit", *mint.permit("ann", "bob", 77, by="bob")) == Revert.PERMIT_SIGNATURE


def test_the_other_spelling_of_a_permit_is_refused(mint):
    """With s in the upper half of the group order and v turned, the same signature would pass twice elsewhere."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    *head, v, r, s = mint.permit("ann", "bob", 77)
    other = (order - int.from_bytes(s, "big")).to_bytes(32, "big")
    assert mint.ask("cyd", "permit", *head, 55 - v, r, other) == Revert.PERMIT_SIGNATURE


@pytest.mark.parametrize("receiver", ["nobody", "itself"])
def test_tokens_are_not_lost_where_nobody_can_get_them(mint, receiver):
    to = NOBODY if receiver == "nobody" else mint.token.address
    assert mint.ask("ann", "transfer", to, 1) == Revert.TOKEN_RECEIVER


@pytest.mark.parametrize(("supply", "receiver"), [(0, address("ann")), (2**127, address("ann")), (1, NOBODY)])
def test_a_token_that_nobody_could_own_is_not_made(mint, supply, receiver):
    with pytest.raises(Reverted, match=Revert.PARAMETER_RANGE):
        deploy_local(mint.chain, key("ann"), artifact("Token"), supply, receiver)
