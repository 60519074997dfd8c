"""The machine under random histories, with every law that must hold checked after each step.

``core_world`` supplies what can happen; Hypothesis chooses what does, and shrinks what breaks. The laws:

- every named invariant holds, and cash is what was deposited less what was withdrawn (CONSERVED);
- deciding only reads, and a refused command changes nothing but the record's number and time;
- a state restored from its bytes, a state folded from the decoded journal and the state itself stay the same bytes, and
  sums kept up fill by fill are those that a restored state works out afresh;
- the same commands give byte-equal events again (REPLAY_EXACT);
- ``core_contract`` takes every sealed batch and every fixing, whenever it lands (NO_BUST), and in the end holds the
  same money and positions.
"""

from collections import Counter
from typing import Any, get_args

import core_asking
import core_dealing  # noqa: F401 - registers what it adds
import core_pooling  # noqa: F401 - registers what it adds
import core_waiting  # noqa: F401 - registers what it adds
import msgspec
import pytest
from core_auctions import AUCTIONS, never_phased
from core_combos import COMBOS
from core_makers import MAKERS
from core_owners import OWNERS
from core_presence import PRESENCE, never_of_presence
from core_profiles import SOAK, effort
from core_rare import RARE
from core_venue import HALF_HOUR
from core_world import HAPPENINGS, TRADERS, WAITS, Draw, World
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from exchange import codec
from exchange.core import backlog, purging, risk, uncross
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import decode, encode, image
from exchange.core.machine import apply, decide
from exchange.core.state import TREASURY, State
from exchange.core.units import NO_EXPIRY, QTY_MAX, U63_MAX, U64_MAX

LOT, TICK = 100, 5 * 10**6
SEEN: Counter[str] = Counter()
HISTORIES, ROUNDS = 100, 6
ODD_TERMS: tuple[tuple[str, Any], ...] = (
    ("account", TREASURY),
    ("account", 99),
    ("signer", b"x" * 20),
    ("series", 99 << 16),
    ("series", 1 << 16 | 99),
    ("tif", 7),
    ("qty", 0),
    ("qty", -100),
    ("qty", 150),
    ("qty", QTY_MAX // LOT * LOT),
    ("qty", QTY_MAX // LOT * LOT + LOT),
    ("price", 0),
    ("price", 7),
    ("price", U63_MAX // TICK * TICK),
    ("price", U63_MAX // TICK * TICK + TICK),
    ("max_fee", -1),
    ("max_fee", 0),
    ("expiry_s", 0),
    ("expiry_s", NO_EXPIRY + 1),
    ("nonce", 0),
    ("nonce", -1),
    ("nonce", U64_MAX),
    ("replaces", 5),
    ("reduce_only", True),
    ("terms", c.Terms()),
    ("terms", c.Terms(self_trade=3)),
    ("terms", c.Terms(self_trade=-1)),
    ("terms", c.Terms(trigger=4)),
    ("terms", c.Terms(link=3)),
    ("terms", c.Terms(attached=3)),
    ("terms", c.Terms(market=True)),
    ("terms", c.Terms(protection="nobody")),
    ("terms", c.Terms(protection="a")),
    ("terms", c.Terms(vega=-1)),
    ("terms", c.Terms(delta=2**54)),
    ("terms", c.Terms(rfq=1)),
    ("terms", c.Terms(whole=True)),
    ("terms", c.Terms(display=-100)),
    ("terms", c.Terms(display=150)),
    ("terms", c.Terms(display=U64_MAX)),
)


def never_taken(world: World) -> list[c.AnyCommand]:
    """Commands that are never to be taken, whatever the state."""
    state, wrong_action = world.state, world.state.mirror.action_id + 2
    assert state.config is not None
    assert state.round is not None
    honest = world.round_of({0: world.spot})
    ahead = msgspec.structs.replace(honest, round_id=state.round.round_id + 1, time_s=world.now_s + 1)
    bad_marks = msgspec.structs.replace(
        honest,
        round_id=state.round.round_id + 1,
        sheets=tuple(
            msgspec.structs.replace(sheet, marks=tuple(mark + 1 for mark in sheet.marks)) for sheet in honest.sheets
        ),
    )
    bad_sum = msgspec.structs.replace(honest.spots[0], acc=honest.spots[0].acc + 1)
    return [
        state.config,
        c.ListUnderlying(0, "BTC_USDC", 100, 10**6, 10**6, 10**9),
        c.ListUnderlying(1, "X", 1, 1, 1, 1),
        c.ListExpiry(1, 0, world.now_s // 1_800 * 1_800 + 1_800),
        c.ListExpiry(len(state.expiries) + 1, 7, world.now_s // 1_800 * 1_800 + 1_800),
        c.ListExpiry(len(state.expiries) + 1, 0, world.now_s),
        c.ListExpiry(len(state.expiries) + 1, 0, world.now_s // 1_800 * 1_800 + 3_601),
        c.ListSeries(99, 0, 10**6, True),
        c.ListSeries(len(state.expiries), 77, 10**6, True),
        c.BatchRefused(10**6, "unknown"),
        *never_phased(world),
        state.round,
        ahead,
        bad_marks,
        msgspec.structs.replace(ahead, time_s=world.now_s, spots=(bad_sum,)),
        msgspec.structs.replace(ahead, time_s=world.now_s, sheets=()),
        c.ObserveDeposit(wrong_action, 1, 10**6),
        c.ObserveBatch(wrong_action, state.next_batch, b"t" * 32, 1, 1),
        c.ObserveBlock(0, 0, bytes(32)),
        c.Cancel(1, 10**9),
        c.CancelAll(99),
        *core_asking.never_of_requests(world),
        *never_of_presence(world),
        c.Fire(10**9),
    ]


class LawfulWorld(World):
    """A world that holds each command to the laws of ``apply``."""

    def __init__(self, batch_trades_max: int) -> None:
        self.history: list[tuple[int, bytes, bytes]] = []
        self.deposited = 0
        super().__init__(batch_trades_max)

    def do(self, command: Any) -> tuple[Any, ...]:
        state, seq = self.state, self.state.seq + 1
        time_before, before = state.time_ns, image(state)
        bytes_before = msgspec.msgpack.encode(before)
        planned = decide(state, seq, self.time_ns, command)
        state.time_ns = time_before
        assert encode(state) == bytes_before, "deciding wrote something"
        events = super().do(command)
        assert events[: len(planned)] == planned  # then resting combos that are reached, each on the state by then
        self._note(command, events)
        if len(events) == 1 and type(events[0]) is e.Rejected:
            after = image(state)
            after.seq, after.time_ns = seq - 1, time_before
            assert msgspec.msgpack.encode(after) == bytes_before, "a refused command changed the state"
        return events

    def _note(self, command: Any, events: tuple[Any, ...]) -> None:
        self.history.append((self.time_ns, codec.encode_command(command), codec.encode_events(events)))
        SEEN.update(type(event).__name__ for event in events)
        SEEN.update(str(event.reason) for event in events if type(event) in (e.Rejected, e.Cancelled))
        if events[:1] == (e.Applied(),):
            if type(command) is c.ObserveDeposit:
                self.deposited += command.amount
            elif type(command) is c.ObserveWithdrawal:
                self.deposited -= command.amount

    def cash_is_conserved(self) -> None:
        assert sum(account.cash for account in self.state.accounts.values()) == self.deposited
        assert self.state.accounts[TREASURY].cash >= 0

    def sums_are_those_worked_out_afresh(self) -> None:
        """Running sums, open interest and indices of each account equal those of a restored state."""
        restored = decode(encode(self.state))
        for key, account in self.state.accounts.items():
            other = restored.accounts[key]
            assert account.open == other.open
            assert account.orders == other.orders
            assert account.makes == other.makes
            assert sorted(account.reducing) == sorted(other.reducing)
            assert self.state.owned == restored.owned
            assert list(self.state.orders) == list(restored.orders)
            assert (account.quotes, account.standing) == (other.quotes, other.standing)
            assert sorted(account.covers) == sorted(other.covers)
        assert self.state.groups == restored.groups
        assert self.state.rfqs == restored.rfqs
        assert {key: dict(sorted(quotes.items())) for key, quotes in self.state.rfq_quotes.items()} == {
            key: dict(sorted(quotes.items())) for key, quotes in restored.rfq_quotes.items()
        }
        assert list(self.state.due) == list(restored.due)
        assert sorted(self.state.lookouts) == sorted(restored.lookouts)
        for key, lookout in self.state.lookouts.items():
            assert (lookout.above, lookout.below) == (restored.lookouts[key].above, restored.lookouts[key].below)
        for key, account in self.state.accounts.items():
            other = restored.accounts[key]
            if self.state.view is not None and account.risk_round == self.state.view.id:
                risk.refresh(restored, other)
                assert (account.isolated, account.reserved) == (other.isolated, other.reserved), key
                assert risk.covers_of(self.state, account) == risk.covers_of(restored, other), key

    def replay(self) -> None:
        """All commands again, from their bytes."""
        state = State()
        for seq, (time_ns, command, events) in enumerate(self.history, 1):
            assert codec.encode_events(apply(state, seq, time_ns, codec.decode_command(command))) == events
        assert encode(state) == encode(self.state)


def odd_order(world: LawfulWorld, draw: Draw) -> None:
    """An order, or an amendment, with one term that may be wrong."""
    account, pick = TRADERS[draw(4)], draw(6)
    order = world.some_order(pick)
    odd = dict(ODD_TERMS[draw(len(ODD_TERMS))] for _ in range(1 + draw(2)))
    if draw(2) and order is not None:
        auth = world.amend_auth(order.id, order.qty, order.price)
        world.do(c.Amend(order.id if pick else 10**9, msgspec.structs.replace(auth, **odd)))
    elif world.trading():
        series = world.trading()[pick % len(world.trading())]
        auth = world.auth(account, series, draw(2) == 0, 100, world.price_near(series, 90 + draw(20)))
        world.do(c.Place(msgspec.structs.replace(auth, **odd)))


def nonsense(world: LawfulWorld, draw: Draw) -> None:
    commands = never_taken(world)
    world.rejected(commands[draw(len(commands))])


def halt(world: LawfulWorld, draw: Draw) -> None:
    """While halted nothing trades, and everything else goes on."""
    world.must(c.SetTrading(False, "test"))
    events = world.trade(TRADERS[draw(4)], draw(9), True, 10, 100)
    assert not events or events[-1] == e.Rejected(e.Reject.TRADING_MUST_BE_OPEN)
    world.take_off(0)
    world.pass_time(WAITS[draw(6)])
    world.must(c.SetTrading(True, "test", (0, 0, 60)[draw(3)]))


def out_of_sight(world: LawfulWorld, draw: Draw) -> None:
    """While the chain has not been seen for longer than its window bears, orders still rest and none fills."""
    assert world.state.config is not None
    world.in_sight = False
    world.pass_time(backlog.age_max_s(world.state.config) + 1)
    for account in TRADERS:
        events = world.trade(account, draw(9), draw(2) == 0, 10, 80 + draw(40))
        assert not any(type(event) is e.Traded for event in events)
    world.in_sight = True
    world.see_block()


def half_hour(world: LawfulWorld, draw: Draw) -> None:
    """Expiries are on half hours; some are paid, some wait."""
    world.pass_time(HALF_HOUR - world.now_s % HALF_HOUR)
    if draw(2):
        world.pay_expiries()


MORE = {
    "odd_order": (8, odd_order),
    "nonsense": (4, nonsense),
    "halt": (1, halt),
    "out_of_sight": (1, out_of_sight),
    "half_hour": (3, half_hour),
}
HAPPENS = HAPPENINGS | OWNERS | MAKERS | PRESENCE | AUCTIONS | COMBOS | MORE
WEIGHTED = [name for name, (weight, _) in HAPPENS.items() for _ in range(weight)]


class Histories(RuleBasedStateMachine):
    """What may happen next, and what is asserted after it."""

    @initialize(batch_trades_max=st.integers(1, 5), cancels_max=st.sampled_from((1, 3, 1_000)))
    def opens(self, batch_trades_max: int, cancels_max: int) -> None:
        purging.CANCELS_MAX = cancels_max  # type: ignore[misc]
        self.world = LawfulWorld(batch_trades_max)

    @rule(what=st.sampled_from(WEIGHTED), data=st.data())
    def happens(self, what: str, data: st.DataObject) -> None:
        # Hypothesis prefers the ends of a range, and here the ends are rare cases: each range is laid out many times.
        HAPPENS[what][1](self.world, lambda bound: data.draw(st.integers(0, 840 * bound - 1)) % bound)

    @invariant()
    def laws(self) -> None:
        self.world.check()
        self.world.cash_is_conserved()
        self.world.sums_are_those_worked_out_afresh()

    def teardown(self) -> None:
        """Everything lands, everything expires, everybody is paid, and it all happens again."""
        if hasattr(self, "world"):
            self.world.quiesce()
            self.world.run_out()
            self.laws()
            self.world.replay()


def unseen() -> list[str]:
    """Events, and reasons to cancel, that no history has led to so far and no story of ``core_rare`` does.

    ``test_combos`` fills a record, ``test_distress`` flags an account; the other reasons left out have tests likewise.
    """
    events = {kind.__name__ for kind in get_args(e.AnyEvent)} - {"Deferred", "ChainDisagreed"}
    rare = {"fee", "key_revoked", "sweep_bound", "positions_bound", "post_only", "at_trigger", "account_flagged"}
    reasons = {str(reason) for reason in e.CancelReason} - rare
    return sorted((events | reasons) - SEEN.keys() - RARE.keys())


@pytest.mark.parametrize("kind", list(RARE))
def test_what_chance_seldom_leads_to(kind: str) -> None:
    """A story of its own meets it for certain, under the same laws."""
    world, before = LawfulWorld(5), SEEN[kind]
    RARE[kind](world)
    assert SEEN[kind] > before
    world.check()
    world.cash_is_conserved()
    world.sums_are_those_worked_out_afresh()
    world.quiesce()
    world.run_out()
    world.replay()


@pytest.mark.timeout(7_200 if SOAK else 240)
def test_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that can happen did happen, here or in a story of its own. A failure is printed as found; the soak shrinks it first.

    Hypothesis also tries constants of the modules that happen to be imported, so what one run draws depends on the tests
    beside it. What the first round left unseen is looked for in further ones, each with a seed of its own.
    """
    monkeypatch.setattr(uncross, "SWEEP_MAX", 3)  # so that an uncross takes several records
    monkeypatch.setattr(purging, "CANCELS_MAX", purging.CANCELS_MAX)  # which the histories change, is put back
    short = settings(effort(HISTORIES, steps=80), phases=[Phase.explicit, Phase.generate])
    run_state_machine_as_test(Histories, settings=effort(HISTORIES, steps=80) if SOAK else short)
    for turn in range(ROUNDS):
        if not unseen():
            break
        again = settings(short, max_examples=HISTORIES // 4)
        run_state_machine_as_test(seed(turn)(type("More", (Histories,), {})), settings=again)
    assert not unseen(), (unseen(), SEEN)
