"""Words survive the way to calldata and back, and what has no place there is refused before it leaves."""

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from exchange import calldata
from exchange.calldata import EncodingError, Round, Sheet, SignedOrder, SpotWord, Trade
from exchange.signing import Order, compact, sign

u16, u32, u64, u96 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64, 96))
i64 = st.integers(-(2**63), 2**63 - 1)
SIGNATURE = sign(keccak(b"calldata"), b"\1" * 32)
orders = st.builds(
    Order,
    account=u32,
    series=u32,
    is_buy=st.booleans(),
    quantity=st.integers(0, calldata.DEAD_LANE - 1),
    limit_price=u64,
    max_fee=u64,
    time_in_force=st.integers(0, 255),
    post_only=st.booleans(),
    reduce_only=st.booleans(),
    replaces=u64,
    nonce=u64,
    expiry=u64,
)
series_ids = st.builds(lambda expiry, index: expiry << 16 | index, st.integers(1, 2**16 - 1), st.integers(0, 255))
ORDER = Order(account=1, series=1 << 16, is_buy=True, quantity=1, limit_price=1, max_fee=1, nonce=1, expiry=1)


@given(orders)
def test_an_order_survives(order):
    raw = calldata.encode_order(SignedOrder(order, SIGNATURE))
    back = calldata.decode_order(raw)
    assert back.order == order
    assert compact(back.signature) == compact(SIGNATURE)


@given(st.builds(Trade, u16, u16, st.integers(1, calldata.DEAD_LANE - 1), u64, u64))
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
def test_signed_lanes_survive(lanes):
    assert calldata.unpack_signed(calldata.pack_signed(lanes)) == tuple(lanes)


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


SHEET = Sheet(1, 1, 1, 1, 1, (1,))
ROUND = Round(1, 1, 1, (), (SHEET,))
MANY = Round(1, 1, 1, (), tuple(Sheet(i, 1, 1, 1, 1, (1,) * 256) for i in range(9)))


@pytest.mark.parametrize(
    "encode",
    [
        lambda: calldata.encode_order(SignedOrder(Order(**{**fields(), "quantity": calldata.DEAD_LANE}), SIGNATURE)),
        lambda: calldata.encode_order(SignedOrder(Order(**{**fields(), "account": 2**32}), SIGNATURE)),
        lambda: calldata.encode_order(SignedOrder(Order(**{**fields(), "limit_price": -1}), SIGNATURE)),
        lambda: calldata.encode_trade(Trade(0, 0, 0, 1, 1)),
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
        lambda: calldata.pack_signed([2**63]),
        lambda: calldata.pack_signed([0] * 5),
        lambda: calldata.unpack_signed(2**256),
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
