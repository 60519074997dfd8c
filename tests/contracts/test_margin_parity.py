"""Python and Vyper agree to the unit on margin, fees and settlement value, for thousands of random portfolios."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from contract_drawing import PATIENCE, SOAK, drawn
from contract_venue import MAINNET, USDC, WAD, Venue, address, key
from hypothesis import given
from hypothesis import strategies as st

from exchange import calldata, lanes
from exchange.core.commands import FeeSchedule, StandardModel
from exchange.core.fees import maker_fee, taker_fee
from exchange.core.margin import ExpiryBook, Kind, Leg, requirement, settlement_value
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local

pytestmark = PATIENCE
PORTFOLIOS = 40_000 if SOAK else 1_000
MODELS = {
    "mainnet": tuple(value * 10**16 for value in MAINNET),
    "unit tests": tuple(value * 10**15 for value in (150, 100, 75, 75, 75, 1200, 1100, 1050, 400, 400, 980, 1200)),
    "odd": tuple(WAD // divisor + 1 for divisor in (7, 9, 11, 13, 17, 1, 1, 1, 2, 3, 1, 3)),
}


@pytest.fixture(scope="module")
def lenses():
    """A Margin contract for each model."""
    venue = Venue()
    return {
        name: deploy_local(venue.chain, key("operator"), artifact("Margin"), values) for name, values in MODELS.items()
    }


def words_of(legs: tuple[Leg, ...]) -> list[int]:
    """Three words for each group of four legs: positions, strikes, marks."""
    words = []
    for at in range(0, len(legs), 4):
        four = legs[at : at + 4]
        words.append(lanes.pack_signed([leg.qty for leg in four]))
        words.append(calldata.strikes_word([(leg.strike, leg.is_call) for leg in four]))
        words.append(lanes.pack_unsigned([leg.mark for leg in four]))
    return words


def holding(book: ExpiryBook) -> tuple[int, list[int]]:
    return book.spot << 192 | book.forward << 128 | book.conf << 64, words_of(book.legs)


def both_requirements(lens, values, books: tuple[ExpiryBook, ...], stable: int, kind: Kind) -> tuple[int, int]:
    python = requirement(StandardModel(*values), books, stable, kind)
    vyper = lens.call("requirement_of", [holding(book) for book in books], stable, kind is Kind.INITIAL)
    return python, vyper


class Draw:
    """Portfolios of every size: realistic, near zero, huge; with thin oracles and weak stablecoins."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def amount(self, most: int) -> int:
        """Uniform in the exponent, so that small and large are drawn alike."""
        return self.random.randrange(1 << self.random.randrange(most.bit_length())) % (most + 1)

    def leg(self, spot: int, style: str) -> Leg:
        draw = self.random
        sign = draw.choice((-1, 1))
        if style == "realistic":
            strike = max(spot * draw.randrange(50, 151) // 100 // USDC, 1) * USDC
            return Leg(sign * draw.randrange(1, 10**6), strike, draw.random() < 0.5, 1 + draw.randrange(spot // 2 + 1))
        most = 2**62 if style == "huge" else 40
        quantity = sign * (1 + self.amount(most))
        return Leg(quantity, 1 + self.amount(most), draw.random() < 0.5, 1 + self.amount(most))

    def book(self, style: str) -> ExpiryBook:
        draw = self.random
        spot = {"realistic": draw.randrange(USDC, 10**6 * USDC), "huge": self.amount(2**63), "tiny": self.amount(40)}[
            style
        ]
        forward = spot * draw.randrange(90, 111) // 100 if style == "realistic" else self.amount(2**62)
        conf = draw.choice((WAD, 55 * 10**16, 55 * 10**16 - 1, 0, draw.randrange(WAD + 1)))
        legs = tuple(self.leg(spot, style) for _ in range(draw.choice((1, 1, 2, 3, 4, 5, 8, 13))))
        if draw.random() < 0.3:
            legs += tuple(Leg(-leg.qty, leg.strike, not leg.is_call, leg.mark) for leg in legs)
        return ExpiryBook(spot, min(forward, 2**64 - 1), conf, legs)

    def portfolios(self, count: int) -> Iterator[tuple[tuple[ExpiryBook, ...], int]]:
        for _ in range(count):
            style = self.random.choice(("realistic", "realistic", "huge", "tiny"))
            books = tuple(self.book(style) for _ in range(self.random.choice((0, 1, 1, 2, 3))))
            stable = self.random.choice((WAD, 99 * 10**16, 99 * 10**16 - 1, self.random.randrange(WAD), 0, 2 * WAD))
            yield books, stable


@pytest.mark.parametrize(("name", "seed"), [*(("mainnet", seed) for seed in range(4)), ("unit tests", 4), ("odd", 5)])
def test_requirements_agree(lenses, name, seed):
    """Both kinds of 500 portfolios for each seed; 2,000 of them under the parameters of the main network."""
    count = PORTFOLIOS // 4 if name == "mainnet" else PORTFOLIOS // 10
    seen = {"binding": 0, "free": 0}
    for books, stable in Draw(seed).portfolios(count):
        for kind in Kind:
            python, vyper = both_requirements(lenses[name], MODELS[name], books, stable, kind)
            assert python == vyper, (books, stable, kind)
            seen["binding" if python else "free"] += 1
    assert min(seen.values()) > count // 20


price = st.integers(1, 2**63 - 1)
legs = st.lists(
    st.builds(Leg, st.integers(-(2**63) + 1, 2**63 - 1).filter(bool), price, st.booleans(), price),
    min_size=1,
    max_size=12,
)
books = st.builds(
    ExpiryBook, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, WAD), legs.map(tuple)
)


@drawn(150)
@given(st.lists(books, max_size=3).map(tuple), st.integers(0, 2 * WAD), st.sampled_from(Kind))
def test_requirements_agree_at_the_edges(lenses, portfolio, stable, kind):
    python, vyper = both_requirements(lenses["mainnet"], MODELS["mainnet"], portfolio, stable, kind)
    assert python == vyper


def test_strikes_out_of_order_make_no_difference(lenses):
    """Listing order is the operator's; the requirement must not depend on it."""
    draw = random.Random(7)
    legs = tuple(
        Leg(draw.choice((-1, 1)) * 10**4, strike * USDC, place % 2 == 0, 5 * USDC)
        for place, strike in enumerate(range(40, 104))
    )
    for _ in range(20):
        shuffled = tuple(draw.sample(legs, len(legs)))
        book = ExpiryBook(60 * USDC, 60 * USDC, WAD, shuffled)
        assert len(set(both_requirements(lenses["mainnet"], MODELS["mainnet"], (book,), WAD, Kind.INITIAL))) == 1


def test_the_largest_portfolio_of_an_expiry_fits_a_batch(lenses):
    """64 groups of four shorts cost less than a tenth of a transaction when they are listed in ascending strike."""
    lens = lenses["mainnet"]
    legs = tuple(Leg(-(10**4), (1 + place // 2) * USDC, place % 2 == 0, USDC) for place in range(256))
    book = ExpiryBook(60 * USDC, 60 * USDC, WAD, legs)
    assert len(set(both_requirements(lens, MODELS["mainnet"], (book,), WAD, Kind.INITIAL))) == 1
    prices, words = holding(book)
    data = lens.interface.encode("of_expiry", words, prices, WAD, True)
    assert lens.chain.estimate_gas(address("operator"), lens.address, data) < 16_777_216 // 10


def test_settlement_values_agree(lenses):
    lens = lenses["mainnet"]
    draw = Draw(11)
    negative = 0
    for books, _ in draw.portfolios(PORTFOLIOS):
        for book in books:
            at = draw.random.choice((0, book.spot, draw.amount(2**63 - 1), book.legs[0].strike))
            fixing = min(at, 2**63 - 1)
            expected = settlement_value(book.legs, fixing)
            assert lens.call("claim_of", words_of(book.legs), fixing) == expected
            negative += expected < 0
    assert negative > PORTFOLIOS // 20


SCHEDULES = (
    FeeSchedule(4 * 10**14, -(10**14), 125 * 10**15),
    FeeSchedule(4 * 10**14, 3 * 10**14, 125 * 10**15),
    FeeSchedule(WAD, -WAD, WAD),
    FeeSchedule(WAD // 7, -(WAD // 11), WAD // 3),
    FeeSchedule(0, 0, 0),
)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_fees_agree(schedule):
    venue = Venue(taker_rate=schedule.taker_rate, maker_rate=schedule.maker_rate, fee_cap=schedule.cap)
    draw = Draw(5)
    for _ in range(PORTFOLIOS // 4):
        fill_price, index, quantity = draw.amount(2**64 - 1), draw.amount(2**64 - 1), 1 + draw.amount(2**32 - 3)
        taker = taker_fee(schedule, index, fill_price, quantity)
        maker = maker_fee(schedule, index, fill_price, quantity, taker)
        assert venue.clearing.call("fees_of", fill_price, quantity, index) == (maker, taker)
        assert maker + taker >= 0


@pytest.mark.parametrize("at", range(12))
def test_parameters_have_a_range(at):
    venue = Venue()
    values = list(MODELS["mainnet"])
    values[at] = 2**64
    with pytest.raises(Reverted, match="parameter_range"):
        deploy_local(venue.chain, key("operator"), artifact("Margin"), tuple(values))


@pytest.mark.parametrize(
    "terms", [{"taker_rate": WAD + 1}, {"maker_rate": WAD + 1}, {"maker_rate": -WAD - 1}, {"fee_cap": WAD + 1}]
)
def test_fee_rates_have_a_range(terms):
    with pytest.raises(Reverted, match="parameter_range"):
        Venue(**terms)
    assert address("operator")


def test_the_lens_names_its_parameters(lenses):
    for name, values in MODELS.items():
        assert tuple(lenses[name].call("parameters")) == values
