"""What can be changed, by whom, how far at a time and how soon; and that no majority reaches what users own."""

from __future__ import annotations

import pytest
from contract_drawing import PATIENCE, SOAK, drawn
from contract_state import CAP, COOLDOWN, DAY, DELAY, GRACE, RULES, STAKERS, TEXT, VOTING, Polity, step
from contract_venue import LOT, USDC, WAD, WINDOW, Venue, address, key
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange.reverts import Revert
from exchange.shell import governed
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local
from exchange.shell.governed import INSURANCE, OPERATOR
from exchange.shell.governed import STAKERS as STAKERS_PART

pytestmark = PATIENCE
BILLION = 10**9 * USDC


@pytest.fixture(scope="module")
def founded() -> Polity:
    """Three stakers: 40, 35 and 25 of a hundred."""
    polity = Polity()
    polity.rule(polity.vault.address, polity.vault.address)
    for name, share in zip(STAKERS, (40, 35, 25), strict=True):
        polity.stake(name, share * WAD)
    polity.wait(1)
    return polity


@pytest.fixture
def polity(founded):
    snapshot = founded.chain.snapshot()
    yield founded
    founded.chain.revert(snapshot)


CAP_STEP = [step("vault_cap", CAP + USDC)]


# -- the way of a proposal ---------------------------------------------------------------------------------------------


def test_what_is_decided_waits_and_is_carried_out_by_anyone(polity):
    number = polity.carry(CAP_STEP)
    assert polity.vault.call("cap") == CAP
    assert polity.execute(number, CAP_STEP) == "accepted"
    assert polity.vault.call("cap") == CAP + USDC
    assert polity.execute(number, CAP_STEP) == Revert.PROPOSAL_EXECUTED


def test_when_it_comes_into_force_is_said_with_the_proposal(polity):
    receipt = polity.send("ann", polity.governor, "propose", CAP_STEP, TEXT)
    (said,) = polity.governor.interface.events(receipt.logs, "Proposed")
    assert said.args["ends"] == polity.now + VOTING
    assert said.args["ripe_at"] == polity.now + VOTING + DELAY
    assert [tuple(each) for each in said.args["steps"]] == CAP_STEP


@pytest.mark.parametrize(
    ("after", "reason"),
    [(-1, Revert.PROPOSAL_EARLY), (0, "accepted"), (GRACE - 1, "accepted"), (GRACE, Revert.PROPOSAL_LATE)],
)
def test_it_is_carried_out_in_its_time(polity, after, reason):
    number = polity.propose(CAP_STEP)
    made = polity.now
    for name in STAKERS:
        polity.send(name, polity.governor, "vote", number, True)
    polity.chain.set_time(made + VOTING + DELAY + after - 1)  # the next block is a second later
    assert polity.execute(number, CAP_STEP) == reason


@pytest.mark.parametrize(
    ("yes", "no", "outcome"),
    [
        (("ann", "bob"), (), "accepted"),
        (("ann", "bob"), ("cyd",), "accepted"),
        (("ann",), ("cyd",), Revert.PROPOSAL_REJECTED),
        (("bob", "cyd"), ("ann",), Revert.PROPOSAL_REJECTED),
        ((), (), Revert.PROPOSAL_REJECTED),
        ((), ("ann",), Revert.PROPOSAL_REJECTED),
        (("cyd",), (), "accepted"),
    ],
)
def test_two_thirds_of_a_fifth_decide(polity, yes, no, outcome):
    number = polity.propose(CAP_STEP)
    for name in yes:
        polity.send(name, polity.governor, "vote", number, True)
    for name in no:
        polity.send(name, polity.governor, "vote", number, False)
    assert polity.governor.call("is_accepted", number) is (outcome == "accepted")
    polity.wait(VOTING + DELAY)
    assert polity.execute(number, CAP_STEP) == outcome


def test_a_quorum_that_is_not_there_decides_nothing(polity):
    """Cyd's quarter is enough of a hundred; of five times as much it is not."""
    polity.stake("other", 400 * WAD)
    polity.wait(1)
    assert polity.decide(CAP_STEP, ("cyd",)) == Revert.PROPOSAL_REJECTED


def test_votes_are_those_of_before_the_proposal(polity):
    """Who stakes when it is known what is at stake, or in the same second, has no vote on it."""
    snapshot_taker = polity.propose(CAP_STEP)
    polity.stake("other", 10**6 * WAD)
    assert polity.ask("other", polity.governor, "vote", snapshot_taker, False) == Revert.VOTES_FEW
    polity.send("ann", polity.staking, "request_unstake", 40 * WAD)
    assert polity.ask("ann", polity.governor, "vote", snapshot_taker, True) == "accepted"
    assert polity.governor.call("proposals", snapshot_taker)[3] == 40 * WAD


def test_whoever_decides_still_has_a_stake_when_it_comes_into_force(polity):
    """The cooldown outlasts voting and delay: nobody leaves in time from what they voted for."""
    number = polity.propose(CAP_STEP)
    for name in STAKERS:
        polity.send(name, polity.governor, "vote", number, True)
        amount = polity.staking.call("staked", address(name))
        polity.send(name, polity.staking, "request_unstake", amount)
    polity.wait(VOTING + DELAY)
    assert {polity.ask(name, polity.staking, "unstake") for name in STAKERS} == {Revert.UNSTAKE_EARLY}
    assert polity.execute(number, CAP_STEP) == "accepted"


def test_nobody_votes_twice_or_late_or_on_nothing(polity):
    number = polity.propose(CAP_STEP)
    polity.send("ann", polity.governor, "vote", number, True)
    assert polity.ask("ann", polity.governor, "vote", number, False) == Revert.VOTE_CAST
    assert polity.ask("ann", polity.governor, "vote", number + 1, False) == Revert.PROPOSAL_UNKNOWN
    polity.wait(VOTING)
    assert polity.ask("bob", polity.governor, "vote", number, False) == Revert.VOTING_OVER


@pytest.mark.parametrize(
    ("who", "steps", "reason"),
    [
        ("ann", [], Revert.STEPS_NONE),
        ("other", CAP_STEP, Revert.VOTES_FEW),
        ("ann", [(len(governed.PARAMETERS), 0, 0)], Revert.KIND_UNKNOWN),
        ("ann", [step("vault_cap", 1, argument=1)], Revert.KIND_ARGUMENT),
        ("ann", [step("share_of_stakers", 0, argument=OPERATOR)], Revert.KIND_ARGUMENT),
        ("ann", [step("vault_cap", 10**18 + 1)], Revert.STEP_RANGE),
        ("ann", [step("spend", 0, argument=address("ann"))], Revert.STEP_RANGE),
        ("ann", [step("operator", 2**160)], Revert.STEP_RANGE),
    ],
)
def test_what_cannot_be_proposed(polity, who, steps, reason):
    assert polity.ask(who, polity.governor, "propose", steps, TEXT) == reason


def test_other_steps_than_those_voted_on_are_not_taken(polity):
    number = polity.carry(CAP_STEP)
    assert polity.execute(number, [step("vault_cap", CAP + 2 * USDC)]) == Revert.STEPS_OTHER
    assert polity.execute(number, CAP_STEP * 2) == Revert.STEPS_OTHER
    assert polity.execute(number + 1, CAP_STEP) == Revert.PROPOSAL_UNKNOWN


# -- how far and how soon ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("more", "outcome"), [(BILLION, "accepted"), (BILLION + 1, Revert.STEP_SIZE)])
def test_a_step_has_a_largest_size(polity, more, outcome):
    assert polity.decide([step("vault_cap", CAP + more)]) == outcome


def test_steps_in_one_proposal_do_not_add_up(polity):
    """Two steps of one kind are two within its interval, so the proposal cannot be carried out."""
    twice = [step("vault_cap", CAP + BILLION), step("vault_cap", CAP + 2 * BILLION)]
    assert polity.decide(twice) == Revert.STEP_EARLY
    assert polity.vault.call("cap") == CAP


def test_steps_keep_their_distance(polity):
    first, second = [step("vault_cap", CAP + 1)], [step("vault_cap", CAP + 2)]
    numbers = []
    for steps in (first, second):
        numbers.append(polity.propose(steps))
        for name in STAKERS:
            polity.send(name, polity.governor, "vote", numbers[-1], True)
    polity.wait(VOTING + DELAY)
    assert polity.execute(numbers[0], first) == "accepted"
    assert polity.execute(numbers[1], second) == Revert.STEP_EARLY
    assert polity.decide(second) == Revert.STEP_EARLY  # five days after the first, of seven


def test_all_receivers_share_one_interval(polity):
    """A spend of the most that is allowed, to another receiver each: still one a week."""
    polity.send("other", polity.usdc, "mint", polity.treasury.address, 10**7 * USDC)
    most = [step("spend", 100_000 * USDC, argument=address(name)) for name in ("ann", "bob")]
    assert polity.decide(most) == Revert.STEP_EARLY
    assert polity.decide(most[:1]) == "accepted"
    assert polity.decide(most[1:]) == Revert.STEP_EARLY
    assert (polity.balance(polity.usdc, "ann"), polity.balance(polity.usdc, "bob")) == (100_000 * USDC, 0)


def test_shares_move_by_five_points_and_keep_their_sum(polity):
    up = [step("share_of_insurance", 55 * WAD // 100), step("share_of_operator", 5 * WAD // 100)]
    assert polity.decide(up) == "accepted"
    shares = [polity.treasury.call("shares", part) for part in range(4)]
    assert shares == [each * WAD // 100 for each in (55, 25, 15, 5)]
    assert polity.decide([step("share_of_stakers", 19 * WAD // 100)]) == Revert.STEP_SIZE


# -- the guardian ------------------------------------------------------------------------------------------------------


def test_the_guardian_stops_what_was_decided(polity):
    number = polity.carry(CAP_STEP)
    for who in ("ann", "operator"):
        assert polity.ask(who, polity.governor, "veto", number, CAP_STEP) == Revert.ONLY_GUARDIAN
    assert polity.ask("guardian", polity.governor, "veto", number, CAP_STEP * 2) == Revert.STEPS_OTHER
    polity.send("guardian", polity.governor, "veto", number, CAP_STEP)
    assert polity.execute(number, CAP_STEP) == Revert.PROPOSAL_VETOED
    assert polity.ask("guardian", polity.governor, "veto", number, CAP_STEP) == Revert.PROPOSAL_VETOED


def test_the_guardian_cannot_keep_its_office(polity):
    replaced = [step("guardian", address("other")), step("vault_guardian", address("other"))]
    number = polity.carry(replaced)
    assert polity.ask("guardian", polity.governor, "veto", number, replaced) == Revert.VETO_OWN
    assert polity.execute(number, replaced) == "accepted"
    assert polity.governor.call("guardian") == polity.vault.call("guardian") == address("other")


def test_what_is_wrapped_in_a_replacement_can_be_vetoed(polity):
    wrapped = [step("guardian", address("other")), *CAP_STEP]
    number = polity.carry(wrapped)
    assert polity.ask("guardian", polity.governor, "veto", number, wrapped) == "accepted"


def test_the_guardian_decides_nothing(polity):
    assert polity.ask("guardian", polity.governor, "propose", CAP_STEP, TEXT) == Revert.VOTES_FEW
    assert polity.ask("guardian", polity.governor, "set_guardian", address("ann")) == Revert.ONLY_GOVERNOR
    number = polity.propose(CAP_STEP)
    assert polity.ask("guardian", polity.governor, "vote", number, True) == Revert.VOTES_FEW


# -- the founding ------------------------------------------------------------------------------------------------------


def test_what_can_be_changed_is_said_once(polity):
    kinds = governed.kinds(
        polity.governor.address,
        clearing=polity.vault.address,
        vault=polity.vault.address,
        oracle=polity.vault.address,
        treasury=polity.treasury.address,
    )
    assert polity.governor.call("kind_count") == len(kinds)
    assert [polity.governor.call("kinds", place) for place in range(len(kinds))] == kinds
    assert polity.ask("operator", polity.governor, "set_kinds", kinds) == Revert.KINDS_SET
    assert polity.ask("ann", polity.governor, "set_kinds", kinds) == Revert.ONLY_DEPLOYER


KIND = {"setter": b"\1\2\3\4", "getter": bytes(4), "form": 1, "argument": 0, "least": 0, "most": 1, "step": 0}


@pytest.mark.parametrize(
    "spoiled",
    [
        {"target": address("ann")},
        {"setter": bytes(4)},
        {"form": 0},
        {"least": 2},
        {"interval": 0},
    ],
    ids=lambda spoiled: next(iter(spoiled)),
)
def test_a_kind_that_bounds_nothing_is_refused(spoiled):
    polity = Polity()
    kind = {"target": polity.vault.address, **KIND, "interval": 1} | spoiled
    assert polity.ask("operator", polity.governor, "set_kinds", [tuple(kind.values())]) == Revert.PARAMETER_RANGE


def test_no_kinds_are_none(founded):
    assert Polity().ask("operator", founded.governor, "set_kinds", []) in {Revert.KINDS_SET, Revert.ONLY_DEPLOYER}
    polity = Polity()
    assert polity.ask("operator", polity.governor, "set_kinds", []) == Revert.KINDS_SET


def test_a_target_that_does_something_else_undoes_the_proposal():
    """A kind that reads back another parameter than it writes: nothing it does stands."""
    polity = Polity()
    interface = polity.vault.interface
    selectors = (interface.selector("set_cap", 1), interface.selector("paused_until", 0))
    polity.send(
        "operator", polity.governor, "set_kinds", [(polity.vault.address, *selectors, 1, 0, 0, 10**18, 10**18, 1)]
    )
    polity.stake("ann", WAD)
    polity.wait(1)
    steps = [(0, 0, CAP + 1)]
    assert polity.decide(steps, ("ann",)) == Revert.STEP_LOST
    assert polity.vault.call("cap") == CAP


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 0),
        (0, WAD // 10 + 1),
        (1, WAD // 20 - 1),
        (1, WAD + 1),
        (2, WAD // 2),
        (2, WAD + 1),
        (3, 0),
        (3, COOLDOWN - DELAY + 1),
        (4, DAY - 1),
        (5, 0),
    ],
)
def test_rules_that_would_let_a_few_or_a_moment_decide_are_refused(founded, place, value):
    rules = list(RULES)
    rules[place] = value
    with pytest.raises(Reverted, match=Revert.PARAMETER_RANGE):
        deploy_local(
            founded.chain,
            key("operator"),
            artifact("Governor"),
            founded.staking.address,
            address("guardian"),
            tuple(rules),
        )


# -- a hostile majority ------------------------------------------------------------------------------------------------


class HostileMajority(RuleBasedStateMachine):
    """Ann has all votes, the guardian's key and the operator's; whatever she decides, in whatever order, what traders own
    stays theirs, leaves when they ask, and what she gains is income of the venue at most.
    """

    @initialize()
    def start(self) -> None:
        polity = Polity()
        self.venue = venue = Venue(chain=polity.chain, governor=polity.governor.address)
        polity.vault, polity.treasury, polity.usdc = venue.vault, venue.treasury, venue.token
        polity.rule(venue.clearing.address, venue.oracle.address)
        polity.stake("ann", 100 * WAD)
        polity.wait(1)
        self.polity = polity
        self.players = [venue.open(name, 200_000 * USDC) for name in ("maker", "taker")]
        strikes = [(60_000 * USDC, True), (60_000 * USDC, False)]
        venue.list(venue.now // 1800 * 1800 + 40 * DAY, strikes)
        venue.post(venue.round())
        venue.settle(venue.cross(*self.players, 1 << 16, LOT, 700 * USDC))
        venue.settle(venue.cross(*reversed(self.players), 1 << 16, LOT, 700 * USDC))
        self.owned = {player.account: venue.cash(player.account) for player in self.players}
        self.income = venue.cash(0)
        venue.send("keeper", venue.clearing, "remit_fees")

    @rule(
        steps=st.lists(
            st.tuples(
                st.integers(0, len(governed.PARAMETERS) - 1),
                st.sampled_from([0, INSURANCE, STAKERS_PART, int.from_bytes(address("ann"), "big")]),
                st.sampled_from([0, 1, 5 * WAD // 100, CAP, 10**9, int.from_bytes(address("ann"), "big")]),
            ),
            min_size=1,
            max_size=4,
            unique_by=lambda each: each[0],
        )
    )
    def decide(self, steps: list[tuple[int, int, int]]) -> None:
        polity = self.polity
        free = {place for place, each in enumerate(governed.PARAMETERS) if each.form is governed.Form.FREE}
        steps = [(kind, argument if kind in free else 0, value) for kind, argument, value in steps]
        if polity.ask("ann", polity.governor, "propose", steps, TEXT) == "accepted":
            number = polity.governor.call("count")
            polity.send("ann", polity.governor, "vote", number, True)
            polity.wait(VOTING + DELAY)
            assert polity.execute(number, steps) in set(Revert) | {"accepted"}

    @rule(name=st.sampled_from(["pause", "resume"]))
    def be_the_guardian(self, name: str) -> None:
        self.polity.ask("guardian", self.venue.vault, name)

    @rule(name=st.sampled_from(["release", "credit", "set_clearing", "set_operator"]))
    def try_the_doors(self, name: str) -> None:
        to = address("ann")
        args = {"release": (to, 1), "credit": (1, 1), "set_clearing": (to,), "set_operator": (to,)}[name]
        contract = self.venue.clearing if name in {"credit", "set_operator"} else self.venue.vault
        for who in ("ann", "guardian", "operator"):
            assert self.polity.ask(who, contract, name, *args) in set(Revert)

    @rule()
    def forge_a_batch(self) -> None:
        """As the operator, perhaps: trades that nobody signed, or signed for less."""
        venue = self.venue
        venue.post(venue.round())
        maker, taker = (
            venue.order(player, 1 << 16, side, 1) for player, side in zip(self.players, (1, -1), strict=True)
        )
        batch = venue.batch([venue.sign(maker, "ann"), venue.sign(taker, "ann")], [])
        self.polity.ask("other", venue.clearing, "install_operator")
        for operator in ("operator", "ann"):
            forged = type(batch)(**{**vars(batch), "operator": operator})
            assert venue.settle_refusal(forged) in {Revert.OPERATOR_SIGNATURE, Revert.ORDER_SIGNATURE}

    @rule()
    def income_leaves(self) -> None:
        for part in (INSURANCE, STAKERS_PART, OPERATOR):
            self.polity.ask("other", self.venue.treasury, "pay", part)

    @invariant()
    def what_traders_own_stays_theirs(self) -> None:
        venue = self.venue
        assert {account: venue.cash(account) for account in self.owned} == self.owned
        assert venue.vault.call("held") == sum(self.owned.values())
        assert venue.token.call("balanceOf", venue.vault.address) == sum(self.owned.values())
        assert venue.token.call("balanceOf", address("ann")) <= self.income

    def teardown(self) -> None:
        """After all of it everybody leaves with everything, without anybody's help."""
        if not hasattr(self, "owned"):
            return
        venue = self.venue
        for player in self.players:
            venue.send(player.name, venue.clearing, "request_exit", player.account)
        venue.chain.set_time(venue.now + WINDOW)
        for player in self.players:
            venue.send("keeper", venue.clearing, "finalise_exit", player.account, 0, b"", b"")
            assert venue.token.call("balanceOf", player.address) == self.owned[player.account]
        assert venue.vault.call("held") == 0


HostileMajority.TestCase.settings = drawn(16, stateful_step_count=40 if SOAK else 20)
TestHostileMajority = HostileMajority.TestCase


def test_a_majority_with_every_key_takes_nothing_of_traders():
    """The worst that is on the list, in turn: a guardian, an operator and receivers of its own, no cap, all shares."""
    machine = HostileMajority()
    machine.start()
    ann = int.from_bytes(address("ann"), "big")
    worst = [
        [step("guardian", ann), step("vault_guardian", ann), step("operator", ann), step("vault_cap", 0)],
        [step("receiver", ann, argument=INSURANCE), step("share_of_insurance", 55 * WAD // 100)],
        [step("receiver", ann, argument=STAKERS_PART), step("spend", 1, argument=ann)],
    ]
    for steps in worst:
        assert machine.polity.decide(steps, ("ann",)) == "accepted"
        machine.income_leaves()
        machine.forge_a_batch()
        machine.what_traders_own_stays_theirs()
    machine.teardown()
    assert 0 < machine.venue.token.call("balanceOf", address("ann")) <= machine.income
