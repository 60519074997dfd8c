"""What a good batch does: cash, fees, positions, fill lanes, anchors, and nothing else."""

from __future__ import annotations

import msgspec
import pytest
from contract_venue import LOT, USDC, WINDOW, address, book_state, spoiled

from exchange import calldata, signing
from exchange.calldata import OVER, SignedOrder, Trade
from exchange.reverts import Revert

PRICE = 700 * USDC
INDEX = 60_000 * USDC


def test_a_fill_moves_premium_fees_and_positions(market):
    venue, maker, taker = market.venue, market.maker, market.taker
    venue.settle(venue.cross(maker, taker, market.call, LOT, PRICE))
    # Taker 0.04 percent of the index, 24 USDC, under the cap of 12.5 percent of 700; rebate 0.01 percent, 6 USDC.
    assert venue.ledger() == {
        0: (18 * USDC, {}),
        maker.account: (200_000 * USDC - PRICE + 6 * USDC, {market.call: LOT}),
        taker.account: (200_000 * USDC + PRICE - 24 * USDC, {market.call: -LOT}),
        market.third.account: (200_000 * USDC, {}),
    }


def test_a_batch_announces_itself_and_anchors_the_journal(market):
    venue = market.venue
    batch = venue.cross(market.maker, market.taker, market.call, LOT, PRICE)
    actions = venue.clearing.call("action_count")
    receipt = venue.settle(batch)
    assert venue.events(receipt) == [
        (
            "BatchSettled",
            {
                "batch_id": 1,
                "action_id": actions + 1,
                "trades": 1,
                "journal_size": 1,
                "journal_root": batch.header.journal_root,
            },
        )
    ]
    assert venue.clearing.call("anchors", 1) == batch.header.journal_root
    assert venue.clearing.call("last_batch") == (1, batch.header.round_id, venue.now, 1)


def test_anyone_may_send_what_the_operator_signed(market):
    venue = market.venue
    batch = venue.cross(market.maker, market.taker, market.call, LOT, PRICE)
    venue.send("stranger", venue.clearing, "settle_signed", *venue.settle_args(batch))
    assert venue.positions(market.taker.account) == {market.call: -LOT}


def test_both_spellings_of_a_signature_settle(market):
    venue = market.venue
    batch = venue.cross(market.maker, market.taker, market.call, LOT, PRICE)
    words = [calldata.compact(one.signature) for one in batch.orders]
    short = [
        SignedOrder(one.order, r.to_bytes(32, "big") + vs.to_bytes(32, "big"))
        for one, (r, vs) in zip(batch.orders, words, strict=True)
    ]
    assert venue.settle_args(spoiled(batch, orders=tuple(short))) == venue.settle_args(batch)
    venue.settle(spoiled(batch, orders=tuple(short)))


def test_a_heartbeat_keeps_the_operator_alive_and_changes_nothing_else(market):
    venue = market.venue
    before = venue.ledger()
    venue.settle(venue.batch([], []))
    assert venue.ledger() == before
    last_id, round_id, time, _ = venue.clearing.call("last_batch")
    assert (last_id, round_id, time) == (1, 0, venue.now)


def test_a_heartbeat_needs_no_round(market):
    venue = market.venue
    venue.settle(spoiled(venue.batch([], []), round_id=10**6, hashes=b"", sheets=b""))
    venue.settle(venue.cross(market.maker, market.taker, market.call, LOT, PRICE))


def test_opposite_fills_of_a_batch_net_out(market):
    venue, maker, taker = market.venue, market.maker, market.taker
    orders = [
        venue.sign(venue.order(maker, market.call, LOT, PRICE)),
        venue.sign(venue.order(taker, market.call, -LOT, PRICE)),
        venue.sign(venue.order(taker, market.call, LOT, PRICE)),
        venue.sign(venue.order(maker, market.call, -LOT, PRICE)),
    ]
    trades = [Trade(0, 1, LOT, PRICE, INDEX), Trade(2, 3, LOT, PRICE, INDEX)]
    venue.settle(venue.batch(orders, trades))
    assert venue.positions(maker.account) == venue.positions(taker.account) == {}
    assert venue.clearing.call("expiry_state", market.expiry_id)[2] == 0


def test_all_lanes_of_all_groups(market):
    """Long and short in every lane, closed again: bitmaps and the count of holders follow."""
    venue, maker, taker = market.venue, market.maker, market.taker
    signs = {series: (-1) ** place for place, series in enumerate(market.calls + market.puts)}

    def sweep(direction: int) -> None:
        orders, trades = [], []
        for series, sign in signs.items():
            orders.append(venue.sign(venue.order(maker, series, direction * sign * LOT, PRICE)))
            orders.append(venue.sign(venue.order(taker, series, -direction * sign * LOT, PRICE)))
            trades.append(Trade(len(orders) - 2, len(orders) - 1, LOT, PRICE, INDEX))
        venue.settle(venue.batch(orders, trades))

    sweep(1)
    assert venue.positions(maker.account) == {series: sign * LOT for series, sign in signs.items()}
    assert venue.positions(taker.account) == {series: -sign * LOT for series, sign in signs.items()}
    assert venue.clearing.call("expiry_state", market.expiry_id)[2] == 2
    assert venue.clearing.call("account_state", maker.account)[3] == 1 << market.expiry_id
    sweep(-1)
    assert venue.positions(maker.account) == {}
    assert venue.clearing.call("expiry_state", market.expiry_id)[2] == 0
    assert venue.clearing.call("account_state", maker.account)[3] == 0


def test_a_partly_filled_order_goes_on(market):
    venue = market.venue
    maker = venue.sign(venue.order(market.maker, market.call, 3 * LOT, PRICE, nonce=11))
    for filled in (LOT, 2 * LOT, OVER):
        taker = venue.sign(venue.order(market.taker, market.call, -LOT, PRICE))
        venue.settle(venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)]))
        assert venue.clearing.call("filled", market.maker.account, 11) == filled
    taker = venue.sign(venue.order(market.taker, market.call, -LOT, PRICE))
    batch = venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert venue.settle_refusal(batch) == Revert.ORDER_OVERFILLED


# -- replaced orders -----------------------------------------------------------------------------------------------


def amended(market, nonce: int, replaces: int, quantity: int = 4 * LOT, **terms) -> SignedOrder:
    """An order of the maker that replaces the one with nonce `replaces`, if any."""
    order = market.venue.order(
        market.maker, market.call, quantity, PRICE, nonce=nonce, replaces=replaces + 1 if replaces else 0, **terms
    )
    return market.venue.sign(order)


def fill(market, makers: list[SignedOrder], quantities: list[int]):
    """A batch that fills the listed orders of the maker in turn; 0 lists an order without a trade."""
    orders = list(makers)
    trades = []
    for place, quantity in enumerate(quantities):
        if quantity:
            orders.append(market.venue.sign(market.venue.order(market.taker, market.call, -quantity, PRICE)))
            trades.append(Trade(place, len(orders) - 1, quantity, PRICE, INDEX))
    return market.venue.batch(orders, trades)


def lanes(market, *nonces: int) -> list[int]:
    return [market.venue.clearing.call("filled", market.maker.account, nonce) for nonce in nonces]


def test_a_replacement_takes_over_what_is_filled(market):
    first, second = amended(market, 21, 0), amended(market, 22, 21)
    market.venue.settle(fill(market, [first], [LOT]))
    market.venue.settle(fill(market, [second], [LOT]))
    assert lanes(market, 21, 22) == [OVER, 2 * LOT]
    assert market.venue.settle_refusal(fill(market, [first], [LOT])) == Revert.ORDER_REPLACED
    assert market.venue.settle_refusal(fill(market, [second], [2 * LOT + 1])) == Revert.ORDER_OVERFILLED
    market.venue.settle(fill(market, [second], [2 * LOT]))
    assert lanes(market, 22) == [OVER]


def test_a_replacement_in_the_same_batch_and_in_another_word(market):
    first, second = amended(market, 127, 0), amended(market, 128, 127)
    market.venue.settle(fill(market, [first, second], [LOT, LOT]))
    assert lanes(market, 127, 128) == [OVER, 2 * LOT]


def test_what_is_filled_whole_cannot_be_replaced(market):
    """It is over: what became of it takes two bits, and not the quantity."""
    first, second = amended(market, 21, 0), amended(market, 22, 21, quantity=8 * LOT)
    market.venue.settle(fill(market, [first], [4 * LOT]))
    assert lanes(market, 21) == [OVER]
    assert market.venue.settle_refusal(fill(market, [second], [LOT])) == Revert.ORDER_REPLACED
    assert market.venue.settle_refusal(fill(market, [first, second], [0, LOT])) == Revert.ORDER_OVERFILLED


def test_what_is_filled_of_one_nonce_is_nothing_to_its_neighbours(market):
    """Lanes of eight nonces share a word, and bits of 128 another: at the edges of both, in all states."""
    nonces, unit = (0, 1, 7, 8, 127, 128, 2**64 - 1), LOT // 100
    expected = dict.fromkeys(nonces, 0)
    for place, nonce in enumerate(nonces):
        market.venue.settle(fill(market, [amended(market, nonce, 0, 4 * unit)], [4 * unit if place % 2 else unit]))
        expected[nonce] = OVER if place % 2 else unit
        assert lanes(market, *nonces) == list(expected.values())
    for nonce in nonces[::2]:
        market.venue.settle(fill(market, [amended(market, nonce, 0, 4 * unit)], [3 * unit]))
        expected[nonce] = OVER
        assert lanes(market, *nonces) == list(expected.values())


def test_an_ancestor_without_fills_hands_on(market):
    """21 fills, 22 replaces it and never fills, 23 replaces 22: the batch of 23 must list 22."""
    first, second, third = amended(market, 21, 0), amended(market, 22, 21), amended(market, 23, 22)
    market.venue.settle(fill(market, [first], [LOT]))
    market.venue.settle(fill(market, [second, third], [0, LOT]))
    assert lanes(market, 21, 22, 23) == [OVER, OVER, 2 * LOT]
    assert market.venue.settle_refusal(fill(market, [third], [2 * LOT + 1])) == Revert.ORDER_OVERFILLED


def test_a_settled_ancestor_may_be_listed_again(market):
    first, second = amended(market, 21, 0), amended(market, 22, 21)
    market.venue.settle(fill(market, [first], [LOT]))
    market.venue.settle(fill(market, [first, second], [0, LOT]))
    assert lanes(market, 21, 22) == [OVER, 2 * LOT]


def test_a_chain_without_fills_needs_no_ancestors_and_bears_them(market):
    chain = [amended(market, 21, 0), amended(market, 22, 21), amended(market, 23, 22)]
    with market.venue.aside():
        market.venue.settle(fill(market, chain[2:], [LOT]))
        assert lanes(market, 21, 22, 23) == [0, OVER, LOT]
    market.venue.settle(fill(market, chain, [0, 0, LOT]))
    assert lanes(market, 21, 22, 23) == [0, OVER, LOT]
    market.venue.settle(fill(market, chain[2:], [LOT]))
    assert lanes(market, 23) == [2 * LOT]


def test_what_an_ancestor_took_over_has_to_be_handed_on_in_the_same_batch(market):
    """Else what has filled would be forgotten."""
    chain = [amended(market, 21, 0), amended(market, 22, 21), amended(market, 23, 22), amended(market, 24, 23)]
    market.venue.settle(fill(market, chain[:1], [LOT]))
    other = amended(market, 30, 0)
    assert market.venue.settle_refusal(fill(market, [chain[1], other], [0, LOT])) == Revert.ORDER_REPLACED
    assert market.venue.settle_refusal(fill(market, [*chain[1:3], other], [0, 0, LOT])) == Revert.ORDER_REPLACED
    twice = amended(market, 25, 22)
    assert market.venue.settle_refusal(fill(market, [chain[1], twice, chain[2]], [0, 0, LOT])) == Revert.ORDER_REPLACED
    market.venue.settle(fill(market, chain[1:], [0, 0, LOT]))
    assert lanes(market, 21, 22, 23, 24) == [OVER, OVER, OVER, 2 * LOT]


def test_two_orders_cannot_replace_the_same_one(market):
    first = amended(market, 21, 0)
    market.venue.settle(fill(market, [first], [LOT]))
    market.venue.settle(fill(market, [amended(market, 22, 21)], [LOT]))
    assert market.venue.settle_refusal(fill(market, [amended(market, 23, 21)], [LOT])) == Revert.ORDER_REPLACED


def test_a_replacement_smaller_than_what_is_filled(market):
    market.venue.settle(fill(market, [amended(market, 21, 0)], [2 * LOT]))
    smaller = amended(market, 22, 21, quantity=2 * LOT)
    assert market.venue.settle_refusal(fill(market, [smaller], [1])) == Revert.ORDER_OVERFILLED


def test_an_ancestor_need_not_be_in_force_any_more(market):
    venue = market.venue
    first = amended(market, 21, 0)
    venue.settle(fill(market, [first], [LOT]))
    middle = amended(market, 22, 21, expiry=venue.now + 1)
    venue.send("maker", venue.clearing, "cancel_nonces", market.maker.account, 0, 1 << 22)
    venue.chain.set_time(venue.now + 2 * WINDOW)
    venue.post(venue.round())
    venue.settle(fill(market, [middle, amended(market, 23, 22)], [0, LOT]))
    assert lanes(market, 21, 22, 23) == [OVER, OVER, 2 * LOT]


def test_an_ancestor_must_be_signed_all_the_same(market):
    forged = amended(market, 22, 21)
    forged = SignedOrder(msgspec.structs.replace(forged.order, replaces=0), forged.signature)
    assert market.venue.settle_refusal(fill(market, [forged, amended(market, 23, 22)], [0, LOT])) == (
        Revert.ORDER_SIGNATURE
    )


def test_an_ancestor_needs_no_scope_any_more(market):
    """A key may be registered anew without the right to trade while an order it replaced is still to be shown: that
    order moves nothing. What moves something is refused at once."""
    venue, session = market.venue, address("session")
    register = (venue.clearing, "register_key", market.maker.account, session)
    venue.send("maker", *register, 1, venue.now + 60)
    first, middle, last = amended(market, 21, 0), amended(market, 22, 21), amended(market, 23, 22)
    venue.settle(fill(market, [first], [LOT]))
    by_key = venue.sign(middle.order, by="session")
    with venue.aside():
        venue.settle(fill(market, [by_key], [LOT]))
        venue.chain.set_time(venue.now + 2 * WINDOW)
        venue.post(venue.round())
        venue.send("maker", *register, 2, venue.now + 3_600)
        venue.settle(fill(market, [last], [LOT]))
        assert lanes(market, 21, 22, 23) == [OVER, OVER, 3 * LOT]
    venue.chain.set_time(venue.now + 2 * WINDOW)
    venue.post(venue.round())
    with venue.aside():
        venue.settle(fill(market, [by_key, last], [0, LOT]))
    venue.send("maker", *register, 2, venue.now + 3_600)
    assert venue.settle_refusal(fill(market, [by_key, last], [LOT, LOT])) == Revert.KEY_SCOPE
    venue.settle(fill(market, [by_key, last], [0, LOT]))


def test_a_key_that_never_traded_writes_no_ancestors(market):
    """Or whoever holds it could move what the owner's order has filled out of the reach of its replacement."""
    venue = market.venue
    venue.send("maker", venue.clearing, "register_key", market.maker.account, address("session"), 16, venue.now + 60)
    venue.settle(fill(market, [amended(market, 21, 0)], [LOT]))
    forged = venue.sign(amended(market, 99, 21).order, by="session")
    last = amended(market, 23, 0)
    assert venue.settle_refusal(fill(market, [forged, last], [0, LOT])) == Revert.KEY_SCOPE
    venue.settle(fill(market, [amended(market, 22, 21)], [LOT]))


# -- margin --------------------------------------------------------------------------------------------------------


@pytest.fixture
def distressed(market):
    """The taker is short three calls, and a round has made them too dear for its cash."""
    venue = market.venue
    venue.settle(venue.cross(market.maker, market.taker, market.call, 12 * LOT, PRICE))
    venue.post(venue.round(marks={market.call: 30_000 * USDC}))
    batch = venue.batch([], [])
    args = (market.taker.account, True, batch.header.round_id, batch.hashes, batch.sheets)
    assert venue.clearing.call("margin_of", *args) < 0
    return market


def test_risk_may_shrink_below_the_margin(distressed):
    venue = distressed.venue
    venue.settle(venue.cross(distressed.taker, distressed.maker, distressed.call, LOT, PRICE))
    assert venue.positions(distressed.taker.account) == {distressed.call: -11 * LOT}


def test_risk_may_not_grow_below_the_margin(distressed):
    venue = distressed.venue
    before = book_state(venue)
    batch = venue.cross(distressed.maker, distressed.taker, distressed.call, 1, 4_000 * USDC)
    assert venue.settle_refusal(batch) == Revert.ACCOUNT_MARGIN
    assert book_state(venue) == before


def test_the_look_back_leaves_every_group_as_the_batch_made_it(distressed):
    """Below the margin the contract undoes and redoes the account's fills; the outcome must be the same."""
    venue, maker, taker = distressed.venue, distressed.maker, distressed.taker
    legs = [
        (distressed.call, 2 * LOT),
        (distressed.calls[3], LOT),
        (distressed.puts[0], LOT),
        (distressed.puts[3], LOT),
    ]
    orders, trades = [], []
    for series, quantity in legs:
        orders.append(venue.sign(venue.order(maker, series, -quantity, PRICE)))
        orders.append(venue.sign(venue.order(taker, series, quantity, PRICE)))
        trades.append(Trade(len(orders) - 2, len(orders) - 1, quantity, PRICE, INDEX))
    venue.settle(venue.batch(orders, trades))
    expected = dict(legs) | {distressed.call: -10 * LOT}
    assert venue.positions(taker.account) == expected
    assert venue.clearing.call("expiry_state", distressed.expiry_id)[2] == 2
    assert venue.clearing.call("account_state", taker.account)[3] == 1 << distressed.expiry_id


def test_a_spread_needs_no_more_than_its_largest_loss(market):
    """Bought 65,000 against sold 70,000 calls can lose nothing at expiry; each sold call alone would be refused."""
    venue, maker, taker = market.venue, market.maker, market.taker
    quantity = 12 * LOT
    venue.deposit(maker, 10**6 * USDC)
    venue.settle(venue.cross(taker, maker, market.calls[2], quantity, PRICE))
    naked = venue.cross(maker, market.third, market.calls[3], 3 * quantity, PRICE)
    assert venue.settle_refusal(naked) == Revert.ACCOUNT_MARGIN
    # Withdraw what the spread does not need, then sell the second leg.
    spare = venue.cash(taker.account) - 1_000 * USDC
    venue.send("taker", venue.clearing, "request_withdrawal", taker.account, spare)
    venue.chain.set_time(venue.now + WINDOW)
    round_ = venue.post(venue.round())
    proof = (round_.round_id, calldata.sheet_hashes(round_), calldata.select_sheets(round_, [market.expiry_id]))
    venue.send("keeper", venue.clearing, "finalise_withdrawal", taker.account, *proof)
    venue.settle(venue.cross(maker, taker, market.calls[3], quantity, PRICE // 2))
    assert venue.clearing.call("margin_of", taker.account, True, *proof) == venue.cash(taker.account)
    assert venue.settle_refusal(venue.cross(maker, taker, market.calls[3], LOT, PRICE)) == Revert.ACCOUNT_MARGIN


def test_margin_spans_expiries_and_needs_a_sheet_of_each(market):
    venue = market.venue
    second = venue.list(venue.now // 1800 * 1800 + 16 * 1800, [(60_000 * USDC, True), (60_000 * USDC, False)])
    venue.post(venue.round())
    series = calldata.series_id(second, 0)
    venue.settle(venue.cross(market.maker, market.taker, market.call, LOT, PRICE))
    batch = venue.cross(market.maker, market.taker, series, LOT, PRICE)
    round_ = venue.rounds[max(venue.rounds)]
    for some in ([market.expiry_id], [second], []):
        part = spoiled(batch, sheets=calldata.select_sheets(round_, some))
        assert venue.settle_refusal(part) == Revert.SHEET_MISSING
    venue.settle(batch)
    assert venue.positions(market.taker.account) == {market.call: -LOT, series: -LOT}


def test_the_margin_lens_agrees_with_clearing(market):
    venue = market.venue
    venue.settle(venue.cross(market.maker, market.taker, market.call, LOT, PRICE))
    batch = venue.batch([], [])
    account = market.taker.account
    for initial in (True, False):
        args = (account, initial, batch.header.round_id, batch.hashes, batch.sheets)
        required = venue.margin.call("requirement", venue.clearing.address, *args)
        assert required == venue.cash(account) - venue.clearing.call("margin_of", *args)
        assert required > 0


def test_a_session_key_may_sign_one_side_and_the_owner_the_other(market):
    venue = market.venue
    session = signing.address_of(signing.keccak(b"contract test session"))
    venue.send("taker", venue.clearing, "register_key", market.taker.account, session, 1, venue.now + 3600)
    maker = venue.sign(venue.order(market.maker, market.call, LOT, PRICE))
    taker = venue.sign(venue.order(market.taker, market.call, -LOT, PRICE), by="session")
    venue.settle(venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)]))
    assert venue.positions(market.taker.account) == {market.call: -LOT}
