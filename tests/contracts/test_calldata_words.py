"""Words survive the way to calldata and back, and what has no place there is refused before it leaves."""

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from exchange import calldata, lanes
from exchange.calldata import Round, Sheet, SignedOrder, SpotWord, Trade
from exchange.lanes import EncodingError
from exchange.signing import NO_TERMS_HASH, ComboOrder, Order, compact, sign

u16, u32, u64, u96 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64, 96))
i64 = st.integers(-(2**63), 2**63 - 1)
SIGNATURE = sign(keccak(b"calldata"), b"\1" * 32)
shared = {
    "account": u32,
    "is_buy": st.booleans(),
    "quantity": st.integers(0, calldata.OVER - 1),
    "max_fee": u64,
    "time_in_force": st.integers(0, 255),
    "post_only": st.booleans(),
    "reduce_only": st.booleans(),
    "replaces": u64,
    "nonce": u64,
    "expiry": u64,
}
orders = st.builds(Order, series=st.integers(1, 2**32 - 1), limit_price=u64, **shared)
hashes = st.just(NO_TERMS_HASH) | st.binary(min_size=32, max_size=32)
combos = st.builds(ComboOrder, legs=st.integers(0, 2**256 - 1), limit_price=i64, terms=hashes, **shared)
series_ids = st.builds(lambda expiry, index: expiry << 16 | index, st.integers(1, 2**16 - 1), st.integers(0, 255))
ORDER = Order(account=1, series=1 << 16, is_buy=True, quantity=1, limit_price=1, max_fee=1, nonce=1, expiry=1)


@given(orders)
def test_an_order_survives(order):
    raw = calldata.encode_order(SignedOrder(order, SIGNATURE))
    back = calldata.decode_order(raw)
    assert back.order == order
    assert compact(back.signature) == compact(SIGNATURE)


@given(combos, combos)
def test_an_order_for_a_combo_survives_with_what_it_has_in_the_annex(first, second):
    signed = [SignedOrder(first, SIGNATURE), SignedOrder(second, sign(keccak(b"other"), b"\2" * 32))]
    body = calldata.joined_body(signed, [])
    for place, one in enumerate(signed):
        back = calldata.decode_order(body[128 * place : 128 * place + 128], body[256:-32])
        assert back.order == one.order
        assert compact(back.signature) == compact(one.signature)


@given(st.builds(Trade, u16, u16, st.integers(1, calldata.OVER - 1), u64, u64, u32))
def test_a_trade_survives(trade):
    assert calldata.decode_trade(calldata.encode_trade(trade)) == trade


@given(st.builds(SpotWord, u32, u64, u64, u96))
def test_a_spot_survives(spot):
    assert calldata.decode_spot(calldata.encode_spot(spot)) == spot


@given(st.integers(0, 2**16 - 1), u32, u64, u64, u64, st.lists(u64, max_size=256))
def test_a_sheet_survives(expiry_id, underlying, spot, forward, conf, marks):
    sheet = Sheet(expiry_id, underlying, spot, forward, conf, tuple(marks))
    back = calldata.decode_sheet(calldata.encode_sheet(sheet))
    padding = (0,) * (-len(marks) % 4)
    assert back == Sheet(expiry_id, underlying, spot, forward, conf, tuple(marks) + padding)


@given(st.lists(i64, min_size=4, max_size=4))
def test_signed_lanes_survive(four):
    assert lanes.unpack_signed(lanes.pack_signed(four)) == tuple(four)


@given(st.dictionaries(series_ids, i64.filter(bool), max_size=40))
def test_positions_survive(positions):
    words = calldata.positions_to_words(positions)
    found = {}
    for expiry_id in {expiry for expiry, _ in words}:
        mine = {group: word for (expiry, group), word in words.items() if expiry == expiry_id}
        held = sum(1 << group for group in mine)
        found |= calldata.positions_from_words(expiry_id, held, [mine[group] for group in sorted(mine)])
    assert found == positions


@given(st.lists(st.none() | st.tuples(st.integers(1, 2**63 - 1), st.booleans()), min_size=4, max_size=4))
def test_strikes_survive(series):
    assert calldata.unpack_strikes(calldata.strikes_word(series)) == tuple(series)


def test_arranging_keeps_every_trade_with_its_orders():
    signed = [
        SignedOrder(
            Order(account=a, series=s, is_buy=True, quantity=1, limit_price=1, max_fee=1, nonce=n, expiry=1), SIGNATURE
        )
        for n, (a, s) in enumerate([(3, 9), (1, 9), (3, 7), (1, 9), (2, 1)])
    ]
    trades = [Trade(0, 1, 1, 1, 1), Trade(2, 3, 1, 1, 1), Trade(4, 0, 1, 1, 1)]
    arranged, moved = calldata.arrange(signed, trades)
    assert [(one.order.account, one.order.series, one.order.nonce) for one in arranged] == [
        (1, 9, 1), (1, 9, 3), (2, 1, 4), (3, 7, 2), (3, 9, 0)
    ]  # fmt: skip
    for before, after in zip(trades, moved, strict=True):
        assert signed[before.maker] == arranged[after.maker]
        assert signed[before.taker] == arranged[after.taker]
    body = calldata.batch_body(arranged, moved)
    assert len(body) == 128 * 5 + 32 * 3 + 32
    with pytest.raises(EncodingError):
        calldata.batch_body(signed, trades)


def test_orders_for_combos_are_the_first_of_their_account():
    combo = ComboOrder(account=2, legs=1, is_buy=True, quantity=1, limit_price=-1, max_fee=1, nonce=1, expiry=1)
    order = Order(account=2, series=1 << 16, is_buy=True, quantity=1, limit_price=1, max_fee=1, nonce=2, expiry=1)
    other = Order(account=1, series=2 << 16, is_buy=True, quantity=1, limit_price=1, max_fee=1, nonce=3, expiry=1)
    arranged, _ = calldata.arrange([SignedOrder(one, SIGNATURE) for one in (order, combo, other)], [])
    assert [one.order for one in arranged] == [other, combo, order]


SHEET = Sheet(1, 1, 1, 1, 1, (1,))
ROUND = Round(1, 1, 1, (), (SHEET,))
MANY = Round(1, 1, 1, (), tuple(Sheet(i, 1, 1, 1, 1, (1,) * 256) for i in range(9)))


@pytest.mark.parametrize(
    "encode",
    [
        lambda: calldata.encode_order(SignedOrder(Order(**{**fields(), "quantity": calldata.OVER}), SIGNATURE)),
        lambda: calldata.encode_order(SignedOrder(Order(**{**fields(), "account": 2**32}), SIGNATURE)),
        lambda: calldata.encode_order(SignedOrder(Order(**{**fields(), "limit_price": -1}), SIGNATURE)),
        lambda: calldata.encode_order(SignedOrder(Order(**{**fields(), "series": 0}), SIGNATURE)),
        lambda: calldata.encode_order(SignedOrder(combo(limit_price=2**63), SIGNATURE), 1),
        lambda: calldata.encode_order(SignedOrder(combo(limit_price=-(2**63) - 1), SIGNATURE), 1),
        lambda: calldata.encode_order(SignedOrder(combo(legs=2**256), SIGNATURE), 1),
        lambda: calldata.encode_order(SignedOrder(combo(), SIGNATURE)),
        lambda: calldata.decode_order(calldata.encode_order(SignedOrder(combo(), SIGNATURE), 1)),
        lambda: calldata.encode_trade(Trade(0, 0, 0, 1, 1)),
        lambda: calldata.encode_trade(Trade(0, 0, 1, 1, 1, 2**32)),
        lambda: calldata.encode_trade(Trade(2**16, 0, 1, 1, 1)),
        lambda: calldata.encode_trade(Trade(0, 0, 1, 2**64, 1)),
        lambda: calldata.decode_order(bytes(127)),
        lambda: calldata.decode_trade(bytes(31)),
        lambda: calldata.encode_spot(SpotWord(1, 2**64, 0, 0)),
        lambda: calldata.encode_spot(SpotWord(1, 0, 0, 2**96)),
        lambda: calldata.encode_sheet(Sheet(2**16, 1, 1, 1, 1, ())),
        lambda: calldata.encode_sheet(Sheet(1, 1, 1, 1, 1, (1,) * 257)),
        lambda: calldata.encode_sheet(Sheet(1, 1, 1, 1, 1, (-1,))),
        lambda: calldata.decode_sheet(bytes(32)),
        lambda: calldata.decode_sheet(bytes(96)),
        lambda: lanes.pack_signed([2**63]),
        lambda: lanes.pack_signed([0] * 5),
        lambda: lanes.unpack_signed(2**256),
        lambda: calldata.strikes_word([(0, True)]),
        lambda: calldata.strikes_word([(2**63, False)]),
        lambda: calldata.series_id(0, 0),
        lambda: calldata.series_id(1, 256),
        lambda: calldata.positions_to_words({1 << 16 | 256: 1}),
        lambda: calldata.positions_from_words(1, 3, [1]),
        lambda: calldata.select_sheets(ROUND, [2]),
        lambda: calldata.select_sheets(MANY, range(9)),
        lambda: calldata.sheet_hashes(Round(1, 1, 1, (), (SHEET,) * 65)),
        lambda: calldata.round_header(Round(1, 1, 2**128, (), ())),
        lambda: calldata.post_round_args(Round(1, 1, 1, (SpotWord(1, 1, 1, 1),) * 33, ()), []),
        lambda: calldata.batch_body([SignedOrder(ORDER, SIGNATURE)] * 257, []),
        lambda: calldata.batch_body([SignedOrder(ORDER, SIGNATURE)], [Trade(0, 1, 1, 1, 1)]),
    ],
)
def test_what_has_no_place_in_calldata_is_refused(encode):
    with pytest.raises(EncodingError):
        encode()


def fields():
    return {name: getattr(ORDER, name) for name in ORDER.__struct_fields__}


def combo(**changes):
    return ComboOrder(**{"legs": 1} | {name: value for name, value in fields().items() if name != "series"} | changes)
