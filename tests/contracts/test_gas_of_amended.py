"""What an order costs that replaces another, or that a session key signed, is planned for. # M05"""

import pytest
from contract_venue import LOT, USDC, address

from exchange.calldata import Trade
from exchange.core import budget

ORDERS = 128
TRANSACTION_GAS = 2**24  # EIP-7825


@pytest.mark.parametrize("part", [1, 2])
@pytest.mark.parametrize("cancels", [True, False])
def test_the_estimate_of_amended_orders_is_from_above(market, cancels, part):
    """Each replaces an order that never filled; with cancellations beside them the margin up to a transaction is used."""
    v, m = market.venue, market
    for who in ("maker", "taker"):
        v.send(who, v.clearing, "register_key", getattr(m, who).account, address("key of " + who), 1, v.now + 36_000)
    v.settle(v.cross(m.maker, m.taker, m.call, 1, 700 * USDC))
    orders, trades = [], []
    for n in range(ORDERS // 2):
        for player, side in ((m.maker, 1), (m.taker, -1)):
            nonce, parent = 10**6 + n * 512, 10**9 + n * 512
            if cancels:
                v.send(player.name, v.clearing, "cancel_nonces", player.account, nonce >> 8, 1)
            terms = {"nonce": nonce, "replaces": parent + 1, "terms": b"\7" * 32, "expiry": v.now + 10**5}
            order = v.order(player, m.call, side * LOT // 100, 700 * USDC, **terms)
            orders.append(v.sign(order, by="key of " + player.name))
        trades.append(Trade(len(orders) - 2, len(orders) - 1, LOT // 100 // part, 700 * USDC, 60_000 * USDC))
    v.post(v.round())
    real = v.settle(v.batch(orders, trades)).gas_used
    each = budget.ORDER_GAS + budget.FILLING_GAS + budget.REPLACING_GAS + budget.KEY_GAS
    planned = budget.FIXED_GAS + ORDERS * each + ORDERS // 2 * budget.TRADE_GAS + 10 * budget.SHEET_WORD_GAS
    planned += 2 * (budget.ACCOUNT_GAS + budget.GROUP_GAS + budget.EXPIRY_GAS)
    left = (TRANSACTION_GAS - budget.GAS_MAX) * ORDERS // budget.ORDERS_MAX if cancels else 0
    assert real <= planned + left


def test_an_order_amended_a_hundred_times_writes_its_quantity_once(market):
    """What a chain of orders hands on from one to the next need not be kept: none of them costs more than its share."""
    v, m = market.venue, market
    nonces = [10**6 + n * 512 for n in range(100)]

    def amended(place):
        terms = {"nonce": nonces[place], "replaces": nonces[place - 1] + 1 if place else 0}
        return v.sign(v.order(m.maker, m.call, 4 * LOT, 700 * USDC, **terms))

    def settled(makers):
        taker = v.sign(v.order(m.taker, m.call, -LOT, 700 * USDC))
        v.post(v.round())
        return v.settle(
            v.batch([*makers, taker], [Trade(len(makers) - 1, len(makers), LOT, 700 * USDC, 60_000 * USDC)])
        )

    settled([amended(0)])
    alone = settled([amended(0)]).gas_used
    chain = [amended(place) for place in range(1, len(nonces))]
    more = settled(chain).gas_used - alone
    assert more < (len(chain) - 1) * budget.ORDER_GAS
    assert v.clearing.call("filled", m.maker.account, nonces[-1]) == 3 * LOT
