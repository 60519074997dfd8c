"""Stakes and rewards against exact fractions: what accounts are owed and what is left over is what arrived, to the last
1e-18 of a unit; votes are what was staked at the end of a second that has passed.
"""

from __future__ import annotations

import pytest
from contract_court import CALL_BACK, REFUSE, hostile_token
from contract_drawing import PATIENCE, SOAK, drawn
from contract_state import COOLDOWN, STAKERS, Polity
from contract_venue import GAS, WAD, address, key
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local

pytestmark = PATIENCE
who = st.sampled_from(STAKERS)
few = st.integers(0, 12) | st.integers(1, 10**24)


class StakingMachine(RuleBasedStateMachine):
    """Three stakers, odd rewards, and a history of who had what when."""

    @initialize()
    def start(self) -> None:
        self.polity = polity = Polity()
        self.staked = dict.fromkeys(STAKERS, 0)
        self.leaving = dict.fromkeys(STAKERS, (0, 0))
        self.outside = dict.fromkeys(STAKERS, 10**25)
        self.scaled = dict.fromkeys(STAKERS, 0)  # what each is owed, in 1e-18 units of reward
        self.rest = self.waiting = self.arrived = self.paid = 0
        self.past: list[tuple[int, dict[str, int]]] = []
        for name in STAKERS:
            polity.send("operator", polity.token, "transfer", address(name), 10**25)
            polity.send(name, polity.token, "approve", polity.staking.address, 10**25)

    def _share(self) -> None:
        """The rule in words: what arrived, with what was left over, in equal parts to every unit that is staked."""
        total = sum(self.staked.values())
        if not total or not self.waiting:
            return
        part, self.rest = divmod(self.rest + self.waiting * WAD, total)
        self.waiting = 0
        for name in STAKERS:
            self.scaled[name] += part * self.staked[name]

    def _ask(self, name: str, call: str, *args: object) -> str:
        outcome = self.polity.ask(name, self.polity.staking, call, *args)
        if outcome == "accepted":
            self._share()
        return outcome

    def _note(self) -> None:
        self.past.append((self.polity.now, dict(self.staked)))

    @rule(name=who, amount=few)
    def stake(self, name: str, amount: int) -> None:
        outcome = self._ask(name, "stake", amount)
        if not amount:
            assert outcome == Revert.AMOUNT_ZERO
        elif amount > self.outside[name]:
            assert outcome in {Revert.TOKEN_BALANCE, Revert.TOKEN_ALLOWANCE}
        else:
            assert outcome in {"accepted", Revert.TOKEN_ALLOWANCE}
            if outcome == "accepted":
                self.staked[name] += amount
                self.outside[name] -= amount
                self._note()

    @rule(name=who, amount=few)
    def request_unstake(self, name: str, amount: int) -> None:
        outcome = self._ask(name, "request_unstake", amount)
        if not amount or amount > self.staked[name]:
            assert outcome == (Revert.AMOUNT_RANGE if amount else Revert.AMOUNT_ZERO)
            return
        assert outcome == "accepted"
        self.staked[name] -= amount
        self.leaving[name] = (self.leaving[name][0] + amount, self.polity.now + COOLDOWN)
        self._note()

    @rule(name=who)
    def cancel_unstake(self, name: str) -> None:
        outcome = self._ask(name, "cancel_unstake")
        amount, _ = self.leaving[name]
        assert outcome == ("accepted" if amount else Revert.UNSTAKE_UNKNOWN)
        if amount:
            self.staked[name] += amount
            self.leaving[name] = (0, 0)
            self._note()

    @rule(name=who)
    def unstake(self, name: str) -> None:
        outcome = self.polity.ask(name, self.polity.staking, "unstake")
        amount, ripe_at = self.leaving[name]
        if not amount:
            assert outcome == Revert.UNSTAKE_UNKNOWN
        elif outcome == "accepted":
            assert self.polity.now >= ripe_at
            self.outside[name] += amount
            self.leaving[name] = (0, 0)
        else:
            assert outcome == Revert.UNSTAKE_EARLY
            assert self.polity.now < ripe_at

    @rule(amount=st.integers(1, 9) | st.integers(1, 10**13))
    def income(self, amount: int) -> None:
        self.polity.send("other", self.polity.usdc, "mint", self.polity.staking.address, amount)
        self.waiting += amount
        self.arrived += amount

    @rule(name=who)
    def claim(self, name: str) -> None:
        outcome = self.polity.ask("other", self.polity.staking, "claim", address(name))
        before = dict(self.scaled), self.rest, self.waiting
        self._share()
        units = self.scaled[name] // WAD
        if not units:
            assert outcome == Revert.NOTHING_OWED
            self.scaled, self.rest, self.waiting = before
            return
        assert outcome == "accepted"
        self.scaled[name] -= units * WAD
        self.paid += units

    @rule(seconds=st.sampled_from((1, 3600, COOLDOWN)))
    def wait(self, seconds: int) -> None:
        self.polity.wait(seconds)

    @rule(back=st.integers(0, 5))
    def votes_of_the_past(self, back: int) -> None:
        """The newest stakes noted at or before a second; in the present second nobody can know yet."""
        staking, now = self.polity.staking, self.polity.now
        times = [time for time, _ in self.past] or [now - 1]
        at = min(times[-1 - back % len(times)], now - 1)
        known = [stakes for time, stakes in self.past if time <= at]
        expected = known[-1] if known else dict.fromkeys(STAKERS, 0)
        assert {name: staking.call("votes_at", address(name), at) for name in STAKERS} == expected
        assert staking.call("total_at", at) == sum(expected.values())

    @invariant()
    def rewards_add_up_exactly(self) -> None:
        polity, staking = self.polity, self.polity.staking
        waiting = self.scaled, self.rest, self.waiting
        self.scaled = dict(self.scaled)
        self._share()
        owed = {name: staking.call("owed", address(name)) for name in STAKERS}
        assert owed == self.scaled
        assert sum(owed.values()) + self.rest + self.waiting * WAD + self.paid * WAD == self.arrived * WAD
        self.scaled, self.rest, self.waiting = waiting
        assert polity.balance(polity.usdc, staking.address) == self.arrived - self.paid

    @invariant()
    def stakes_are_all_there(self) -> None:
        polity, staking = self.polity, self.polity.staking
        assert {name: staking.call("staked", address(name)) for name in STAKERS} == self.staked
        assert staking.call("total") == sum(self.staked.values())
        locked = sum(self.staked.values()) + sum(amount for amount, _ in self.leaving.values())
        assert polity.balance(polity.token, staking.address) == locked
        assert {name: polity.balance(polity.token, name) for name in STAKERS} == self.outside


StakingMachine.TestCase.settings = drawn(15, stateful_step_count=60 if SOAK else 25)
TestStaking = StakingMachine.TestCase


@pytest.fixture
def polity() -> Polity:
    return Polity()


def test_who_leaves_earns_and_votes_no_more_and_waits(polity):
    for name in ("ann", "bob"):
        polity.stake(name, 100)
    polity.send("ann", polity.staking, "request_unstake", 100)
    polity.send("other", polity.usdc, "mint", polity.staking.address, 1_000)
    assert polity.ask("other", polity.staking, "claim", address("ann")) == Revert.NOTHING_OWED
    polity.send("other", polity.staking, "claim", address("bob"))
    assert polity.balance(polity.usdc, "bob") == 1_000
    polity.wait(1)
    assert polity.staking.call("votes_at", address("ann"), polity.now - 1) == 0
    assert polity.ask("ann", polity.staking, "unstake") == Revert.UNSTAKE_EARLY
    polity.wait(COOLDOWN)
    polity.send("ann", polity.staking, "unstake")
    assert polity.balance(polity.token, "ann") == 100


def test_the_present_second_has_no_votes_yet(polity):
    polity.stake("ann", 100)
    with pytest.raises(Reverted, match=Revert.TIME_FUTURE):
        polity.staking.call("votes_at", address("ann"), polity.now)
    with pytest.raises(Reverted, match=Revert.TIME_FUTURE):
        polity.staking.call("total_at", polity.now + 1)


def test_votes_of_long_ago_are_found_among_many(polity):
    polity.stake("ann", 1)
    times = [(polity.now, 1)]
    polity.send("operator", polity.token, "transfer", address("ann"), 40)
    polity.send("ann", polity.token, "approve", polity.staking.address, 40)
    for more in range(2, 34):
        polity.wait(7)
        polity.send("ann", polity.staking, "stake", 1)
        times.append((polity.now, more))
    polity.wait(1)
    for time, amount in times:
        assert polity.staking.call("votes_at", address("ann"), time) == amount
        assert polity.staking.call("votes_at", address("ann"), time - 1) == amount - 1


def test_rewards_that_cannot_be_paid_stay_owed():
    polity = Polity()
    reward = deploy_local(polity.chain, key("operator"), hostile_token())
    polity.staking = polity.deploy("Staking", polity.token.address, reward.address, COOLDOWN)
    polity.stake("ann", 5)
    reward.send(key("other"), "mint", polity.staking.address, 77, gas=GAS)
    reward.send(key("other"), "behave", REFUSE, polity.staking.address, b"", gas=GAS)
    assert polity.ask("other", polity.staking, "claim", address("ann")) == Revert.STAKE_TRANSFER
    message = polity.staking.interface.encode("claim", address("ann"))
    reward.send(key("other"), "behave", CALL_BACK, polity.staking.address, message, gas=GAS)
    polity.send("other", polity.staking, "claim", address("ann"))
    assert not reward.call("answered")
    assert polity.balance(reward, "ann") == 77


def test_a_reward_beyond_all_supply_is_refused_not_wrapped(polity):
    polity.stake("ann", 5)
    polity.send("other", polity.usdc, "mint", polity.staking.address, 2**128)
    assert polity.ask("other", polity.staking, "claim", address("ann")) == Revert.AMOUNT_RANGE


@pytest.mark.parametrize("spoiled", ["same token", "no cooldown"])
def test_a_staking_that_could_not_count_is_not_made(polity, spoiled):
    reward = polity.token.address if spoiled == "same token" else polity.usdc.address
    with pytest.raises(Reverted, match=Revert.PARAMETER_RANGE):
        deploy_local(
            polity.chain, key("operator"), artifact("Staking"), polity.token.address, reward, int(spoiled[0] == "s")
        )
