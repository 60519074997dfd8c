"""RiskArrays and Portfolio beside a venue: rounds that commit to arrays, and arrays shown for a question.

What arrays say is asked of the core's own definition, once for a round; only a test that spoils one makes others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from contract_maths import compiled
from contract_venue import Venue, key

from exchange import calldata, risk_words
from exchange.calldata import Round, Sheet, SpotWord
from exchange.core.black76 import SCALAR, averaging_years
from exchange.core.margin import Kind
from exchange.core.parameters import PortfolioModel
from exchange.core.risk_models import grid, scan
from exchange.core.risk_models.arrays import RiskRound, Terms, encode, leaf_hash, root_of
from exchange.core.risk_models.requirement import Account, PortfolioMarket, assess, portfolio_rules
from exchange.core.units import WAD
from exchange.risk_words import Commitment, Head, HeldExpiry, Shown, Vols, version_of
from exchange.shell.contract import deploy_local


@dataclass(frozen=True)
class Prices:
    """What a round says: spot by underlying, forward, confidence and settled part of the average by expiry, vols by series."""

    spots: Mapping[int, int]
    forwards: Mapping[int, int]
    vols: Mapping[int, int]
    confs: Mapping[int, int]
    fixed: Mapping[int, int]
    stable: int = WAD


@dataclass
class Arrays:
    """One round with its arrays, as the core has them."""

    venue: Venue
    model: PortfolioModel
    prices: Prices
    underlyings: Mapping[int, int]
    round_id: int
    time: int

    def term(self, expiry: int) -> grid.Sheet:
        """What the options of an expiry are priced on."""
        left = self.venue.expiries[expiry] - self.time
        expected, fixed = self.prices.forwards[expiry], self.prices.fixed.get(expiry, 0)
        return grid.Sheet(expected, left, averaging_years(left, expected, fixed), fixed)

    @cached_property
    def risk(self) -> RiskRound:
        """The arrays of the definition."""
        terms = {series: Terms(*self.venue.strikes[series], vol) for series, vol in self.prices.vols.items()}
        return RiskRound(self.model, self.round_id, {e: self.term(e) for e in self.prices.forwards}, terms, SCALAR)

    @cached_property
    def leaves(self) -> dict[int, bytes]:
        """Leaves in ascending series; a test may spoil one."""
        return {key: encode(self.round_id, key, self.risk.array(key).cells) for key in sorted(self.prices.vols)}

    @cached_property
    def vols(self) -> tuple[Vols, ...]:
        return tuple(
            Vols(
                expiry,
                forward,
                self.prices.fixed.get(expiry, 0),
                tuple(vol for key, vol in sorted(self.prices.vols.items()) if key >> 16 == expiry),
            )
            for expiry, forward in sorted(self.prices.forwards.items())
        )

    @cached_property
    def heads(self) -> tuple[Head, ...]:
        spots, confs = self.prices.spots, self.prices.confs
        return tuple(Head(expiry, spots[self.underlyings[expiry]], confs[expiry]) for expiry in sorted(confs))

    @cached_property
    def hashed(self) -> list[bytes]:
        return [leaf_hash(leaf) for leaf in self.leaves.values()]

    @cached_property
    def commitment(self) -> Commitment:
        return risk_words.commitment_of(self.vols, self.heads, root_of(self.hashed), len(self.hashed))

    @cached_property
    def round(self) -> Round:
        """As it is signed and posted."""
        sheets = []
        for expiry, forward in sorted(self.prices.forwards.items()):
            spot, conf = self.prices.spots[self.underlyings[expiry]], self.prices.confs[expiry]
            marks = tuple(max(self.risk.array(key).cells[0], 1) for key in self.leaves if key >> 16 == expiry)
            sheets.append(Sheet(expiry, self.underlyings[expiry], spot, forward, conf, marks))
        spots = tuple(SpotWord(underlying, spot, WAD, 0) for underlying, spot in sorted(self.prices.spots.items()))
        digest = self.commitment.digest(version_of(self.model))
        return Round(self.round_id, self.time, self.prices.stable, spots, tuple(sheets), digest)

    @property
    def word(self) -> int:
        """Time and stable price, as Clearing has them."""
        return self.time << 128 | self.prices.stable

    @property
    def hashes(self) -> bytes:
        return calldata.sheet_hashes(self.round)

    def source(self, expiry: int) -> tuple[object, ...]:
        """For RiskArrays."""
        return risk_words.source(self.round_id, self.hashes, self.commitment, self.vols, expiry)

    @property
    def shown(self) -> Shown:
        """For Portfolio."""
        return Shown(self.round_id, self.hashes, self.commitment, self.heads, self.leaves)

    # -- what the core says -------------------------------------------------------------------------------------

    def needed(self, positions: Mapping[int, int], kind: Kind) -> int:
        """What cash must not fall below: the requirement less what options are worth, never less than nothing."""
        rules = portfolio_rules(self.model)
        markets = []
        for underlying, spot in self.prices.spots.items():
            held: dict[int, dict[int, int]] = {}
            for series, qty in sorted(positions.items()):
                if self.underlyings[series >> 16] == underlying:
                    held.setdefault(series >> 16, {})[series] = qty
            parts = [scan.added_up(self.risk, e, legs, self.prices.confs[e]) for e, legs in held.items()]
            markets.append(PortfolioMarket(rules, scan.Market(spot, tuple(parts))))
        found = assess(Account(rules, 0, self.prices.stable, (), tuple(markets)), kind)
        return max(found.requirement - found.equity, 0)

    def held(self, positions: Mapping[int, int]) -> list[int]:
        """Positions written out as Clearing does."""
        expiries = []
        by_place = sorted({series >> 16 for series in positions}, key=lambda e: (self.underlyings[e], e))
        for expiry in by_place:
            groups = []
            for group in sorted({series >> 2 for series in positions if series >> 16 == expiry}):
                four = [group * 4 + lane for lane in range(4)]
                strikes = calldata.strikes_word([self.venue.strikes.get(key) for key in four])
                groups.append((group * 4, tuple(positions.get(key, 0) for key in four), strikes))
            expiries.append(HeldExpiry(expiry, self.underlyings[expiry], self.venue.expiries[expiry], tuple(groups)))
        return risk_words.held_words(expiries)


@dataclass
class Risk:
    """RiskArrays and Portfolio of a venue."""

    venue: Venue

    def __post_init__(self) -> None:
        self.model = self.venue.model
        self.arrays, self.portfolio = self.venue.risk_arrays, self.venue.portfolio
        chain, operator = self.venue.chain, key("operator")
        self.probe = deploy_local(chain, operator, compiled("AskingProbe"))

    def at(self, prices: Prices, underlyings: Mapping[int, int]) -> Arrays:
        """The next round, not posted yet."""
        venue = self.venue
        return Arrays(venue, self.model, prices, underlyings, max(venue.rounds, default=0) + 1, venue.now)

    def question(self, arrays: Arrays, positions: Mapping[int, int], kind: Kind) -> bytes:
        """Call of the probe that asks for one requirement."""
        words = arrays.held(positions)
        args = (self.portfolio.address, words, arrays.word, kind is Kind.INITIAL)
        return self.probe.interface.encode("one", *args)

    def ask(self, arrays: Arrays, positions: Mapping[int, int], kind: Kind, *, computed: bool = False) -> int:
        """What Portfolio says of positions, with just their arrays shown."""
        call = self.question(arrays, positions, kind)
        return int.from_bytes(self.passed(call, arrays.shown, positions, computed=computed), "big")

    def passed(self, call: bytes, shown: Shown, series: Iterable[int], *, computed: bool = False) -> bytes:
        """The probe's answer with arrays shown, which changes nothing."""
        data = risk_words.with_arrays(call, self.probe.address, shown, series, computed=computed)
        return self.venue.chain.call(self.portfolio.address, data)
