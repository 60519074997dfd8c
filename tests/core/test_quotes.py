"""Messages of quotes: what stands, what is replaced, what is refused alone, and what takes quotes off the book."""

import pytest
from core_quotes import (
    CALL,
    GROUP,
    HIGH,
    LOT,
    MAKER,
    OTHER,
    PUT,
    TAKER,
    ask,
    bid,
    hit,
    kinds,
    mandate,
    protect,
    queue,
    quote,
    quoted,
    quotes,
    quoting_venue,
    taken_off,
    wide_venue,
)
from core_venue import USDC, standard_venue
from msgspec.structs import replace

from exchange.core import admission, quoting
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason, Reject
from exchange.core.images import decode, encode
from exchange.core.units import U63_MAX

R = Reject


def test_a_hundred_two_sided_quotes_enter_in_one_record():
    venue, series = wide_venue()
    leaves = [leaf for one in series for leaf in (bid(one, 10, 100), ask(one, 10, 9_000))]
    seq = venue.state.seq + 1
    ids = quoted(venue, *leaves)
    assert (len(ids), venue.state.seq) == (200, seq)
    assert len(quotes(venue)) == 200
    assert venue.state.accounts[MAKER].nonce_used(venue.nonces[MAKER])
    venue.check()
    again = [replace(leaf, price=leaf.price + 5 * USDC) for leaf in leaves]
    assert quoted(venue, *again) == ids
    assert len(venue.state.mandates) == 1
    venue.check()
    venue.check_history()


def test_a_message_holds_so_many_leaves_and_a_group_so_many_quotes(monkeypatch):
    venue, series = wide_venue(strikes=65)
    leaves = [leaf for one in series for leaf in (bid(one, 1, 100), ask(one, 1, 9_000))]
    assert quote(venue, *leaves[:257])[-1] == e.Rejected(R.QUOTES_MUST_FIT, 257, 256)
    assert quote(venue)[-1] == e.Rejected(R.QUOTES_MUST_FIT, 0, 256)
    assert len(quoted(venue, *leaves[:256])) == 256
    monkeypatch.setattr(admission, "GROUP_MAX", 257)
    events = quote(venue, *leaves[256:260])
    assert kinds(events) == ["MassQuoted", "Quoted", "QuoteRefused", "QuoteRefused", "QuoteRefused"]
    assert events[2] == e.QuoteRefused(1, R.OPEN_ORDERS_MUST_FIT, 257, 257)


def test_a_message_replaces_what_it_names_and_leaves_the_rest():
    venue = quoting_venue()
    quoted(venue, bid(CALL, 10, 800), ask(CALL, 10, 950), bid(HIGH, 10, 100))
    events = quote(venue, bid(CALL, 5, 805))
    assert kinds(events) == ["MassQuoted", "Cancelled", "Quoted"]
    assert events[1].reason is CancelReason.QUOTE_REPLACED
    assert quotes(venue) == [(CALL, True, 805, 5), (HIGH, True, 100, 10)]
    assert len(venue.state.mandates) == 2
    quote(venue, ask(PUT, 5, 2_000), whole=True)
    assert quotes(venue) == [(PUT, False, 2_000, 5)]
    assert len(venue.state.mandates) == 1
    venue.check()


def test_groups_do_not_replace_each_other():
    venue = quoting_venue()
    protect(venue, group="back")
    quoted(venue, bid(CALL, 10, 800))
    quoted(venue, bid(CALL, 10, 790), group="back", whole=True)
    assert [order.price // USDC for order in queue(venue, CALL, True)] == [800, 790]


@pytest.mark.parametrize(
    ("anew", "keeps"),
    [
        (bid(CALL, 10, 800), True),
        (bid(CALL, 4, 800), True),
        (bid(CALL, 11, 800), False),
        (bid(CALL, 10, 795), False),
        (bid(CALL, 10, 800, delta=1, vega=2), True),
    ],
)
def test_a_quote_that_asks_for_no_more_keeps_its_place(anew, keeps):
    venue = quoting_venue()
    (mine,) = quoted(venue, bid(CALL, 10, 800))
    venue.place(OTHER, CALL, True, 10 * LOT, 800 * USDC)
    first = queue(venue, CALL, True)[0].id
    assert first == mine
    assert quote(venue, anew)[-1] == e.Quoted(0, mine, keeps)
    assert (queue(venue, CALL, True)[0].id == mine) is keeps
    venue.check()
    restored = decode(encode(venue.state))
    assert [o.id for o in restored.books[CALL].bids.orders()] == [o.id for o in queue(venue, CALL, True)]


def test_what_has_filled_counts_when_a_quote_is_to_keep_its_place():
    venue = quoting_venue()
    (mine,) = quoted(venue, bid(CALL, 10, 800))
    hit(venue, CALL, False, 4, 800)
    assert quote(venue, bid(CALL, 7, 800))[-1] == e.Quoted(0, mine, kept=False)
    hit(venue, CALL, False, 4, 800)
    assert quote(venue, bid(CALL, 3, 800))[-1] == e.Quoted(0, mine, kept=True)
    assert quotes(venue) == [(CALL, True, 800, 3)]
    assert len(venue.state.mandates) == 3  # two have fills to settle
    venue.check()


def test_an_expired_quote_does_not_keep_its_place():
    venue = quoting_venue()
    (mine,) = quoted(venue, bid(CALL, 10, 800), expiry_s=venue.now_s + 5)
    venue.wait(6)
    assert quote(venue, bid(CALL, 10, 800))[-1] == e.Quoted(0, mine, kept=False)
    assert taken_off(venue.do(c.Tick()), CancelReason.EXPIRED) == []
    venue.check()


def test_quotes_end_with_their_mandate():
    venue = quoting_venue()
    ids = quoted(venue, bid(CALL, 10, 800), ask(CALL, 10, 950), expiry_s=venue.now_s + 5)
    venue.wait(5)
    assert sorted(taken_off(venue.do(c.Tick()), CancelReason.EXPIRED)) == ids
    assert not venue.state.mandates
    assert not venue.state.accounts[MAKER].standing


def test_one_bad_leaf_is_refused_alone_and_the_quote_it_was_for_leaves():
    venue = quoting_venue()
    quoted(venue, bid(CALL, 10, 800), ask(CALL, 10, 950))
    events = quote(venue, bid(CALL, 10, 810), replace(ask(CALL, 10, 940), price=940 * USDC + 1), ask(HIGH, 10, 400))
    assert kinds(events) == ["MassQuoted", "Cancelled", "Quoted", "QuoteRefused", "Quoted"]
    assert events[3] == e.QuoteRefused(1, R.PRICE_MUST_BE_ON_TICK, 940 * USDC + 1, USDC)
    assert quotes(venue) == [(CALL, True, 810, 10), (HIGH, False, 400, 10)]


LEAVES = {
    R.SERIES_MUST_EXIST: replace(bid(CALL, 10, 800), series=99 << 16),
    R.QTY_MUST_BE_POSITIVE: bid(CALL, 0, 800),
    R.QTY_MUST_BE_ON_LOT: replace(bid(CALL, 10, 800), qty=LOT + 1),
    R.QTY_MUST_FIT: replace(bid(CALL, 10, 800), qty=2**32 // LOT * LOT + LOT),
    R.PRICE_MUST_BE_POSITIVE: bid(CALL, 10, 0),
    R.PRICE_MUST_BE_ON_TICK: replace(bid(CALL, 10, 800), price=800 * USDC + 1),
    R.PRICE_MUST_FIT: replace(bid(CALL, 10, 800), price=(2**63 // (5 * USDC) + 1) * 5 * USDC),
    R.QUOTE_GREEKS_MUST_FIT: bid(CALL, 10, 800, vega=2**54),
    R.QUOTE_MUST_BE_ALONE_ON_ITS_SIDE: bid(PUT, 10, 801),
    R.POST_ONLY_MUST_NOT_CROSS: bid(CALL, 10, 900),
    R.ACCOUNT_MUST_HAVE_MARGIN: bid(CALL, 1_000_000, 890),
}


@pytest.mark.parametrize("reason", LEAVES)
def test_each_rule_of_a_leaf_is_named_and_concerns_no_other(reason):
    venue = quoting_venue()
    venue.place(OTHER, CALL, False, 10 * LOT, 900 * USDC)
    events = quote(venue, bid(PUT, 1, 800), LEAVES[reason], bid(HIGH, 1, 10))
    assert kinds(events) == ["MassQuoted", "Quoted", "QuoteRefused", "Quoted"]
    assert (events[2].leaf, events[2].reason) == (1, reason)
    venue.check()


@pytest.mark.parametrize("leaf", [bid(CALL, 10, 800, delta=-(2**60)), bid(CALL, 10, 800, vega=-1)])
def test_greeks_fit(leaf):
    assert quote(quoting_venue(), leaf)[-1].reason is R.QUOTE_GREEKS_MUST_FIT


def test_a_series_no_round_has_priced_is_not_quoted():
    venue = quoting_venue()
    expiry_id = venue.list_expiry(venue.now_s // 1_800 * 1_800 + 40 * 1_800)
    refused = quote(venue, bid(expiry_id << 16, 1, 800), bid(CALL, 1, 800))[1]
    assert (refused.leaf, refused.reason) == (0, R.ORACLE_MUST_BE_FRESH)


def test_a_maker_who_pays_fees_signs_for_them():
    venue = standard_venue(mandates=True, fees=c.FeeSchedule(4 * 10**14, 10**14, 125 * 10**15))
    venue.fund(MAKER, 1_000_000)
    protect(venue)
    assert quote(venue, bid(CALL, 10, 800), max_fee=0)[-1].reason is R.MAX_FEE_MUST_COVER_FEE
    quoted(venue, bid(CALL, 10, 800), max_fee=10 * USDC)


def test_quotes_move_through_where_they_stood():
    """The old quotes are out of the way before the new ones are looked at, whichever comes first in the message."""
    venue = quoting_venue()
    ids = quoted(venue, bid(CALL, 10, 800), ask(CALL, 10, 900))
    assert quoted(venue, bid(CALL, 10, 1_000), ask(CALL, 10, 1_100)) == ids
    assert quoted(venue, ask(CALL, 10, 700), bid(CALL, 10, 600)) == ids[::-1]
    venue.check()


def test_leaves_of_a_message_do_not_cross_each_other_nor_other_orders_of_the_maker():
    venue = quoting_venue()
    assert quote(venue, bid(CALL, 10, 900), ask(CALL, 10, 900))[-1] == e.QuoteRefused(
        1, R.POST_ONLY_MUST_NOT_CROSS, 900 * USDC, 900 * USDC
    )
    venue.place(MAKER, HIGH, False, 10 * LOT, 400 * USDC)
    assert quote(venue, bid(HIGH, 10, 400))[-1].reason is R.POST_ONLY_MUST_NOT_CROSS


def test_margin_is_counted_over_the_message_and_as_if_the_old_quotes_were_gone():
    venue = quoting_venue()
    venue.fund(4, 1_000)
    protect(venue, 4)
    assert quote(venue, bid(CALL, 100, 800), bid(HIGH, 100, 100), account=4)[-1].reason is R.ACCOUNT_MUST_HAVE_MARGIN
    quoted(venue, bid(CALL, 100, 805), account=4)
    quoted(venue, bid(CALL, 100, 810), account=4)
    venue.check()


# -- who may --------------------------------------------------------------------------------------------------------------


def test_where_contracts_know_no_mandates_nobody_quotes():
    venue = standard_venue()
    venue.fund(MAKER, 1_000_000)
    protect(venue)
    assert quote(venue, bid(CALL, 1, 800))[-1].reason is R.MANDATES_MUST_BE_SUPPORTED


def test_a_key_quotes_with_the_scope_for_it_and_what_it_quoted_ends_with_it():
    venue = quoting_venue()
    key = b"k" * 20
    venue.observe(c.ObserveKey, MAKER, key, c.SCOPE_TRADE, venue.now_s + 100)
    assert quote(venue, bid(CALL, 1, 800), signer=key)[-1].reason is R.SIGNER_MUST_BE_AUTHORISED
    venue.observe(c.ObserveKey, MAKER, key, c.SCOPE_QUOTE, venue.now_s + 100)
    ids = quoted(venue, bid(CALL, 1, 800), ask(CALL, 1, 900), signer=key)
    assert {venue.state.orders[order_id].expiry_s for order_id in ids} == {venue.now_s + 100}
    order = venue.auth(MAKER, CALL, True, LOT, 790 * USDC, signer=key)
    assert venue.rejected(c.Place(order)) is R.SIGNER_MUST_BE_AUTHORISED
    assert taken_off(venue.observe(c.ObserveRevocation, MAKER, key), CancelReason.KEY_REVOKED) == ids


def test_a_nonce_cancelled_on_chain_takes_all_quotes_of_its_mandate_off():
    venue = quoting_venue()
    ids = quoted(venue, bid(CALL, 1, 800), ask(CALL, 1, 900), nonce=5)
    quoted(venue, bid(HIGH, 1, 100), nonce=6)
    assert quote(venue, bid(CALL, 1, 800), nonce=6)[-1].reason is R.NONCE_MUST_BE_FRESH
    events = venue.observe(c.ObserveCancellation, MAKER, 0, (1 << 5).to_bytes(32, "big"))
    assert taken_off(events, CancelReason.ON_CHAIN) == ids
    assert quotes(venue) == [(HIGH, True, 100, 1)]


# -- single quotes, and groups --------------------------------------------------------------------------------------------


def test_a_quote_is_cancelled_like_an_order_but_not_amended():
    venue = quoting_venue()
    first, second = quoted(venue, bid(CALL, 10, 800), ask(CALL, 10, 900))
    amended = venue.auth(MAKER, CALL, True, 5 * LOT, 800 * USDC, replaces=venue.nonces[MAKER] + 1)
    assert venue.rejected(c.Amend(first, amended)) is R.QUOTE_MUST_BE_QUOTED_ANEW
    assert taken_off(venue.must(c.Cancel(MAKER, first)), CancelReason.BY_OWNER) == [first]
    assert taken_off(venue.must(c.CancelAll(MAKER)), CancelReason.BY_OWNER) == [second]
    assert not venue.state.mandates
    venue.check()


@pytest.mark.parametrize(
    ("wanted", "gone"),
    [
        ({}, [0, 1, 2, 3]),
        ({"group": GROUP}, [0, 1, 2]),
        ({"group": "back"}, [3]),
        ({"series": CALL}, [0, 1, 3]),
        ({"group": GROUP, "series": CALL}, [0, 1]),
        ({"underlying": 0}, [0, 1, 2, 3]),
        ({"underlying": 1}, []),
        ({"delta_min": -4_000}, [0, 1, 3]),
        ({"delta_max": -4_000}, [2]),
        ({"delta_min": -6_000, "delta_max": -4_000}, [2]),
        ({"label": "two"}, [3]),
    ],
)
def test_quotes_are_cancelled_by_group_series_underlying_delta_and_label(wanted, gone):
    venue = quoting_venue()
    protect(venue, group="back")
    ids = quoted(venue, bid(CALL, 1, 800), ask(CALL, 1, 900), bid(PUT, 1, 800, delta=-5_000), label="one")
    ids += quoted(venue, bid(CALL, 1, 700), group="back", label="two")
    resting = venue.place(MAKER, HIGH, True, LOT, 10 * USDC)[-1].order_id
    events = venue.must(c.CancelQuotes(MAKER, **wanted))
    assert sorted(taken_off(events, CancelReason.BY_OWNER)) == sorted(ids[place] for place in gone)
    assert resting in venue.state.orders
    venue.check()


def test_quotes_of_groups_and_accounts_that_do_not_exist():
    venue = quoting_venue()
    odd = c.Protection(0, 0, 0, 0, 0, 0)
    for command, reason in (
        (c.CancelQuotes(99), R.ACCOUNT_MUST_EXIST),
        (c.CancelQuotes(MAKER, "none"), R.QUOTE_GROUP_MUST_EXIST),
        (c.FreezeQuotes(99, GROUP, True), R.ACCOUNT_MUST_EXIST),
        (c.FreezeQuotes(MAKER, "none", True), R.QUOTE_GROUP_MUST_EXIST),
        (c.SetProtection(99, GROUP, odd), R.ACCOUNT_MUST_EXIST),
        (c.SetProtection(0, GROUP, odd), R.ACCOUNT_MUST_EXIST),
        (c.SetProtection(MAKER, "", odd), R.PROTECTION_MUST_FIT),
        (c.SetProtection(MAKER, "n" * 65, odd), R.PROTECTION_MUST_FIT),
        (c.SetProtection(MAKER, GROUP, replace(odd, qty=-1)), R.PROTECTION_MUST_FIT),
        (c.SetProtection(MAKER, GROUP, replace(odd, vega=U63_MAX)), R.PROTECTION_MUST_FIT),
        (c.SetProtection(MAKER, GROUP, replace(odd, interval_ns=U63_MAX)), R.PROTECTION_MUST_FIT),
        (c.SetProtection(MAKER, GROUP, replace(odd, frozen_ns=-1)), R.PROTECTION_MUST_FIT),
    ):
        assert venue.rejected(command) is reason, command


def test_an_account_has_so_many_groups(monkeypatch):
    venue = quoting_venue()
    monkeypatch.setattr(quoting, "GROUPS_MAX", 2)
    protect(venue, group="back")
    odd = c.Protection(0, 0, 0, 0, 0, 0)
    assert venue.rejected(c.SetProtection(MAKER, "third", odd)) is R.PROTECTION_MUST_FIT
    venue.must(c.SetProtection(MAKER, "back", odd))


def test_quotes_stand_under_so_many_mandates(monkeypatch):
    venue = quoting_venue()
    monkeypatch.setattr(quoting, "MANDATES_MAX", 2)
    quoted(venue, bid(CALL, 1, 800))
    quoted(venue, bid(PUT, 1, 800))
    assert quote(venue, bid(HIGH, 1, 100))[-1] == e.Rejected(R.OPEN_ORDERS_MUST_FIT, 2, 2)
    quoted(venue, bid(HIGH, 1, 100), bid(CALL, 1, 800))
    quoted(venue, bid(HIGH, 1, 100), whole=True)


# -- the order of refusals ------------------------------------------------------------------------------------------------

BROKEN = {
    R.TRADING_MUST_BE_OPEN: lambda venue: venue.must(c.SetTrading(False, "test")),
    R.ACCOUNT_MUST_EXIST: {"account": 99},
    R.ACCOUNT_MUST_BE_ACTIVE: lambda venue: venue.observe(c.ObserveExit, MAKER),
    R.SIGNER_MUST_BE_AUTHORISED: {"signer": b"x" * 20},
    R.QUOTE_GROUP_MUST_EXIST: {"group": "none"},
    R.QUOTES_MUST_NOT_BE_FROZEN: lambda venue: venue.must(c.FreezeQuotes(MAKER, GROUP, True)),
    R.QUOTES_MUST_FIT: {"leaves": 0},
    R.QUOTE_BUDGET_MUST_FIT: {"qty": -1},
    R.PRICE_MUST_FIT: {"max_fee": -1},
    R.ORDER_MUST_NOT_BE_EXPIRED: {"expiry_s": 0},
    R.NONCE_MUST_BE_FRESH: {"nonce": -1},
    R.ORACLE_MUST_BE_FRESH: lambda venue: venue.wait(1_801),
    R.OPEN_ORDERS_MUST_FIT: {},
    R.ACCOUNT_MUST_HAVE_MARGIN: {"qty": 2**46},
}
NEVER = [
    (R.ACCOUNT_MUST_EXIST, R.ACCOUNT_MUST_BE_ACTIVE),
    (R.QUOTE_GROUP_MUST_EXIST, R.QUOTES_MUST_NOT_BE_FROZEN),
    (R.QUOTE_BUDGET_MUST_FIT, R.ACCOUNT_MUST_HAVE_MARGIN),
    (R.QUOTES_MUST_FIT, R.ACCOUNT_MUST_HAVE_MARGIN),
]


@pytest.mark.parametrize("second", BROKEN)
@pytest.mark.parametrize("first", BROKEN)
def test_of_two_rules_a_message_breaks_the_one_declared_first_is_named(first, second, monkeypatch):
    if list(Reject).index(first) > list(Reject).index(second) or (first, second) in NEVER:
        return
    venue = quoting_venue(covered=True)
    fields = {"qty": 1_000, "leaves": 1, "group": GROUP, "account": MAKER}
    for reason in sorted((first, second), key=list(Reject).index, reverse=True):
        if reason is R.OPEN_ORDERS_MUST_FIT:
            monkeypatch.setattr(quoting, "MANDATES_MAX", 0)
        breaks = BROKEN[reason]
        fields |= breaks if isinstance(breaks, dict) else {}
        if not isinstance(breaks, dict):
            breaks(venue)
    leaves, account, group = fields.pop("leaves"), fields.pop("account"), fields.pop("group")
    signed = replace(mandate(venue, MAKER, **fields), account=account)
    assert venue.rejected(c.MassQuote(signed, (bid(CALL, 1, 800),) * leaves, group)) is first


def test_takers_meet_quotes_like_orders():
    venue = quoting_venue()
    first, _ = quoted(venue, bid(CALL, 10, 800), ask(CALL, 10, 900))
    events = hit(venue, CALL, False, 15, 700)
    assert [(t.maker_order, t.qty) for t in events if type(t) is e.Traded] == [(first, 10 * LOT)]
    assert venue.state.accounts[MAKER].positions == {CALL: 10 * LOT}
    assert quotes(venue) == [(CALL, False, 900, 10)]
    assert kinds(venue.place(TAKER, CALL, True, LOT, 900 * USDC)) == ["Accepted", "Traded"]
    venue.check()
    venue.check_history()
