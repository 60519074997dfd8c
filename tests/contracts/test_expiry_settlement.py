"""Expiries are fixed by anyone, settled by anyone after the window, and conserve cash to the unit."""

from __future__ import annotations

import pytest
from contract_venue import LOT, OPERATOR_TIMEOUT, USDC, WINDOW, Trade

from exchange.reverts import Revert

PRICE = 700 * USDC
INDEX = 60_000 * USDC


def test_an_expiry_is_fixed_once_when_it_is_known(market):
    venue, expiry_id = market.venue, market.expiry_id
    expiry = venue.expiries[expiry_id]
    fix = ("fix_expiry", expiry_id)
    assert venue.refusal("keeper", venue.clearing, "fix_expiry", 9) == Revert.EXPIRY_UNKNOWN
    assert venue.refusal("keeper", venue.clearing, *fix) == Revert.EXPIRY_EARLY
    venue.chain.set_time(expiry)
    assert venue.refusal("keeper", venue.clearing, *fix) == Revert.FIXING_UNKNOWN
    settle = ("settle_expiry", expiry_id, [1])
    assert venue.refusal("keeper", venue.clearing, *settle) == Revert.EXPIRY_UNFIXED
    with venue.aside():
        venue.fix_at(expiry_id, 61_234_567_891)
        assert venue.clearing.call("expiry_state", expiry_id)[3:] == (True, 61_234_567_891)
        assert venue.refusal("keeper", venue.clearing, *fix) == Revert.EXPIRY_FIXED


def test_fills_have_the_window_before_settlement(market):
    venue, expiry_id = market.venue, market.expiry_id
    expiry = venue.expiries[expiry_id]
    venue.fix_at(expiry_id, 66_000 * USDC)
    venue.settle(venue.batch([], []))
    settle = ("settle_expiry", expiry_id, [1])
    venue.chain.set_time(expiry + WINDOW - 1)
    assert venue.refusal("keeper", venue.clearing, *settle) == Revert.EXPIRY_EARLY
    venue.send("keeper", venue.clearing, *settle)


def test_settlement_comes_at_once_when_the_operator_is_gone(market):
    venue, expiry_id = market.venue, market.expiry_id
    assert venue.expiries[expiry_id] - venue.now > OPERATOR_TIMEOUT
    venue.fix_at(expiry_id, 66_000 * USDC)
    assert venue.now < venue.expiries[expiry_id] + WINDOW
    venue.send("keeper", venue.clearing, "settle_expiry", expiry_id, [1])


def test_every_holder_gets_the_intrinsic_value(market):
    venue, maker, taker = market.venue, market.maker, market.taker
    venue.settle(venue.cross(maker, taker, market.call, LOT, PRICE))
    venue.settle(venue.cross(taker, maker, market.puts[3], 2 * LOT, PRICE))
    before = {player: venue.cash(player.account) for player in (maker, taker)}
    venue.fix_at(market.expiry_id, 66_000 * USDC)
    venue.settle(venue.batch([], []))
    venue.chain.set_time(venue.now + WINDOW + 2)
    accounts = [maker.account, taker.account, market.third.account, 99, maker.account]
    receipt = venue.send("keeper", venue.clearing, "settle_expiry", market.expiry_id, accounts)
    # The 65,000 call pays 1,000; two 70,000 puts pay 4,000 each.
    assert [(args["account"], args["cash_delta"]) for _, args in venue.events(receipt)] == [
        (maker.account, -7_000 * USDC),
        (taker.account, 7_000 * USDC),
    ]
    assert venue.cash(maker.account) == before[maker] - 7_000 * USDC
    assert venue.cash(taker.account) == before[taker] + 7_000 * USDC
    assert venue.positions(maker.account) == venue.positions(taker.account) == {}
    assert venue.clearing.call("expiry_state", market.expiry_id)[2] == 0


@pytest.mark.parametrize("together", [True, False])
def test_dust_goes_to_the_treasury_and_cash_is_conserved(market, together):
    """Odd quantities at an odd price: each account is rounded down, and the units lost are the treasury's."""
    venue, players = market.venue, (market.maker, market.taker, market.third)
    quantities = (3, 5, -8)
    orders, trades = [], []
    seller = venue.sign(venue.order(market.third, market.call, -8, PRICE))
    for player, quantity in zip(players[:2], quantities[:2], strict=True):
        orders.append(venue.sign(venue.order(player, market.call, quantity, PRICE)))
        trades.append(Trade(len(orders) - 1, 2, quantity, PRICE, INDEX))
    venue.settle(venue.batch([*orders, seller], trades))
    venue.fix_at(market.expiry_id, 65_000 * USDC + 3_333)
    venue.chain.set_time(venue.now + WINDOW + 2)
    total = sum(cash for cash, _ in venue.ledger().values())
    treasury = venue.cash(0)
    groups = [[p.account for p in players]] if together else [[p.account] for p in players]
    deltas = []
    for group in groups:
        receipt = venue.send("keeper", venue.clearing, "settle_expiry", market.expiry_id, group)
        deltas += [args["cash_delta"] for _, args in venue.events(receipt)]
    # 3 * 3333 and 5 * 3333 and -8 * 3333 ten-thousandths, each rounded down
    assert deltas == [0, 1, -3]
    assert venue.cash(0) == treasury + 2
    assert venue.clearing.call("dust_of", market.expiry_id) == 0
    assert sum(cash for cash, _ in venue.ledger().values()) == total


def test_a_fixed_expiry_is_a_claim_in_the_margin(market):
    venue, maker, taker = market.venue, market.maker, market.taker
    venue.settle(venue.cross(maker, taker, market.call, LOT, PRICE))
    venue.fix_at(market.expiry_id, 66_000 * USDC)
    batch = venue.batch([], [])
    for player, claim in ((maker, 1_000 * USDC), (taker, -1_000 * USDC)):
        for initial in (True, False):
            for sheets in (batch.sheets, b""):
                args = (player.account, initial, batch.header.round_id, batch.hashes, sheets)
                assert venue.clearing.call("margin_of", *args) == venue.cash(player.account) + claim


def test_a_batch_between_fixing_and_the_end_of_the_window_settles(market):
    """Fills of the last second arrive after the fixing; the series counts as a claim at once."""
    venue, expiry_id = market.venue, market.expiry_id
    orders_expiry = venue.expiries[expiry_id] + 500
    maker = venue.order(market.maker, market.call, LOT, PRICE, expiry=orders_expiry)
    taker = venue.order(market.taker, market.call, -LOT, PRICE, expiry=orders_expiry)
    venue.fix_at(expiry_id, 66_000 * USDC)
    batch = venue.batch([venue.sign(maker), venue.sign(taker)], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert batch.sheets == b""
    venue.settle(batch)
    assert venue.positions(market.maker.account) == {market.call: LOT}
