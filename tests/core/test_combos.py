"""Combos: listed once, matched in their own book and through their legs, whole or not at all, at prices of either sign."""

from typing import Any

import msgspec
import pytest
from core_venue import BTC, ETH, HALF_HOUR, T0, USDC, Venue, series_named, standard_venue

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import implied, risk
from exchange.core.commands import Protection
from exchange.core.events import CancelReason, Reject
from exchange.core.images import decode, encode
from exchange.core.legs import Leg
from exchange.core.units import QTY_ONE

LOT = 100
LOW, MID, HIGH = series_named("61000C"), series_named("62000C"), series_named("63000C")
MARKS = {LOW: 1_193, MID: 560, HIGH: 210}  # what they are worth, near enough, in whole USDC


class Pit(Venue):
    """A venue whose contracts settle combos, with four rich traders. Quantities in lots, prices in whole USDC."""

    def __init__(self) -> None:
        super().__init__()
        self.open(combos=True, mandates=True)
        self.list_expiry(T0 + 36 * HALF_HOUR)
        self.round(62_000)
        for account in (1, 2, 3, 4):
            self.fund(account, 10**6)
        self.spread = self.list_combo((LOW, 1), (MID, -1))

    def enter(self, account: int, series: int, side: str, lots: int, price: int, **terms: Any) -> int:
        """An order that has to be taken; its id."""
        self.must(c.Place(self.auth(account, series, side == "buy", lots * LOT, price * USDC, **terms)))
        return self.state.seq

    def refuse(self, account: int, series: int, side: str, lots: int, price: int, **terms: Any) -> Reject:
        return self.rejected(c.Place(self.auth(account, series, side == "buy", lots * LOT, price * USDC, **terms)))

    def fills(self) -> list[tuple[int, int, int]]:
        """Trades of the last record: maker's order, lots, whole USDC."""
        events = self.log[-1].events
        return [(x.maker_order, x.qty // LOT, x.price // USDC) for x in events if type(x) is e.Traded]

    def held(self, account: int) -> dict[int, int]:
        """Positions in lots."""
        return {series: qty // LOT for series, qty in self.state.accounts[account].positions.items()}

    def gone(self) -> dict[int, CancelReason]:
        """Who was cancelled in the last record, and why."""
        return {x.order_id: x.reason for x in self.log[-1].events if type(x) is e.Cancelled}


@pytest.fixture
def pit():
    pit = Pit()
    yield pit
    pit.check()
    pit.check_history()


# -- listing ----------------------------------------------------------------------------------------------------------


def test_whoever_asks_for_the_same_legs_gets_the_same_number(pit: Pit) -> None:
    assert pit.list_combo((LOW, 1), (MID, -1)) == pit.spread == 1
    assert pit.list_combo((LOW, 1), (MID, -2)) == 2
    assert pit.list_combo((LOW, 1), (MID, -2), (HIGH, 1)) == 3


@pytest.mark.parametrize(
    ("legs", "reason"),
    [
        ((Leg(LOW, 1),), Reject.COMBO_LEGS_MUST_BE_CANONICAL),
        ((Leg(LOW, -1), Leg(MID, 1)), Reject.COMBO_LEGS_MUST_BE_CANONICAL),
        ((Leg(LOW, 2), Leg(MID, -2)), Reject.COMBO_LEGS_MUST_BE_CANONICAL),
        ((Leg(1, 1), Leg(MID, -2)), Reject.COMBO_LEGS_MUST_BE_CANONICAL),
        ((Leg(LOW, 1), Leg(9 << 16, -1)), Reject.SERIES_MUST_EXIST),
    ],
)
def test_legs_that_are_no_combo_here_are_refused(pit: Pit, legs: Any, reason: Reject) -> None:
    assert pit.rejected(c.CreateCombo(legs)) is reason


def test_legs_are_of_one_underlying_and_alive() -> None:
    venue = Venue().open(combos=True)
    venue.must(c.ListUnderlying(ETH, "ETH_USDC", 100, USDC, 5 * USDC, 1_000 * USDC))
    near = venue.list_expiry(T0 + 3 * HALF_HOUR, (60_000,), BTC) << 16
    far = venue.list_expiry(T0 + 30 * HALF_HOUR, (60_000,), BTC) << 16
    other = venue.list_expiry(T0 + 30 * HALF_HOUR, (3_000,), ETH) << 16
    mixed = c.CreateCombo((Leg(near, 1), Leg(other, -1)))
    assert venue.rejected(mixed) is Reject.COMBO_LEGS_MUST_SHARE_UNDERLYING
    venue.wait(3 * HALF_HOUR)
    assert venue.rejected(c.CreateCombo((Leg(near, 1), Leg(far, -1)))) is Reject.SERIES_MUST_BE_TRADING


def test_without_contracts_that_settle_them_none_is_listed() -> None:
    assert standard_venue().rejected(c.CreateCombo((Leg(LOW, 1), Leg(MID, -1)))) is Reject.COMBOS_MUST_BE_SUPPORTED


def test_numbers_end_where_series_begin(pit: Pit, monkeypatch: pytest.MonkeyPatch) -> None:
    from exchange.core import combos

    monkeypatch.setattr(combos, "LIVE_MAX", 2)
    pit.list_combo((LOW, 1), (MID, 1))
    assert pit.rejected(c.CreateCombo((Leg(LOW, 1), Leg(HIGH, 1)))) is Reject.COMBOS_MUST_FIT
    assert pit.list_combo((LOW, 1), (MID, -1)) == pit.spread


# -- what may be ordered ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "terms",
    [
        {"reduce_only": True},
        {"terms": c.Terms(display=LOT)},
        {"terms": c.Terms(slide=True)},
        {"terms": c.Terms(trigger=c.MARK, trigger_price=USDC)},
        {"terms": c.Terms(link=c.OCO)},
        {"terms": c.Terms(protection="front")},
    ],
)
def test_orders_for_combos_are_plain(pit: Pit, terms: dict[str, Any]) -> None:
    pit.must(c.SetProtection(1, "front", Protection(10**9, 10**9, LOT, 0, 0, 0)))
    assert pit.refuse(1, pit.spread, "buy", 1, 600, **terms) is Reject.COMBO_MUST_BE_PLAIN


def test_what_is_signed_names_the_legs(pit: Pit) -> None:
    legs = (Leg(LOW, 1), Leg(MID, -1))
    assert pit.refuse(1, pit.spread, "buy", 1, 600, legs=(Leg(LOW, 1), Leg(MID, -2))) is Reject.COMBO_LEGS_MUST_MATCH
    assert pit.refuse(1, pit.spread, "buy", 1, 600, legs=()) is Reject.COMBO_LEGS_MUST_MATCH
    assert pit.refuse(1, LOW, "buy", 1, 600, legs=legs) is Reject.SERIES_MUST_EXIST
    assert pit.refuse(1, 7, "buy", 1, 600, legs=legs) is Reject.SERIES_MUST_EXIST


BREAKS: dict[Reject, dict[str, Any]] = {
    Reject.ACCOUNT_MUST_EXIST: {"account": 99},
    Reject.SIGNER_MUST_BE_AUTHORISED: {"signer": b"x" * 20},
    Reject.SERIES_MUST_EXIST: {"series": 7},
    Reject.COMBO_LEGS_MUST_MATCH: {"legs": (Leg(LOW, 1), Leg(MID, -2))},
    Reject.TIF_MUST_BE_KNOWN: {"tif": 7},
    Reject.QTY_MUST_BE_ON_LOT: {"qty": LOT + 1},
    Reject.PRICE_MUST_BE_ON_TICK: {"price": 7},
    Reject.PRICE_MUST_FIT: {"max_fee": -1},
    Reject.TERMS_MUST_BE_KNOWN: {"terms": c.Terms(self_trade=3)},
    Reject.COMBO_MUST_BE_PLAIN: {"reduce_only": True},
    Reject.ORDER_MUST_NOT_BE_EXPIRED: {"expiry_s": 0},
    Reject.NONCE_MUST_BE_FRESH: {"nonce": -1},
    Reject.MAX_FEE_MUST_COVER_FEE: {"max_fee": 0},
    Reject.AMEND_MUST_NAME_REPLACED_NONCE: {"replaces": 3},
}


def test_of_two_broken_rules_the_one_declared_first_is_named_for_combos_too(pit: Pit) -> None:
    declared = list(Reject)
    rules = list(BREAKS)
    assert rules == sorted(rules, key=declared.index)
    for at, first in enumerate(rules):
        assert pit.rejected(c.Place(_broken(pit, first))) is first
        for second in rules[at + 1 :]:
            if not BREAKS[first].keys() & BREAKS[second].keys():
                assert pit.rejected(c.Place(_broken(pit, first, second))) is first, (first, second)


def _broken(pit: Pit, *rules: Reject) -> c.Authorisation:
    """An order for the spread that breaks these rules, all of them."""
    auth = pit.auth(2, pit.spread, True, LOT, 600 * USDC)
    for rule in rules:
        auth = msgspec.structs.replace(auth, **BREAKS[rule])
    return auth


def test_a_combo_bought_in_all_legs_is_worth_something(pit: Pit) -> None:
    straddle = pit.list_combo((LOW, 1), (MID, 1))
    assert pit.refuse(1, straddle, "buy", 1, -1) is Reject.PRICE_MUST_FIT
    pit.enter(1, straddle, "buy", 1, 0)


def test_the_leg_with_the_largest_ratio_has_to_fit(pit: Pit) -> None:
    wide = pit.list_combo((LOW, 1), (MID, -32_767))
    assert pit.refuse(1, wide, "buy", 2_000, 0) is Reject.QTY_MUST_FIT


# -- its own book -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("price", [-250, 0, 250])
def test_a_price_may_have_either_sign(pit: Pit, price: int) -> None:
    made = pit.enter(1, pit.spread, "sell", 10, price)
    pit.enter(2, pit.spread, "buy", 4, price)
    traded = [event for event in pit.log[-1].events if type(event) is e.Traded]
    assert sum(event.price * (1 if event.leg == LOW else -1) for event in traded) == price * USDC
    assert [event.units for event in traded] == [0, 4 * LOT]
    assert {event.group for event in traded} == {traded[0].trade_id}
    assert (pit.held(2), pit.held(1)) == ({LOW: 4, MID: -4}, {LOW: -4, MID: 4})
    assert pit.state.orders[made].filled == 4 * LOT
    combo = pit.state.combos[pit.spread]
    assert (combo.volume, combo.last_price) == (4 * LOT, price * USDC)


def test_cash_moves_by_the_price_and_the_fees(pit: Pit) -> None:
    before = pit.state.accounts[2].cash
    pit.enter(1, pit.spread, "sell", 10, 600)
    pit.enter(2, pit.spread, "buy", 10, 600)
    traded = [event for event in pit.log[-1].events if type(event) is e.Traded]
    fees = sum(event.taker_fee for event in traded)
    assert abs(before - pit.state.accounts[2].cash - fees - 600 * USDC * 10 * LOT // QTY_ONE) <= len(traded)


def test_price_then_time_at_prices_below_zero(pit: Pit) -> None:
    worse, first = pit.enter(1, pit.spread, "sell", 1, -10), pit.enter(1, pit.spread, "sell", 1, -20)
    second = pit.enter(3, pit.spread, "sell", 1, -20)
    pit.enter(2, pit.spread, "buy", 3, -10)
    assert list(dict.fromkeys(maker for maker, _, _ in pit.fills())) == [first, second, worse]


def test_what_legs_print_against_a_combo_is_no_last_price(pit: Pit) -> None:
    pit.enter(1, pit.spread, "sell", 10, 600)
    pit.enter(2, pit.spread, "buy", 10, 600)
    assert [pit.state.series[leg].last_price for leg in (LOW, MID)] == [0, 0]
    assert [pit.state.series[leg].volume for leg in (LOW, MID)] == [10 * LOT, 10 * LOT]


# -- through its legs -------------------------------------------------------------------------------------------------


def offer_spread(pit: Pit, ask: int, bid: int, lots: int = 10) -> tuple[int, int]:
    """Somebody offers the lower leg, somebody bids for the upper one."""
    return pit.enter(3, LOW, "sell", lots, ask), pit.enter(4, MID, "buy", lots, bid)


def test_the_better_of_book_and_legs_comes_first_slice_by_slice(pit: Pit) -> None:
    low, mid = offer_spread(pit, 1_200, 560, 2)  # 640
    dear_low, dear_mid = offer_spread(pit, 1_220, 560, 2)  # 660
    best, worst = pit.enter(1, pit.spread, "sell", 1, 630), pit.enter(1, pit.spread, "sell", 1, 650)
    pit.enter(2, pit.spread, "buy", 6, 700)
    met = [maker for maker, _, _ in pit.fills()]
    assert met == [best, best, low, mid, worst, worst, dear_low, dear_mid]
    assert pit.held(2) == {LOW: 6, MID: -6}


def test_at_the_same_price_the_combos_own_book_comes_first(pit: Pit) -> None:
    low, mid = offer_spread(pit, 1_200, 560)
    own = pit.enter(1, pit.spread, "sell", 3, 640)
    pit.enter(2, pit.spread, "buy", 5, 640)
    assert pit.fills()[2:] == [(low, 2, 1_200), (mid, 2, 560)]
    assert {maker for maker, _, _ in pit.fills()[:2]} == {own}


def test_makers_get_their_prices_and_the_combo_no_worse_than_its_own(pit: Pit) -> None:
    _, mid = offer_spread(pit, 1_200, 560)
    pit.enter(2, pit.spread, "buy", 20, 639)
    assert pit.fills() == []
    low = pit.enter(3, LOW, "sell", 3, 1_195)
    assert pit.fills() == [(low, 3, 1_195), (mid, 3, 560)]  # at 635, which the resting order gets, not its 639


def test_a_seller_meets_bids_of_what_she_sells_and_offers_of_what_she_buys(pit: Pit) -> None:
    low, mid = pit.enter(3, LOW, "buy", 5, 1_195), pit.enter(4, MID, "sell", 5, 562)
    pit.enter(2, pit.spread, "sell", 5, 633)
    assert pit.fills() == [(low, 5, 1_195), (mid, 5, 562)]
    assert pit.held(2) == {LOW: -5, MID: 5}


@pytest.mark.parametrize("first", ["leg", "combo"])
def test_a_resting_combo_that_is_reached_trades_in_the_same_record(pit: Pit, first: str) -> None:
    low = pit.enter(3, LOW, "sell", 5, 1_200)
    mid = 0
    if first == "combo":
        resting = pit.enter(2, pit.spread, "buy", 8, 640)
        mid = pit.enter(4, MID, "buy", 6, 560)
    else:
        mid = pit.enter(4, MID, "buy", 6, 560)
        resting = pit.enter(2, pit.spread, "buy", 8, 640)
    assert pit.fills() == [(low, 5, 1_200), (mid, 5, 560)]
    assert pit.state.orders[resting].filled == 5 * LOT
    assert pit.state.orders[mid].filled == 5 * LOT
    reached = [event.order_id for event in pit.log[-1].events if type(event) is e.Reached]
    assert reached == ([resting] if first == "combo" else [])


def test_of_combos_that_one_quote_reaches_the_one_that_waited_longest_goes_first(pit: Pit) -> None:
    other = pit.list_combo((LOW, 1), (HIGH, -1))
    pit.enter(4, MID, "buy", 10, 560)
    pit.enter(4, HIGH, "buy", 10, 210)
    late = pit.enter(2, pit.spread, "buy", 4, 641)
    pit.must(c.Cancel(2, late))
    early = pit.enter(1, other, "buy", 4, 990)
    late = pit.enter(2, pit.spread, "buy", 4, 700)
    low = pit.enter(3, LOW, "sell", 6, 1_200)
    reached = [event.order_id for event in pit.log[-1].events if type(event) is e.Reached]
    assert reached == [early, late]
    assert [lots for maker, lots, _ in pit.fills() if maker == low] == [4, 2]


def test_a_ratio_may_take_several_makers_for_one_lot(pit: Pit) -> None:
    ratio = pit.list_combo((LOW, 1), (MID, -2))
    low = pit.enter(3, LOW, "sell", 5, 1_200)
    one, two, three = (pit.enter(4, MID, "buy", 1, price) for price in (562, 561, 560))
    pit.enter(2, ratio, "buy", 2, 100)
    assert pit.fills() == [(low, 1, 1_200), (one, 1, 562), (two, 1, 561)]
    assert [event.units for event in pit.log[-1].events if type(event) is e.Traded] == [0, 0, LOT]
    assert pit.state.orders[three].filled == 0  # one lot of it is no lot of the combo


def test_a_lot_that_needs_too_many_makers_is_not_there(pit: Pit) -> None:
    ratio = pit.list_combo((LOW, 1), (MID, -7))
    pit.enter(3, LOW, "sell", 5, 1_200)
    for _ in range(7):
        pit.enter(4, MID, "buy", 1, 560)
    pit.enter(2, ratio, "buy", 1, -2_000)
    assert pit.fills() == []
    pit.enter(4, MID, "buy", 7, 570)
    assert len(pit.fills()) == 2


def test_icebergs_of_legs_come_slice_by_slice(pit: Pit) -> None:
    berg = pit.enter(3, LOW, "sell", 6, 1_200, terms=c.Terms(display=2 * LOT))
    plain, mid = pit.enter(1, LOW, "sell", 1, 1_200), pit.enter(4, MID, "buy", 20, 560)
    pit.enter(2, pit.spread, "buy", 6, 640)
    assert [fill[:2] for fill in pit.fills() if fill[0] != mid] == [(berg, 2), (plain, 1), (berg, 2), (berg, 1)]


def test_all_legs_fill_or_none(pit: Pit) -> None:
    low, mid = offer_spread(pit, 1_200, 560, 10)
    pit.must(c.SetTimer(4, 1))
    pit.wait(1)  # whoever bids for the upper leg is gone
    pit.enter(2, pit.spread, "buy", 10, 640)
    assert (pit.fills(), pit.gone()) == ([], {mid: CancelReason.DEAD_MAN})
    assert pit.state.orders[low].filled == 0


# -- time in force, amendments ----------------------------------------------------------------------------------------


def test_fill_or_kill_counts_book_and_legs(pit: Pit) -> None:
    offer_spread(pit, 1_200, 560, 4)
    pit.enter(1, pit.spread, "sell", 3, 650)
    assert pit.refuse(2, pit.spread, "buy", 8, 650, tif=c.FOK) is Reject.FILL_OR_KILL_MUST_FILL
    assert pit.refuse(2, pit.spread, "buy", 7, 640, tif=c.FOK) is Reject.FILL_OR_KILL_MUST_FILL
    pit.enter(2, pit.spread, "buy", 7, 650, tif=c.FOK)
    assert pit.held(2) == {LOW: 7, MID: -7}


def test_what_is_immediate_does_not_rest(pit: Pit) -> None:
    offer_spread(pit, 1_200, 560, 4)
    bought = pit.enter(2, pit.spread, "buy", 5, 640, tif=c.IOC, terms=c.Terms(market=True))
    assert pit.gone() == {bought: CancelReason.IMMEDIATE_REMAINDER}


def test_post_only_meets_neither_book_nor_legs(pit: Pit) -> None:
    offer_spread(pit, 1_200, 560)
    assert pit.refuse(2, pit.spread, "buy", 1, 640, post_only=True) is Reject.POST_ONLY_MUST_NOT_CROSS
    assert pit.log[-1].events[0].limit == 640 * USDC
    resting = pit.enter(2, pit.spread, "buy", 1, 639, post_only=True)
    pit.enter(3, LOW, "sell", 1, 1_195)
    assert (pit.fills(), pit.gone()) == ([], {resting: CancelReason.POST_ONLY})


def test_amendments_keep_or_lose_their_place_and_may_trade_at_once(pit: Pit) -> None:
    low, mid = offer_spread(pit, 1_200, 560, 4)
    resting = pit.enter(2, pit.spread, "buy", 9, -100)
    assert type(pit.amend(resting, 5 * LOT, -100 * USDC)[0]) is e.Amended
    assert pit.log[-1].events[0].kept
    pit.amend(resting, 5 * LOT, 640 * USDC)
    assert pit.fills() == [(low, 4, 1_200), (mid, 4, 560)]
    assert pit.state.orders[resting].filled == 4 * LOT
    pit.must(c.CancelAll(2, pit.spread))
    assert not pit.state.accounts[2].orders


# -- whom it does not meet --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [c.CANCEL_TAKER, c.CANCEL_MAKER, c.CANCEL_BOTH])
def test_nobody_is_her_own_counterparty_in_a_leg(pit: Pit, mode: int) -> None:
    own = pit.enter(2, LOW, "sell", 5, 1_190)
    low, mid = offer_spread(pit, 1_200, 560)
    combo = pit.enter(2, pit.spread, "buy", 5, 640, terms=c.Terms(self_trade=mode))
    expected = {own: CancelReason.SELF_TRADE} if mode != c.CANCEL_TAKER else {}
    expected |= {combo: CancelReason.SELF_TRADE} if mode != c.CANCEL_MAKER else {}
    assert pit.gone() == expected
    assert pit.fills() == ([(low, 5, 1_200), (mid, 5, 560)] if mode == c.CANCEL_MAKER else [])


def test_a_reduce_only_order_of_a_leg_fills_what_it_can_reduce(pit: Pit) -> None:
    pit.enter(3, LOW, "buy", 2, 1_200)
    pit.enter(1, LOW, "sell", 2, 1_200)
    reducing = pit.enter(3, LOW, "sell", 5, 1_190, reduce_only=True)
    low, mid = offer_spread(pit, 1_200, 560)
    pit.enter(2, pit.spread, "buy", 4, 640)
    assert pit.fills() == [(reducing, 2, 1_190), (mid, 2, 560), (low, 2, 1_200), (mid, 2, 560)]
    assert pit.gone() == {reducing: CancelReason.REDUCE_ONLY}


def test_quotes_that_trip_each_other_do_not_fill_together(pit: Pit) -> None:
    pit.must(c.SetProtection(3, "front", Protection(10**9, 10**9, 4 * LOT, 0, 0, 0)))
    mandate = c.QuoteMandate(3, 10**6, 2**32 - 1, 10**10, 0, 0, 0, 0, (3).to_bytes(20, "big"), b"s" * 65)
    leaves = (
        c.QuoteLeaf(LOW, False, 9 * LOT, 1_190 * USDC, 0, 0),
        c.QuoteLeaf(MID, True, 9 * LOT, 562 * USDC, 0, 0),
    )
    pit.must(c.MassQuote(mandate, leaves, "front"))
    low, mid = offer_spread(pit, 1_200, 560)
    pit.enter(2, pit.spread, "buy", 9, 640)
    quoted = [event for event in pit.log[-1].events if type(event) is e.Traded]
    # One lot at a time the group fills two on either side less one, then the next would trip it between the legs.
    window = sum(event.qty for event in quoted if event.maker_order not in (low, mid))
    assert window <= 4 * LOT
    assert pit.held(2) == {LOW: 9, MID: -9}
    assert type(next(event for event in pit.log[-1].events if type(event) is e.ProtectionTriggered))


# -- margin -----------------------------------------------------------------------------------------------------------


def test_legs_are_margined_as_one(pit: Pit) -> None:
    """Sold alone, the upper leg would need far more than the spread does."""
    pit.fund(5, 700)
    offer_spread(pit, 1_200, 560, 100)
    assert pit.refuse(5, MID, "sell", 60, 560) is Reject.ACCOUNT_MUST_HAVE_MARGIN
    assert pit.refuse(5, pit.spread, "buy", 60, 640) is Reject.ACCOUNT_MUST_HAVE_MARGIN  # at rest it reserves as alone
    pit.fund(5, 6_000)
    pit.enter(5, pit.spread, "buy", 60, 640, tif=c.IOC)
    assert pit.held(5) == {LOW: 60, MID: -60}
    state, account = pit.state, pit.state.accounts[5]
    assert risk.requirement_of(state, risk.view_now(state), account.positions, risk.Kind.INITIAL) < 1_000 * USDC


def test_open_orders_reserve_until_they_only_close(pit: Pit) -> None:
    account = pit.state.accounts[2]
    resting = pit.enter(2, pit.spread, "sell", 10, 700)
    assert account.reserved > 0
    pit.must(c.Cancel(2, resting))
    assert account.reserved == 0
    offer_spread(pit, 1_200, 560)
    pit.enter(2, pit.spread, "buy", 10, 640)
    pit.enter(2, pit.spread, "sell", 10, 700)
    assert account.reserved == 0
    pit.enter(2, pit.spread, "sell", 1, 700)
    opening = account.reserved
    assert opening > 0
    restored = decode(encode(pit.state)).accounts[2]
    risk.refresh(decode(encode(pit.state)), restored)
    state = decode(encode(pit.state))
    risk.refresh(state, state.accounts[2])
    assert state.accounts[2].reserved == opening


def test_a_maker_who_cannot_bear_a_leg_is_out_of_the_way(pit: Pit) -> None:
    pit.fund(5, 1_500)
    poor = pit.enter(5, LOW, "sell", 12, 1_195)
    pit.observe(c.ObserveWithdrawalRequest, 5, 1_400 * USDC)
    low, mid = offer_spread(pit, 1_200, 560)
    pit.enter(2, pit.spread, "buy", 5, 640)
    assert pit.gone() == {poor: CancelReason.MARGIN}
    assert pit.fills() == [(low, 5, 1_200), (mid, 5, 560)]


# -- when nothing may trade -------------------------------------------------------------------------------------------


def test_while_a_leg_is_auctioned_the_combo_takes_no_orders_and_is_not_reached(pit: Pit) -> None:
    resting = pit.enter(2, pit.spread, "buy", 5, 640)
    pit.must(c.SetPhase(c.SERIES, MID, c.AUCTION, pit.now_s + 60, 0, "test", "test"))
    assert pit.refuse(1, pit.spread, "sell", 5, 640) is Reject.SERIES_MUST_TAKE_ORDERS
    offer_spread(pit, 1_200, 560)
    assert pit.fills() == []
    pit.must(c.Cancel(2, resting))
    resting = pit.state.seq
    pit.must(c.SetPhase(c.SERIES, MID, c.CONTINUOUS, 0, 0, "test", "test"))


def test_when_a_leg_trades_again_so_does_the_combo(pit: Pit) -> None:
    resting = pit.enter(2, pit.spread, "buy", 5, 640)
    pit.must(c.SetPhase(c.EXPIRY, 1, c.HALTED, 0, 0, "test", "test"))
    pit.must(c.SetPhase(c.EXPIRY, 1, c.AUCTION, pit.now_s, 0, "test", "test"))
    offer_spread(pit, 1_200, 560)
    pit.must(c.Tick())
    pit.must(c.Tick())
    assert resting not in pit.state.orders
    assert pit.held(2) == {LOW: 5, MID: -5}


def test_with_a_leg_the_combo_ends(pit: Pit) -> None:
    far = pit.list_expiry(T0 + 336 * HALF_HOUR) << 16
    pit.wait(1)
    pit.round(62_000)
    calendar = pit.list_combo((LOW, 1), (far, -1))
    spread, time = pit.enter(2, pit.spread, "buy", 1, 1), pit.enter(2, calendar, "buy", 1, -9_000)
    while pit.now_s < T0 + 36 * HALF_HOUR:
        pit.wait(HALF_HOUR - pit.now_s % HALF_HOUR)
        pit.round(62_000)
    assert pit.gone() == {spread: CancelReason.SERIES_EXPIRED, time: CancelReason.SERIES_EXPIRED}
    assert all(combo.is_over for combo in pit.state.combos.values())
    assert pit.state.on_leg == {}
    assert pit.refuse(2, calendar, "buy", 1, 1) is Reject.SERIES_MUST_BE_TRADING


def test_legs_that_end_together_end_a_combo_once(pit: Pit) -> None:
    other = pit.list_expiry(T0 + 36 * HALF_HOUR) << 16
    pit.wait(1)
    pit.round(62_000)
    resting = pit.enter(2, pit.list_combo((LOW, 1), (other, -1)), "buy", 1, -9_000)
    while pit.now_s < T0 + 36 * HALF_HOUR:
        pit.wait(HALF_HOUR - pit.now_s % HALF_HOUR)
        pit.round(62_000)
    assert pit.gone() == {resting: CancelReason.SERIES_EXPIRED}


def test_a_full_record_leaves_the_rest_to_the_next(pit: Pit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(implied, "FOLLOWED_MAX", 3)
    waiting = [pit.enter(2, pit.spread, "buy", 1, 640) for _ in range(3)]
    offer_spread(pit, 1_200, 560)
    assert pit.log[-1].events[-1] == e.Deferred()
    assert pit.state.deferred
    assert implied.ready(pit.state, pit.time_ns)
    assert decode(encode(pit.state)).deferred
    while pit.state.deferred:
        pit.must(c.Proceed())
    assert not any(order in pit.state.orders for order in waiting)


def test_what_settlement_has_no_room_for_waits(pit: Pit) -> None:
    resting = pit.enter(2, pit.spread, "buy", 1, 640)
    pit.must(c.ObserveBlock(1, pit.now_s, bytes(32)))
    pit.wait(1_000)
    assert pit.state.config is not None
    offer_spread(pit, 1_200, 560)
    assert pit.state.deferred
    assert not implied.ready(pit.state, pit.time_ns)
    assert pit.refuse(1, pit.spread, "buy", 1, 640) is Reject.CHAIN_MUST_BE_IN_SIGHT
    pit.must(c.ObserveBlock(2, pit.now_s, bytes(32)))
    assert resting not in pit.state.orders


def test_a_combo_on_its_way_out_is_not_traded(pit: Pit) -> None:
    resting = pit.enter(2, pit.spread, "buy", 1, 640)
    pit.must(c.SetTimer(2, 1))
    pit.wait(1)
    offer_spread(pit, 1_200, 560)
    assert pit.gone() == {resting: CancelReason.DEAD_MAN}


def test_keys_with_limits_sign_no_combos(pit: Pit) -> None:
    key = b"k" * 20
    pit.observe(c.ObserveKey, 2, key, c.SCOPE_TRADE, pit.now_s + 1_000, 0, 10**12, 0)
    assert pit.refuse(2, pit.spread, "buy", 1, 1, signer=key) is Reject.KEY_MUST_ALLOW_COMBOS
    pit.wait(2_000)
    other = b"l" * 20
    pit.round(62_000)
    pit.observe(c.ObserveKey, 2, other, c.SCOPE_TRADE, pit.now_s + 1_000, 1, 0, 0)
    pit.enter(2, pit.spread, "buy", 1, 1, signer=other)


def test_bands_of_legs_add_up(pit: Pit) -> None:
    cent = 10**16
    pit.must(c.SetBands(BTC, cent, 0, 0, "test"))
    assert pit.refuse(2, pit.spread, "buy", 1, 5_000) is Reject.PRICE_MUST_BE_IN_BAND
    edge = pit.log[-1].events[-1].limit
    assert 640 * USDC < edge < 5_000 * USDC
    pit.must(c.Place(pit.auth(2, pit.spread, True, LOT, edge)))
    assert pit.refuse(2, pit.spread, "sell", 1, -5_000) is Reject.PRICE_MUST_BE_IN_BAND


def test_fees_are_within_what_was_signed(pit: Pit) -> None:
    assert pit.refuse(2, pit.spread, "buy", 1, 640, max_fee=20 * USDC) is Reject.MAX_FEE_MUST_COVER_FEE
    low, mid = offer_spread(pit, 1_200, 560)
    pit.enter(2, pit.spread, "buy", 10, 640, max_fee=40 * USDC)
    taken = [event.taker_fee for event in pit.log[-1].events if type(event) is e.Traded]
    assert taken == [2_480_000, 1_240_000]  # the dearer leg in full, the other one half
    assert [order for order in (low, mid) if order in pit.state.orders] == []


def test_a_group_is_never_parted_by_a_batch() -> None:
    pit = Pit()
    state = pit.state
    assert state.config is not None
    state.config = msgspec.structs.replace(state.config, batch_trades_max=3)
    pit.enter(1, LOW, "sell", 1, 1_190)
    pit.enter(2, LOW, "buy", 1, 1_190)
    offer_spread(pit, 1_200, 560, 2)
    offer_spread(pit, 1_205, 560, 2)
    pit.enter(2, pit.spread, "buy", 4, 700)
    pit.must(c.SealBatch())
    spans = [(batch.first_trade, batch.last_trade) for batch in state.batches.values()]
    assert spans == [(1, 3), (4, 5)]
