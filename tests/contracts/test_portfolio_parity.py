"""The PORTFOLIO margin of the contracts is the core's to the unit: from arrays with proofs, and computed from the round."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import pytest
from contract_arrays import Arrays, Prices, Risk
from contract_drawing import PATIENCE, SOAK
from contract_venue import BTC, USDC, WAD, Venue
from eth_hash.auto import keccak

from exchange.core import parameters as p
from exchange.core.margin import Kind
from exchange.core.risk_models.arrays import leaf_hash
from exchange.core.risk_models.venue_set import PORTFOLIO

pytestmark = PATIENCE
ETH = 2
PORTFOLIOS = 5_000 if SOAK else 240
PER_ROUND = 40
OPTIONS = 2_000 if SOAK else 40
DAY = 86_400
STRIKES = (20, 70, 90, 100, 105, 130, 300)  # percent of spot
SPOTS = {BTC: 60_000 * USDC, ETH: 2_500 * USDC}


def other_model() -> p.PortfolioModel:
    """Parameters with nothing in common with the venue's, thin oracles on bought options too."""
    scenarios = (
        p.Scenario(7 * WAD // 10, p.VOL_DOWN, WAD // 3, short=WAD // 7),
        p.Scenario(WAD, p.WINGS_UP, WAD // 2, WAD // 9, WAD // 11 * 10, group=8),
        p.Scenario(2 * WAD, p.TANGENT),
        p.Scenario(10 * WAD, p.VOL_UP, WAD // 13),
        p.Scenario(0, p.SLOPE_DOWN, 1),
        p.Scenario(11 * WAD // 10, p.SLOPE_UP, WAD // 4, 3 * WAD, WAD, group=3),
        p.Scenario(9 * WAD // 10, p.WINGS_DOWN, WAD // 4, 3 * WAD, WAD, group=3),
    )
    return msgspec.structs.replace(
        PORTFOLIO,
        scenarios=scenarios,
        vol=p.VolRule(WAD, WAD, WAD // 5, WAD, 0, 60),
        skew=p.SkewRule(WAD, -WAD, WAD // 3, -WAD // 2, WAD // 10_000, WAD, WAD // 3, -WAD),
        mm_factor=WAD // 7,
        im_factor=10 * WAD,
        short_mm=WAD // 3,
        short_im=1,
        conf_threshold=WAD,
        conf_factor=3 * WAD,
        conf_on_longs=True,
        depeg_threshold=2 * WAD,
        depeg_factor=WAD // 3 + 1,
    )


class Market:
    """Four expiries of two underlyings, the nearest inside its settlement window by the end."""

    def __init__(self, seed: int, model: p.PortfolioModel) -> None:
        self.random = random.Random(seed)
        self.venue = Venue(model=model)
        first = self.venue.now // 1800 * 1800 + 4 * 1800
        self.underlyings: dict[int, int] = {}
        for underlying, after in ((BTC, 0), (ETH, 2 * DAY), (BTC, 35 * DAY), (ETH, 400 * DAY)):
            spot = SPOTS[underlying]
            terms = [(spot * percent // 100, is_call) for percent in STRIKES for is_call in (True, False)]
            self.random.shuffle(terms) if after == 0 else None
            listed = self.venue.list(first + after // 1800 * 1800, terms, underlying)
            self.underlyings[listed] = underlying
        self.first = first
        self.risk = Risk(self.venue)

    def move(self, to: int) -> Arrays:
        """A round at a time, drawn: prices, vols from nothing to far beyond all that was seen, confidences, a peg."""
        draw = self.random
        self.venue.chain.set_time(max(to, self.venue.now + 1))
        self.venue.chain.mine()
        spots = {key: spot * draw.randrange(40, 250) // 100 + draw.randrange(97) for key, spot in SPOTS.items()}
        now = self.venue.now
        forwards, fixed = {}, {}
        for expiry, underlying in self.underlyings.items():
            forwards[expiry] = spots[underlying] * draw.randrange(930, 1080) // 1000
            left = self.venue.expiries[expiry] - now
            if left < 1800:
                fixed[expiry] = forwards[expiry] * (1800 - max(left, 0)) // 1800
        vols = {
            key: draw.choice((0, WAD // 100, WAD * draw.randrange(5, 400) // 100, 7 * WAD, draw.randrange(WAD)))
            for key in self.venue.strikes
        }
        confs = {key: draw.choice((WAD, WAD, 55 * 10**16 - 1, draw.randrange(WAD))) for key in self.underlyings}
        stable = draw.choice((WAD, WAD, 99 * 10**16 - 1, draw.randrange(WAD), 3 * WAD))
        arrays = self.risk.at(Prices(spots, forwards, vols, confs, fixed, stable), self.underlyings)
        self.venue.post(arrays.round)
        return arrays

    def times(self, count: int) -> Iterator[int]:
        """Over the life of the first expiry, a third of them within its settlement window."""
        start, close = self.venue.now, self.first
        for number in range(count):
            yield close - 1700 + 1690 * number // count if number % 3 == 2 else start + number

    def positions(self) -> dict[int, int]:
        """A few legs or many, small or as large as lanes hold, hedged or not."""
        draw = self.random
        series = draw.sample(sorted(self.venue.strikes), draw.choice((1, 1, 2, 3, 5, 8, 16)))
        most = draw.choice((3, 10**4, 10**7, 2**57))
        held = {key: draw.choice((-1, 1)) * draw.randrange(1, most) for key in series}
        if draw.random() < 0.3:
            size = draw.randrange(1, most)
            held = {key: (size if draw.random() < 0.5 else -size) for key in series}
        return held


@pytest.mark.parametrize(("seed", "model"), [(1, PORTFOLIO), (2, other_model())], ids=["venue", "odd"])
def test_requirements_from_arrays_are_those_of_the_core(seed, model):
    market = Market(seed, model)
    rounds = -(-PORTFOLIOS // PER_ROUND // (1 if seed == 1 else 3))
    risk = market.risk
    seen = {"free": 0, "binding": 0}
    for to in sorted(market.times(rounds)):
        arrays = market.move(to)
        asked = [market.positions() for _ in range(PER_ROUND)]
        expected = [arrays.needed(positions, kind) for positions in asked for kind in Kind]
        words = [arrays.held(positions) for positions in asked]
        call = risk.probe.interface.encode("ask", risk.portfolio.address, words, arrays.word)
        if risk.passed(call, arrays.shown, arrays.leaves) != chained(expected):
            for positions, kind in ((positions, kind) for positions in asked for kind in Kind):
                assert risk.ask(arrays, positions, kind) == arrays.needed(positions, kind), (to, positions, kind)
            raise AssertionError("alone each answer is right")
        for answer in expected:
            seen["binding" if answer else "free"] += 1
    assert min(seen.values()) > rounds


def chained(answers: list[int]) -> bytes:
    """As the probe hashes what it is told."""
    hashed = bytes(32)
    for answer in answers:
        hashed = keccak(hashed + answer.to_bytes(32, "big"))
    return hashed


@pytest.mark.parametrize(("seed", "model"), [(3, PORTFOLIO), (4, other_model())], ids=["venue", "odd"])
def test_arrays_computed_from_the_round_are_those_of_the_core(seed, model):
    """Every cell of every option, in and out of settlement windows; these arrays are the other way to the same margin."""
    market = Market(seed, model)
    done = 0
    for to in sorted(market.times(max(OPTIONS // 20, 3))):
        arrays = market.move(to)
        for series in market.random.sample(sorted(arrays.leaves), 20):
            words = market.risk.arrays.call("array", arrays.source(series >> 16), series)
            assert b"".join(word.to_bytes(32, "big") for word in words) == arrays.leaves[series], (to, series)
            done += 1
    assert done >= OPTIONS


def test_arrays_computed_on_chain_answer_as_those_with_proofs():
    market = Market(5, PORTFOLIO)
    arrays = market.move(market.first - 900)
    positions = {key: (-1) ** at * 10**4 * at for at, key in enumerate(sorted(arrays.leaves)[:9], 1)}
    for series in positions:
        market.venue.send("keeper", market.risk.arrays, "compute", arrays.source(series >> 16), series)
        stored = market.risk.arrays.call(
            "leaf_of", arrays.commitment.digest(market.risk.arrays.call("VERSION")), series
        )
        assert stored == leaf_hash(arrays.leaves[series])
    for kind in Kind:
        answers = {market.risk.ask(arrays, positions, kind, computed=computed) for computed in (True, False)}
        assert answers == {arrays.needed(positions, kind)}
