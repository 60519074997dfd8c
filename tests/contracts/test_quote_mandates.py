"""Quotes under one signature: what fills is proved, counted, and refused once the maker's budget is spent."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest
from contract_drawing import PATIENCE, drawn
from contract_venue import LOT, USDC, WINDOW, address, key, spoiled
from hypothesis import given
from hypothesis import strategies as st

from exchange import calldata, signing
from exchange.calldata import SignedQuote, Trade
from exchange.core.commands import QuoteLeaf, QuoteMandate
from exchange.lanes import EncodingError
from exchange.reverts import Revert
from exchange.shell.chain import Reverted

pytestmark = PATIENCE
PRICE = 700 * USDC
INDEX = 60_000 * USDC
UNIT = 10**4


@pytest.fixture
def m(shared_market):
    """The shared market, taken back afterwards."""
    with shared_market.venue.aside():
        yield shared_market


class Message(NamedTuple):
    """A signed message of quotes."""

    mandate: QuoteMandate
    leaves: tuple[QuoteLeaf, ...]

    def quote(self, place: int) -> SignedQuote:
        root, proofs = signing.mandate_root(self.leaves), signing.mandate_proofs(self.leaves)
        return SignedQuote(self.mandate, root, place, self.leaves[place], tuple(proofs[place]))


def leaf(series: int, quantity: int, delta: int = 5_000, vega: int = 100, price: int = PRICE) -> QuoteLeaf:
    """A quote; positive quantity buys."""
    return QuoteLeaf(series, quantity > 0, abs(quantity), price, delta, vega)


def mandate_of(m, *leaves: QuoteLeaf, by: str = "maker", account: int | None = None, **terms: Any) -> Message:
    m.venue.next_nonce += 1
    bounds = {"qty": 0, "delta": 0, "vega": 0, "count": 0} | terms
    nonce = bounds.pop("nonce", m.venue.next_nonce)
    expiry_s = bounds.pop("expiry_s", m.venue.now + 3600)
    whose = m.maker.account if account is None else account
    unsigned = QuoteMandate(whose, nonce, expiry_s, 1000 * USDC, **bounds, signer=b"", signature=b"")
    digest = signing.mandate_digest(m.venue.domain, unsigned, signing.mandate_root(leaves))
    return Message(msgspec.structs.replace(unsigned, signature=signing.sign(key(by), digest)), leaves)


def hit(m, *fills: tuple[SignedQuote, int], player=None):
    """A batch in which the taker, or another, meets each quote with an order of its own, in this order."""
    other = player or m.taker
    entries: list[Any] = []
    places: dict[tuple[int, int], int] = {}
    trades = []
    for quote, quantity in fills:
        name = (quote.mandate.nonce, quote.place)
        if name not in places:
            places[name] = len(entries)
            entries.append(quote)
        side = -1 if quote.leaf.is_buy else 1
        order = m.venue.order(other, quote.leaf.series, side * quantity, quote.leaf.price)
        entries.append(m.venue.sign(order))
        trades.append(Trade(places[name], len(entries) - 1, quantity, quote.leaf.price, INDEX))
    return m.venue.batch(entries, trades)


def spent(m, message: Message) -> tuple[int, int, int, int]:
    return m.venue.clearing.call("mandate_spent", message.mandate.account, message.mandate.nonce)


# -- what settles --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 100, 255, 256])
def test_any_quote_of_a_message_can_be_proved(m, count):
    leaves = [leaf(m.calls[at % 4], LOT if at % 2 else -LOT, price=PRICE + at) for at in range(count)]
    message = mandate_of(m, *leaves)
    places = sorted({0, 1, count // 2, count - 2, count - 1} & set(range(count)))
    m.venue.settle(hit(m, *((message.quote(place), LOT // 2) for place in places)))
    for place in range(count) if count < 9 else places:
        filled = m.venue.clearing.call("quote_filled", m.maker.account, message.mandate.nonce, place)
        assert filled == (LOT // 2 if place in places else 0)
    assert spent(m, message)[2:] == (len(places), len(places) * LOT // 2)


def test_what_fills_is_counted_as_the_maker_signed_it(m):
    message = mandate_of(m, leaf(m.call, 9 * LOT, 5_000, 70), leaf(m.calls[0], -9 * LOT, 8_000, 30))
    bid, ask = message.quote(0), message.quote(1)
    m.venue.settle(hit(m, (bid, 2 * LOT), (ask, LOT)))
    assert spent(m, message) == ((2 * 5_000 - 8_000) * UNIT, (2 * 70 - 30) * UNIT, 2, 3 * LOT)
    m.venue.settle(hit(m, (ask, 3 * LOT)))
    assert spent(m, message) == ((2 * 5_000 - 4 * 8_000) * UNIT, (2 * 70 - 4 * 30) * UNIT, 3, 6 * LOT)
    assert m.venue.positions(m.maker.account) == {m.call: 2 * LOT, m.calls[0]: -4 * LOT}


def test_orders_quotes_and_terms_share_a_batch(m):
    first, second = mandate_of(m, leaf(m.call, LOT)), mandate_of(m, leaf(m.call, 2 * LOT), leaf(m.puts[1], -LOT))
    third = mandate_of(m, leaf(m.call, -LOT), by="third", account=m.third.account)
    plain = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE, terms=b"\7" * 32))
    sold = m.venue.sign(m.venue.order(m.taker, m.call, -4 * LOT, PRICE, terms=b"\5" * 32))
    bought = m.venue.sign(m.venue.order(m.taker, m.puts[1], LOT, PRICE))
    taken = m.venue.sign(m.venue.order(m.taker, m.call, LOT, PRICE))
    entries = [second.quote(0), plain, first.quote(0), sold, bought, second.quote(1), third.quote(0), taken]
    trades = [
        Trade(0, 3, 2 * LOT, PRICE, INDEX),
        Trade(1, 3, LOT, PRICE, INDEX),
        Trade(2, 3, LOT, PRICE, INDEX),
        Trade(5, 4, LOT, PRICE, INDEX),
        Trade(6, 7, LOT, PRICE, INDEX),
    ]
    m.venue.settle(m.venue.batch(entries, trades))
    assert m.venue.positions(m.maker.account) == {m.call: 4 * LOT, m.puts[1]: -LOT}
    assert m.venue.positions(m.taker.account) == {m.call: -3 * LOT, m.puts[1]: LOT}
    assert [spent(m, message)[3] for message in (first, second, third)] == [LOT, 3 * LOT, LOT]


# -- the budget ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ({"qty": 3 * LOT}, Revert.MANDATE_QUANTITY),
        ({"delta": 3 * 5_000}, Revert.MANDATE_DELTA),
        ({"vega": 300}, Revert.MANDATE_VEGA),
        ({"count": 3}, Revert.MANDATE_COUNT),
    ],
)
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("side", [1, -1])
def test_the_fill_that_reaches_a_bound_is_the_last_one(m, bounds, reason, together, side):
    """Three fills of one contract reach each bound, on either side, in one batch or in many."""
    message = mandate_of(m, leaf(m.call, side * 9 * LOT), **bounds)
    quote = message.quote(0)
    if together:
        assert m.venue.settle_refusal(hit(m, *[(quote, LOT)] * 4)) == reason
        m.venue.settle(hit(m, *[(quote, LOT)] * 3))
    else:
        for _ in range(3):
            m.venue.settle(hit(m, (quote, LOT)))
    assert m.venue.settle_refusal(hit(m, (quote, 1))) == reason


@pytest.mark.parametrize("bounds", [{"qty": 2 * LOT}, {"delta": 10_000}, {"vega": 200}])
def test_one_fill_may_go_beyond_and_no_second(m, bounds):
    message = mandate_of(m, leaf(m.call, 9 * LOT), leaf(m.call, -9 * LOT), **bounds)
    m.venue.settle(hit(m, (message.quote(0), LOT), (message.quote(0), 5 * LOT)))
    for place in (0, 1):  # nor one that would bring a net figure back
        assert m.venue.settle_refusal(hit(m, (message.quote(place), 1))).startswith("mandate_")


def test_net_figures_may_come_and_go_below_their_bounds(m):
    message = mandate_of(m, leaf(m.call, 99 * LOT), leaf(m.call, -99 * LOT), delta=10_001, vega=201)
    fills = [(message.quote(place), 2 * LOT) for place in (0, 1, 1, 0, 0, 1)]
    m.venue.settle(hit(m, *fills))
    assert spent(m, message) == (0, 0, 6, 12 * LOT)


def test_a_figure_beyond_the_word_is_refused(m):
    most = leaf(m.call, 2 * (2**32 - 2), delta=-(2**63), price=1)
    message = mandate_of(m, msgspec.structs.replace(most, qty=2**32 - 2))
    batch = hit(m, (message.quote(0), 2**31))
    assert m.venue.settle_refusal(batch) == Revert.MANDATE_RANGE


# -- what is refused -----------------------------------------------------------------------------------------------


def test_a_quote_is_filled_no_more_than_signed(m):
    message = mandate_of(m, leaf(m.call, 2 * LOT), leaf(m.call, 5 * LOT))
    assert m.venue.settle_refusal(hit(m, (message.quote(0), 2 * LOT + 1))) == Revert.ORDER_OVERFILLED
    m.venue.settle(hit(m, (message.quote(0), 2 * LOT)))
    assert m.venue.settle_refusal(hit(m, (message.quote(0), 1))) == Revert.ORDER_OVERFILLED
    m.venue.settle(hit(m, (message.quote(1), 5 * LOT)))


LEAF_FIELDS = {"series": 1, "is_buy": 0, "qty": 7, "price": 1, "delta": 1, "vega": 1}


@pytest.mark.parametrize("field", [name for name in LEAF_FIELDS if name not in {"is_buy", "series"}])
def test_a_quote_that_was_not_signed(m, field):
    message = mandate_of(m, leaf(m.call, LOT), leaf(m.call, -LOT), leaf(m.puts[0], LOT))
    quote = message.quote(0)
    changed = msgspec.structs.replace(quote.leaf, **{field: getattr(quote.leaf, field) + LEAF_FIELDS[field]})
    assert m.venue.settle_refusal(hit(m, (msgspec.structs.replace(quote, leaf=changed), LOT))) == Revert.QUOTE_PROOF


@pytest.mark.parametrize("changes", [{"series": None}, {"is_buy": False}])
def test_a_quote_on_another_side_or_series(m, changes):
    quote = mandate_of(m, leaf(m.call, LOT), leaf(m.call, -LOT)).quote(0)
    values = {"series": m.calls[0]} if "series" in changes else changes
    other = msgspec.structs.replace(quote, leaf=msgspec.structs.replace(quote.leaf, **values))
    assert m.venue.settle_refusal(hit(m, (other, LOT))) == Revert.QUOTE_PROOF


def test_a_quote_at_another_place_or_with_another_proof(m):
    """The place is hashed with the quote, so equal quotes have lanes of their own and no more."""
    message = mandate_of(m, *[leaf(m.call, LOT)] * 5)
    quote = message.quote(1)
    for changes in (
        {"place": 2},
        {"place": 0},
        {"proof": quote.proof[1:]},
        {"proof": (*quote.proof, bytes(32))},
        {"proof": quote.proof[::-1]},
        {"proof": ()},
        {"root": bytes(32)},
    ):
        refused = m.venue.settle_refusal(hit(m, (msgspec.structs.replace(quote, **changes), LOT)))
        assert refused in {Revert.QUOTE_PROOF, Revert.ORDER_SIGNATURE}


@pytest.mark.parametrize("field", ["account", "nonce", "expiry_s", "max_fee", "qty", "delta", "vega", "count"])
def test_a_mandate_is_what_the_maker_signed(m, field):
    message = mandate_of(m, leaf(m.call, LOT), qty=9 * LOT, delta=10**6, vega=10**6, count=9)
    changed = msgspec.structs.replace(message.mandate, **{field: getattr(message.mandate, field) + 1})
    batch = hit(m, (Message(changed, message.leaves).quote(0), LOT))
    assert m.venue.settle_refusal(batch) == Revert.ORDER_SIGNATURE


def test_a_mandate_signed_by_another(m):
    assert m.venue.settle_refusal(hit(m, (mandate_of(m, leaf(m.call, LOT), by="third").quote(0), LOT))) == (
        Revert.ORDER_SIGNATURE
    )


@pytest.mark.parametrize(("scopes", "reason"), [(1, "key_scope"), (1 | 2 | 8 | 16, "key_scope"), (4, "accepted")])
def test_a_session_key_quotes_within_its_scope(m, scopes, reason):
    session = ("register_key", m.maker.account, address("session"), scopes, m.venue.now + 3600)
    m.venue.send("maker", m.venue.clearing, *session)
    batch = hit(m, (mandate_of(m, leaf(m.call, LOT), by="session").quote(0), LOT))
    assert m.venue.settle_refusal(batch) == reason


def test_a_key_that_may_only_quote_signs_no_order(m):
    session = ("register_key", m.maker.account, address("session"), 4, m.venue.now + 3600)
    m.venue.send("maker", m.venue.clearing, *session)
    maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE), by="session")
    taker = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE))
    batch = m.venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.KEY_SCOPE


def test_a_cancelled_nonce_takes_all_quotes_with_it(m):
    message = mandate_of(m, leaf(m.call, LOT), leaf(m.call, -LOT))
    nonce = message.mandate.nonce
    m.venue.send("maker", m.venue.clearing, "cancel_nonces", m.maker.account, nonce >> 8, 1 << (nonce & 255))
    with m.venue.aside():
        m.venue.settle(hit(m, (message.quote(0), LOT)))  # acknowledged before, it has the window
    m.venue.chain.set_time(m.venue.now + WINDOW)
    for place in (0, 1):
        assert m.venue.settle_refusal(hit(m, (message.quote(place), LOT))) == Revert.ORDER_CANCELLED


def test_an_expired_mandate_has_the_settlement_window(m):
    message = mandate_of(m, leaf(m.call, LOT), expiry_s=m.venue.now + 10)
    m.venue.chain.set_time(m.venue.now + 10 + WINDOW - 5)
    with m.venue.aside():
        m.venue.settle(hit(m, (message.quote(0), LOT)))
    m.venue.chain.set_time(m.venue.now + 10)
    assert m.venue.settle_refusal(hit(m, (message.quote(0), LOT))) == Revert.ORDER_EXPIRED


def test_a_quote_never_takes(m):
    quote = mandate_of(m, leaf(m.call, LOT)).quote(0)
    seller = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE))
    batch = m.venue.batch([quote, seller], [Trade(1, 0, LOT, PRICE, INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.ORDER_POST_ONLY
    body = bytearray(calldata.batch_body(batch.orders, batch.trades))
    at = 128 * next(n for n, entry in enumerate(batch.orders) if isinstance(entry, SignedQuote))
    body[at + 31] &= ~2  # without the flag that says so it is a quote all the same
    assert m.venue.settle_refusal(spoiled(batch, body=bytes(body))) == Revert.ORDER_POST_ONLY


def body_of(m, message: Message):
    batch = hit(m, (message.quote(0), LOT))
    at = 128 * next(n for n, entry in enumerate(batch.orders) if isinstance(entry, SignedQuote))
    return batch, bytearray(calldata.batch_body(batch.orders, batch.trades)), at


def test_an_operator_cannot_hide_a_fill_from_the_budget(m):
    """Not by leaving the flag out, nor by naming a mandate that is not there, nor by showing one twice."""
    message = mandate_of(m, leaf(m.call, 9 * LOT), leaf(m.call, -LOT), qty=2 * LOT)
    batch, body, at = body_of(m, message)
    plain = bytearray(body)
    plain[at + 31] &= ~8
    with pytest.raises(Reverted) as caught:
        m.venue.settle(spoiled(batch, body=bytes(plain)))
    assert caught.value.reason in {Revert.ORDER_SIGNATURE, None}
    stranger = bytearray(body)
    stranger[at + 95] = 1
    assert m.venue.settle_refusal(spoiled(batch, body=bytes(stranger))) == Revert.QUOTE_PROOF
    longer = bytearray(body)
    longer[at + 61] = 9
    assert m.venue.settle_refusal(spoiled(batch, body=bytes(longer))) == Revert.QUOTE_PROOF
    annex = 128 * 2 + 32
    record = bytes(body[annex : annex + 160])
    twice = bytes(body[: annex + 160]) + record + bytes(body[annex + 160 : -32]) + calldata.encode_counts(2, 1, 2)
    assert m.venue.settle_refusal(spoiled(batch, body=twice)) == Revert.MANDATE_SEQUENCE
    many = bytes(body[:-32]) + calldata.encode_counts(2, 1, 33)
    assert m.venue.settle_refusal(spoiled(batch, body=many)) == Revert.BATCH_FORMAT


def test_a_quote_of_one_mandate_does_not_fill_under_another(m):
    first, second = mandate_of(m, leaf(m.call, LOT), qty=1), mandate_of(m, leaf(m.call, 2 * LOT))
    batch = hit(m, (first.quote(0), LOT), (second.quote(0), LOT))
    body = bytearray(calldata.batch_body(batch.orders, batch.trades))
    places = [128 * n for n, entry in enumerate(batch.orders) if isinstance(entry, SignedQuote)]
    for at in places:
        body[at + 95] ^= 1
    assert m.venue.settle_refusal(spoiled(batch, body=bytes(body))) in {Revert.QUOTE_PROOF, Revert.MANDATE_QUANTITY}


# -- what has no place in calldata ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"place": 256},
        {"proof": (bytes(32),) * 9},
        {"leaf": QuoteLeaf(1 << 16, True, 2**32 - 1, 1, 0, 0)},
        {"leaf": QuoteLeaf(1 << 16, True, 1, 1, 2**63, 0)},
        {"leaf": QuoteLeaf(1 << 16, True, 1, 1, 0, -1)},
        {"mandate": QuoteMandate(1, 2**64, 1, 1, 0, 0, 0, 0, b"", bytes(64))},
        {"mandate": QuoteMandate(1, 1, 1, 1, 0, 0, 0, 2**32, b"", bytes(64))},
    ],
)
def test_what_does_not_fit_is_not_encoded(changes):
    signature = signing.sign(key("maker"), bytes(32))
    mandate = QuoteMandate(1, 1, 1, 1, 0, 0, 0, 0, b"", signature)
    quote = SignedQuote(mandate, bytes(32), 0, QuoteLeaf(1 << 16, True, 1, 1, 0, 0), ())
    spoilt = msgspec.structs.replace(quote, **changes)
    spoilt = msgspec.structs.replace(spoilt, mandate=msgspec.structs.replace(spoilt.mandate, signature=signature))
    with pytest.raises(EncodingError):
        calldata.batch_body([spoilt], [])


# -- bursts --------------------------------------------------------------------------------------------------------


class Figures(NamedTuple):
    """The same rule in the fewest words: what filled, and whether a bound has been reached."""

    delta: int = 0
    vega: int = 0
    count: int = 0
    qty: int = 0

    def reached(self, bounds: QuoteMandate) -> bool:
        return any(
            0 < bound <= abs(figure)
            for bound, figure in (
                (bounds.qty, self.qty),
                (bounds.delta * UNIT, self.delta),
                (bounds.vega * UNIT, self.vega),
                (bounds.count, self.count),
            )
        )

    def after(self, quote: QuoteLeaf, qty: int) -> Figures:
        signed = qty if quote.is_buy else -qty
        return Figures(
            self.delta + signed * quote.delta, self.vega + signed * quote.vega, self.count + 1, self.qty + qty
        )


quotes = st.builds(
    lambda side, delta, vega: (side, delta, vega),
    st.sampled_from([1, -1]),
    st.integers(-9_000, 9_000),
    st.integers(0, 300),
)
bounds = st.fixed_dictionaries(
    {
        "qty": st.sampled_from([0, 3 * LOT]),
        "delta": st.sampled_from([0, 12_000]),
        "vega": st.sampled_from([0, 350]),
        "count": st.sampled_from([0, 4]),
    }
)


@drawn(40)
@given(
    st.lists(quotes, min_size=1, max_size=4),
    bounds,
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2 * LOT)), max_size=8),
)
def test_in_any_burst_the_contract_refuses_exactly_what_comes_after_a_bound(m, shapes, limits, burst):
    with m.venue.aside():
        leaves = [leaf(m.calls[at % 4], side * 50 * LOT, delta, vega) for at, (side, delta, vega) in enumerate(shapes)]
        message = mandate_of(m, *leaves, **limits)
        figures, fits = Figures(), []
        for pick, qty in burst:
            quote = message.quote(pick % len(leaves))
            if figures.reached(message.mandate):
                assert m.venue.settle_refusal(hit(m, *fits, (quote, qty))).startswith("mandate_")
                break
            figures = figures.after(quote.leaf, qty)
            fits.append((quote, qty))
        if fits:
            m.venue.settle(hit(m, *fits))
        assert spent(m, message) == figures
