"""Pools in the machine: terms that fit, quotes that leave with their round and keep to their width, and breakers."""

import msgspec
import pytest
from core_pools import LIFE, TERMS, ask, bid, breaker, edges, message, of, pool_venue, set_pool
from core_quotes import CALL, GROUP, HIGH, MAKER, TAKER, hit, protect, quote, quoted, quotes
from core_venue import CENT, ETH, T0, USDC, WAD, series_named, standard_venue

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import invariants, oamm_breakers, pools, pricing
from exchange.core.events import CancelReason, PoolCause, Reject
from exchange.core.images import decode, encode
from exchange.core.invariants import InvariantBroken
from exchange.core.oamm_breakers import SPOT_ROUNDS, VOL_WAIT_S
from exchange.core.units import U63_MAX

R = Reject
RISING = range(62_000, 80_000, 250)
NEAR = series_named("62000C.2")


def test_quotes_of_a_pool_leave_with_their_round_and_nobody_elses_do():
    venue = pool_venue()
    protect(venue, TAKER)
    theirs = quoted(venue, bid(HIGH, 1, 10), account=TAKER)
    events = venue.must(message(venue, bid(CALL, 10, 600), ask(CALL, 10, 900)))
    mine = [event.order_id for event in of(events, e.Quoted)]
    venue.check()
    venue.wait(5)
    events = venue.round(62_000)
    gone = of(events, e.Cancelled)
    assert sorted(event.order_id for event in gone) == mine
    assert {event.reason for event in gone} == {CancelReason.POOL_ROUND}
    assert list(venue.state.orders) == theirs
    assert events.index(gone[0]) > events.index(of(events, e.RoundAdopted)[0])
    venue.check()
    venue.check_history()


def test_a_pool_signs_for_the_round_in_force():
    venue = pool_venue()
    late = message(venue, bid(CALL, 1, 600), expiry_s=T0 + LIFE + 1)
    assert venue.do(late)[-1] == e.Rejected(R.POOL_QUOTES_MUST_NAME_THEIR_ROUND, T0 + LIFE + 1, T0 + LIFE)
    stale = message(venue, bid(CALL, 1, 600))
    venue.wait(5)
    venue.round(62_000)
    assert venue.rejected(stale) is R.POOL_QUOTES_MUST_NAME_THEIR_ROUND
    assert quote(venue, bid(CALL, 1, 600), expiry_s=T0 + 5 + LIFE)[0] == e.MassQuoted(venue.state.seq)


def test_a_pool_keeps_to_its_width():
    venue = pool_venue()
    least, most = edges(venue, CALL)
    mark = venue.state.view.marks[CALL]
    assert least < mark < most
    tick = 5 * USDC
    cheap = msgspec.structs.replace(ask(CALL, 1, 1), price=least - least % tick)
    dear = msgspec.structs.replace(bid(CALL, 1, 1), price=most - most % tick + tick)
    for leaf, edge in ((cheap, least), (dear, most)):
        refused = e.Rejected(R.POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH, leaf.price, edge)
        assert venue.do(message(venue, leaf))[-1] == refused
    kept = (
        msgspec.structs.replace(cheap, price=cheap.price + tick),
        msgspec.structs.replace(dear, series=NEAR, price=1),
    )
    venue.must(message(venue, *kept))
    venue.check()


def test_a_pool_quotes_its_own_underlying():
    venue = pool_venue()
    venue.must(c.ListUnderlying(ETH, "ETH_USDC", 100, USDC, 5 * USDC, 1_000 * USDC))
    other = venue.list_expiry(T0 + 336 * 1_800, underlying=ETH) << 16
    venue.wait(1)
    venue.round(62_000)
    assert venue.rejected(message(venue, bid(other, 1, 1))) is R.POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH
    assert venue.rejected(message(venue, bid(999, 1, 1))) is R.POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH


def test_what_leaves_with_a_round_is_bounded(monkeypatch):
    monkeypatch.setattr(pools, "QUOTES_MAX", 3)
    venue = pool_venue()
    venue.must(message(venue, bid(CALL, 1, 600), ask(CALL, 1, 700)))
    more = (bid(HIGH, 1, 10), ask(HIGH, 1, 900))
    assert venue.do(message(venue, *more, group="back"))[-1] == e.Rejected(R.OPEN_ORDERS_MUST_FIT, 4, 3)
    assert venue.rejected(message(venue, *more)) is R.OPEN_ORDERS_MUST_FIT
    venue.must(message(venue, *more, whole=True))


def test_who_quotes_becomes_a_pool_with_an_empty_book():
    venue = standard_venue(mandates=True)
    venue.fund(MAKER, 1_000_000)
    protect(venue)
    quoted(venue, bid(CALL, 1, 600), ask(CALL, 1, 700))
    events = venue.must(set_pool())
    assert [event.reason for event in of(events, e.Cancelled)] == [CancelReason.POOL_ROUND] * 2
    assert quotes(venue) == []
    venue.check()
    venue.must(message(venue, bid(CALL, 1, 600)))
    assert len(of(venue.must(set_pool(quote_points=1)), e.Cancelled)) == 1
    venue.check()
    venue.check_history()


def test_terms_of_a_pool_fit(monkeypatch):
    venue = pool_venue()
    assert venue.rejected(set_pool(underlying=7)) is R.UNDERLYING_MUST_EXIST
    assert venue.rejected(set_pool(account=77)) is R.ACCOUNT_MUST_EXIST
    assert venue.rejected(set_pool(account=0)) is R.ACCOUNT_MUST_EXIST
    for name in TERMS.__struct_fields__:
        for odd in ((), (0,), (1,) * 17, (10_001,)) if name == "sizes" else (-1, 2**64 - 1):
            assert venue.rejected(set_pool(**{name: odd})) is R.POOL_TERMS_MUST_FIT, name
    venue.must(message(venue, bid(CALL, 1, 600)))
    monkeypatch.setattr(pools, "QUOTES_MAX", 0)
    assert venue.rejected(set_pool()) is R.OPEN_ORDERS_MUST_FIT
    venue.observe(c.ObserveExit, MAKER)
    assert venue.rejected(set_pool()) is R.ACCOUNT_MUST_BE_ACTIVE


def rounds(venue, count: int, every_s: int = 60, spot: int = 62_000, **terms):
    for _ in range(count):
        venue.wait(every_s)
        events = venue.round(spot, **terms)
    return events


def test_a_jump_of_vol_widens_and_shuts_the_doors_for_half_a_day():
    venue = pool_venue()
    rounds(venue, 60)
    assert of(rounds(venue, 1, vol=57 * CENT), e.PoolMoved) == []
    jumped = venue.now_s + 60
    assert breaker(rounds(venue, 1, vol=60 * CENT)) == (PoolCause.VOL_JUMP, True, 3, False)
    venue.must(message(venue, bid(CALL, 1, 600)))
    assert of(rounds(venue, 3, every_s=3_600, vol=60 * CENT), e.PoolMoved) == []
    last = rounds(venue, 1, every_s=jumped + VOL_WAIT_S + 3_601 - venue.now_s, vol=60 * CENT)
    assert breaker(last) == (PoolCause.CALM, True, 1, True)
    venue.check_history()


def test_a_jump_of_spot_silences_a_pool_for_three_rounds():
    venue = pool_venue()
    rounds(venue, 2)
    venue.must(message(venue, bid(CALL, 1, 600)))
    assert breaker(rounds(venue, 1, spot=66_000)) == (PoolCause.SPOT_JUMP, False, 1, True)
    assert quotes(venue) == []
    for _ in range(SPOT_ROUNDS - 1):
        assert venue.do(message(venue, bid(CALL, 1, 600)))[-1] == e.Rejected(R.POOL_MUST_BE_HEARD, MAKER)
        assert of(rounds(venue, 1, spot=66_000), e.PoolMoved) == []
    assert breaker(rounds(venue, 1, spot=66_000)) == (PoolCause.CALM, True, 1, True)
    venue.must(message(venue, bid(CALL, 1, 600)))


def short_calls(venue, lots: int) -> None:
    """The pool sells calls at their mark."""
    price = -(-venue.state.view.marks[NEAR] // (5 * USDC)) * 5
    venue.must(message(venue, ask(NEAR, lots, price)))
    assert len(of(hit(venue, NEAR, True, lots, price), e.Traded)) == 1


def test_a_fall_silences_a_pool_until_somebody_answers_for_going_on():
    venue = pool_venue()
    rounds(venue, 1)
    short_calls(venue, 4_000)
    events = next(told for spot in RISING if of(told := rounds(venue, 1, spot=spot), e.PoolMoved))
    assert breaker(events) == (PoolCause.NAV_FALL, False, 1, False)
    assert of(rounds(venue, 1, spot=venue.state.spots[0].spot // USDC), e.PoolMoved) == []
    assert venue.rejected(message(venue, bid(CALL, 1, 600))) is R.POOL_MUST_BE_HEARD
    resumed = venue.must(c.ResumePool(MAKER, "looked at it", "operator"))
    assert breaker(resumed) == (PoolCause.RESUMED, True, 1, True)
    venue.must(message(venue, bid(CALL, 1, 600)))
    assert venue.rejected(c.ResumePool(MAKER, "again", "operator")) is R.POOL_MUST_BE_SILENT
    assert venue.rejected(c.ResumePool(TAKER, "none", "operator")) is R.POOL_MUST_EXIST
    venue.check_history()


def test_money_that_leaves_is_no_fall_and_money_that_comes_hides_none():
    venue = pool_venue()
    rounds(venue, 2)
    venue.observe(c.ObserveWithdrawalRequest, MAKER, 500_000 * USDC)
    venue.observe(c.ObserveWithdrawal, MAKER, 500_000 * USDC)
    events = rounds(venue, 1)
    assert of(events, e.PoolMoved) == []
    assert of(events, e.PoolObserved)[0].nav == 500_000 * USDC
    short_calls(venue, 2_000)
    for spot in RISING:
        venue.fund(MAKER, 3_000)
        if of(events := rounds(venue, 1, spot=spot), e.PoolMoved):
            break
    assert breaker(events)[0] is PoolCause.NAV_FALL
    assert of(events, e.PoolObserved)[0].nav > 480_000 * USDC
    venue.check_history()


def test_the_vol_at_the_money_is_that_of_the_first_expiry_a_day_ahead():
    venue = pool_venue()
    state = venue.state
    assert pools.atm_vol(state, state.view, 0) == WAD // 2
    state.view.vols[series_named("62000C.2")] = 7
    state.view.vols[series_named("62000C")] = 5
    assert pools.atm_vol(state, state.view, 0) == 7
    for place in range(10):
        del state.view.vols[2 << 16 | place]
    assert pools.atm_vol(state, state.view, 0) == 5
    assert pools.atm_vol(state, state.view, ETH) == 0


def test_what_breakers_remember_is_restored():
    venue = pool_venue()
    rounds(venue, 3)
    restored = decode(encode(venue.state))
    assert restored.pools == venue.state.pools
    assert restored.pools[MAKER].breakers.vols
    assert encode(restored) == encode(venue.state)


# -- would a mistake be noticed? --------------------------------------------------------------------------------------

MISTAKES = {
    "quotes stay when their round is over": (pools, "_withdrawn", lambda _quotes: iter(())),
    "any round will do": (pools, "refuse_quotes", lambda *_given: None),
    "the pool is not looked at": (pricing.pools, "on_round", lambda *_given: iter(())),
    "money that leaves is a fall": (pools, "moved", lambda breakers, _amount: breakers),
    "a fall is never remembered": (pools, "observe", lambda breakers, seen: breakers._replace(spot=seen.spot)),
    "a breaker does not silence": (pools, "told", lambda *_given: oamm_breakers.Standing(True, 1, True)),
}
ATTACKS = (
    test_quotes_of_a_pool_leave_with_their_round_and_nobody_elses_do,
    test_a_pool_signs_for_the_round_in_force,
    test_a_fall_silences_a_pool_until_somebody_answers_for_going_on,
    test_a_jump_of_spot_silences_a_pool_for_three_rounds,
    test_money_that_leaves_is_no_fall_and_money_that_comes_hides_none,
)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_with_pools_is_noticed(name, monkeypatch):
    module, attribute, wrong = MISTAKES[name]
    monkeypatch.setattr(module, attribute, wrong)
    noticed = 0
    for attack in ATTACKS:
        try:
            attack()
        except (AssertionError, IndexError, StopIteration, ValueError):
            noticed += 1
    assert noticed


def test_the_law_of_pools_fires():
    venue = pool_venue()
    venue.must(message(venue, bid(CALL, 1, 600)))
    venue.state.pools[MAKER].rules = set_pool(life_s=LIFE + 1)
    with pytest.raises(InvariantBroken, match="another round"):
        invariants.check_all(venue.state)
    venue.state.pools[MAKER].rules = set_pool(quote_share=0)
    assert quotes(venue, group=GROUP) == [(CALL, True, 600, 1)]
    (order,) = venue.state.orders.values()
    order.price = U63_MAX
    assert "beyond" in str(pools.pools_quote_for_their_round(venue.state))
