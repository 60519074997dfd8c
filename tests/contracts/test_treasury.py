"""Where the venue's income goes: what the vault does not owe accounts is the treasury's, and every unit of it is owed to
one of four parts, however often and in whatever amounts it is divided.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from contract_court import CALL_BACK, REFUSE, Court, hostile_token
from contract_drawing import PATIENCE, SOAK, drawn
from contract_venue import ETHER, GAS, GENESIS, LOT, USDC, WAD, address, key
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local
from exchange.shell.devchain import DevChain

pytestmark = PATIENCE
PARTS = INSURANCE, STAKERS, RESERVE, OPERATOR = range(4)
PRICE = 700 * USDC


def apportioned(amount: int, shares: list[int], credits_: list[Fraction]) -> tuple[list[int], list[Fraction]]:
    """The rule in words: everybody's exact part goes to their credit; whole units of this income are handed out, the
    rest of it unit by unit to whoever has the most to their credit, the first of equals.
    """
    exact = [Fraction(amount * share, WAD) for share in shares]
    given_ = [int(part) for part in exact]
    credit = [old + part - units for old, part, units in zip(credits_, exact, given_, strict=True)]
    for _ in range(amount - sum(given_)):
        most = max(PARTS, key=lambda part: (credit[part], -part))
        given_[most] += 1
        credit[most] -= 1
    return given_, credit


def shares_of(cuts: list[int]) -> list[int]:
    """Four shares that add up to one, from three cuts."""
    ends = [0, *sorted(cuts), WAD]
    return [after - before for before, after in pairwise(ends)]


class Purse:
    """A treasury with its token on a chain of its own."""

    def __init__(self, token=None, shares=(50, 25, 15, 10), receivers=("insurance", "stakers", None, "operator")):
        players = ("operator", "governor", "other")
        self.chain = DevChain(genesis_time_s=GENESIS, allocation={address(name): 10**6 * ETHER for name in players})
        self.token = deploy_local(self.chain, key("operator"), token or artifact("TestUSDC"))
        named = [address(name) if name else bytes(20) for name in receivers]
        terms = ([share * WAD // 100 for share in shares], named)
        self.treasury = deploy_local(
            self.chain, key("operator"), artifact("Treasury"), self.token.address, address("governor"), *terms
        )

    def gift(self, amount: int) -> None:
        self.token.send(key("other"), "mint", self.treasury.address, amount)

    def ask(self, who: str, name: str, *args: object) -> str:
        try:
            self.treasury.send(key(who), name, *args, gas=GAS)
        except Reverted as error:
            return str(error.reason)
        return "accepted"

    def balance(self, who: str | bytes) -> int:
        return int(self.token.call("balanceOf", who if isinstance(who, bytes) else address(who)))

    def each(self, name: str) -> list[int]:
        return [int(self.treasury.call(name, part)) for part in PARTS]


class TreasuryMachine(RuleBasedStateMachine):
    """Income in odd amounts, divisions, payments and changes of shares in any order, beside exact fractions."""

    @initialize(cuts=st.lists(st.integers(0, 100), min_size=3, max_size=3))
    def start(self, cuts: list[int]) -> None:
        ends = [0, *sorted(cuts), 100]
        self.purse = Purse(shares=[after - before for before, after in pairwise(ends)])
        self.shares = self.purse.each("shares")
        self.credits = [Fraction(0)] * 4
        self.owed = [0] * 4
        self.paid = [0] * 4
        self.waiting = 0

    def _divide(self) -> None:
        given_, self.credits = apportioned(self.waiting, self.shares, self.credits)
        self.owed = [owed + units for owed, units in zip(self.owed, given_, strict=True)]
        self.waiting = 0

    @rule(amount=st.integers(1, 12) | st.integers(1, 10**15))
    def income(self, amount: int) -> None:
        self.purse.gift(amount)
        self.waiting += amount

    @rule()
    def divide(self) -> None:
        assert self.purse.ask("other", "divide") == "accepted"
        self._divide()

    @rule(part=st.sampled_from(PARTS))
    def pay(self, part: int) -> None:
        outcome = self.purse.ask("other", "pay", part)
        if part == RESERVE:
            assert outcome == Revert.PART_UNKNOWN
            return
        snapshot = self.shares, self.credits, self.owed, self.waiting
        self._divide()
        if self.owed[part] == 0:
            assert outcome == Revert.NOTHING_OWED
            self.shares, self.credits, self.owed, self.waiting = snapshot
            return
        assert outcome == "accepted"
        self.paid[part] += self.owed[part]
        self.owed[part] = 0

    @rule(amount=st.integers(1, 10**9))
    def spend(self, amount: int) -> None:
        snapshot = self.credits, self.owed, self.waiting
        self._divide()
        outcome = self.purse.ask("governor", "spend", address("builder"), amount)
        if amount > self.owed[RESERVE]:
            assert outcome == Revert.NOTHING_OWED
            self.credits, self.owed, self.waiting = snapshot
            return
        assert outcome == "accepted"
        self.owed[RESERVE] -= amount
        self.paid[RESERVE] += amount

    @rule(part=st.sampled_from(PARTS), share=st.integers(0, WAD))
    def set_share(self, part: int, share: int) -> None:
        outcome = self.purse.ask("governor", "set_share", part, share)
        if part == RESERVE:
            assert outcome == Revert.PART_UNKNOWN
        elif share > self.shares[part] + self.shares[RESERVE]:
            assert outcome == Revert.PARAMETER_RANGE
        else:
            self._divide()
            self.shares[RESERVE] += self.shares[part] - share
            self.shares[part] = share

    @invariant()
    def books_are_the_models(self) -> None:
        purse = self.purse
        assert purse.each("owed") == self.owed
        assert purse.each("shares") == self.shares
        assert [Fraction(credit, WAD) for credit in purse.each("credits")] == self.credits
        receivers = [purse.balance(name) for name in ("insurance", "stakers", "builder", "operator")]
        assert receivers == self.paid
        assert purse.balance(purse.treasury.address) == sum(self.owed) + self.waiting

    @invariant()
    def nobody_is_behind_by_three_units(self) -> None:
        assert sum(self.credits) == 0
        assert all(-1 < credit < 3 for credit in self.credits)


TreasuryMachine.TestCase.settings = drawn(15, stateful_step_count=50 if SOAK else 20)
TestTreasury = TreasuryMachine.TestCase


@given(
    cuts=st.lists(st.integers(0, WAD), min_size=3, max_size=3),
    amounts=st.lists(st.integers(1, 7) | st.integers(1, 10**20), min_size=1, max_size=30),
)
def test_however_an_income_is_cut_a_part_gets_its_share(cuts, amounts):
    """What a part has after many divisions differs from its exact share by less than three units, and never by luck."""
    shares, credits_, had = shares_of(cuts), [Fraction(0)] * 4, [0] * 4
    for amount in amounts:
        given_, credits_ = apportioned(amount, shares, credits_)
        assert sum(given_) == amount
        assert min(given_) >= 0
        had = [before + units for before, units in zip(had, given_, strict=True)]
    for part in PARTS:
        assert -3 < had[part] - Fraction(sum(amounts) * shares[part], WAD) < 1


# -- from the vault ----------------------------------------------------------------------------------------------------


def earn(m) -> int:
    """Some trades, so that there are fees; how much."""
    for _ in range(3):
        m.venue.post(m.venue.round())
        m.venue.settle(m.venue.cross(m.maker, m.taker, m.call, 7 * LOT + 1, PRICE + 13))
    return m.venue.cash(0)


@pytest.fixture
def m(shared_market):
    with shared_market.venue.aside():
        yield shared_market


def test_anyone_sends_the_fees_to_the_treasury_and_accounts_keep_theirs(m):
    fees, venue = earn(m), m.venue
    before = venue.ledger()
    receipt = venue.send("keeper", venue.clearing, "remit_fees")
    ((name, said),) = venue.events(receipt)
    assert (name, said["account"], said["amount"]) == ("Withdrawn", 0, fees)
    assert said["action_id"] == venue.clearing.call("action_count")
    after = venue.ledger()
    assert after.pop(0)[0] == 0
    assert before.pop(0)[0] == fees > 0
    assert after == before
    assert venue.token.call("balanceOf", venue.treasury.address) == fees
    assert venue.vault.call("held") == sum(cash for cash, _ in after.values())
    assert venue.refusal("keeper", venue.clearing, "remit_fees") == Revert.NOTHING_OWED


def test_fees_are_split_to_the_unit(m):
    fees, venue = earn(m), m.venue
    venue.send("keeper", venue.clearing, "remit_fees")
    venue.send("keeper", venue.treasury, "divide")
    owed = [venue.treasury.call("owed", part) for part in PARTS]
    assert owed == apportioned(fees, list(venue.split), [Fraction(0)] * 4)[0]
    assert sum(owed) == fees


def test_a_gift_to_the_vault_is_the_treasurys_and_nobody_elses(m):
    venue = m.venue
    held = venue.vault.call("held")
    assert venue.refusal("keeper", venue.vault, "skim") == Revert.NOTHING_OWED
    venue.send("third", venue.token, "mint", venue.vault.address, 77)
    assert venue.vault.call("held") == held
    venue.send("keeper", venue.vault, "skim")
    assert venue.token.call("balanceOf", venue.treasury.address) == 77
    assert venue.token.call("balanceOf", venue.vault.address) == held
    assert venue.refusal("keeper", venue.vault, "skim") == Revert.NOTHING_OWED


def test_a_gift_does_not_fill_the_vault(m):
    """Somebody who sends the vault its whole cap has given it away, and deposits go on."""
    venue = m.venue
    venue.send("third", venue.token, "mint", venue.vault.address, venue.vault_cap)
    venue.deposit(m.taker, USDC)
    rest = venue.vault_cap - venue.vault.call("held")
    venue.deposit(m.taker, rest)
    venue.send("third", venue.token, "mint", address("third"), 1)
    venue.send("third", venue.token, "approve", venue.vault.address, 1)
    assert venue.refusal("third", venue.vault, "deposit", m.taker.account, 1) == Revert.VAULT_CAP


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("spend", (address("other"), 1)),
        ("set_share", (STAKERS, 0)),
        ("set_receiver", (STAKERS, address("other"))),
    ],
)
def test_only_the_governor_turns_the_treasurys_screws(name, args):
    purse = Purse()
    purse.gift(1000)
    assert purse.ask("other", name, *args) == Revert.ONLY_GOVERNOR
    assert purse.ask("governor", name, *args) == "accepted"


@pytest.mark.parametrize(
    ("name", "args", "reason"),
    [
        ("spend", (address("other"), 0), Revert.AMOUNT_ZERO),
        ("spend", (bytes(20), 1), Revert.PART_UNKNOWN),
        ("spend", (address("other"), 151), Revert.NOTHING_OWED),
        ("set_share", (4, 0), Revert.PART_UNKNOWN),
        ("set_receiver", (RESERVE, address("other")), Revert.PART_UNKNOWN),
        ("set_receiver", (4, address("other")), Revert.PART_UNKNOWN),
        ("pay", (4,), Revert.PART_UNKNOWN),
    ],
)
def test_the_governor_cannot_reach_what_is_owed_to_others(name, args, reason):
    """Fifteen percent of a thousand are the reserve; one unit more is somebody else's."""
    purse = Purse()
    purse.gift(1000)
    assert purse.ask("governor", name, *args) == reason


def test_a_part_without_receiver_waits_for_one():
    purse = Purse(receivers=(None, None, None, "operator"))
    purse.gift(1000)
    assert purse.ask("other", "pay", STAKERS) == Revert.PART_UNKNOWN
    assert purse.ask("governor", "set_receiver", STAKERS, address("staking")) == "accepted"
    assert purse.ask("other", "pay", STAKERS) == "accepted"
    assert purse.balance("staking") == 250


@pytest.mark.parametrize(
    ("shares", "receivers"),
    [
        ((50, 25, 15, 11), (None,) * 4),
        ((50, 25, 15, 9), (None,) * 4),
        ((101, 0, 0, 0), (None,) * 4),
        ((50, 25, 15, 10), (None, None, "reserve", None)),
    ],
)
def test_shares_add_up_to_one_or_there_is_no_treasury(shares, receivers):
    with pytest.raises(Reverted, match=Revert.PARAMETER_RANGE):
        Purse(shares=shares, receivers=receivers)


def test_a_token_that_refuses_stops_one_payment_and_loses_nothing():
    purse = Purse(hostile_token())
    purse.gift(1000)
    purse.token.send(key("other"), "behave", REFUSE, purse.treasury.address, b"")
    assert purse.ask("other", "pay", STAKERS) == Revert.TREASURY_TRANSFER
    purse.token.send(key("other"), "behave", 0, purse.treasury.address, b"")
    assert purse.ask("other", "pay", STAKERS) == "accepted"
    assert purse.balance("stakers") == 250


@pytest.mark.parametrize(("name", "args"), [("pay", (STAKERS,)), ("divide", ()), ("pay", (OPERATOR,))])
def test_nothing_is_paid_twice_while_tokens_move(name, args):
    purse = Purse(hostile_token())
    purse.gift(1000)
    message = purse.treasury.interface.encode(name, *args)
    purse.token.send(key("other"), "behave", CALL_BACK, purse.treasury.address, message)
    assert purse.ask("other", "pay", STAKERS) == "accepted"
    assert not purse.token.call("answered")
    assert (purse.balance("stakers"), purse.balance("operator")) == (250, 0)


def test_an_income_beyond_all_supply_is_refused_not_wrapped():
    purse = Purse()
    purse.gift(2**128)
    assert purse.ask("other", "divide") == Revert.AMOUNT_RANGE


def test_the_court_pays_its_penalties_to_whoever_it_was_told(market):
    """Operators needs no knowledge of parts: what it owes the treasury becomes income on arrival."""
    court = Court()
    assert court.operators.call("TREASURY") == address("treasury")
    assert market.venue.vault.call("TREASURY") == market.venue.treasury.address
    assert market.venue.clearing.call("TREASURY") == market.venue.treasury.address
