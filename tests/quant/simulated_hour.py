"""An hour of a venue whose machine prices with floats that prove themselves: rounds, orders, an expiry that settles.

Everything that is drawn is an integer drawn from a seed, so that two runs can differ by nothing but arithmetic. Run as a
program it prints the digest of its last state and that of every word said on the way.
"""

from __future__ import annotations

import random
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "tests" / "core") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core")]

from core_venue import BTC, HALF_HOUR, T0, USDC, Venue  # noqa: E402

from exchange import codec  # noqa: E402
from exchange.core.black76 import Pricer  # noqa: E402
from exchange.core.images import digest  # noqa: E402
from exchange.core.pricing import marks_of  # noqa: E402
from exchange.core.risk_models.arrays import RiskRound, Terms  # noqa: E402
from exchange.core.risk_models.grid import Sheet  # noqa: E402
from exchange.core.risk_models.venue_set import PORTFOLIO  # noqa: E402
from exchange.core.units import WAD, years_of  # noqa: E402
from exchange.quant.pricer import VectorPricer  # noqa: E402

ROUND_S = 10
ARRAYS_EVERY = 60
STRIKES = tuple(range(50_000, 76_000, 2_000))


class Hour:
    """A market from half an hour before an expiry's window to half an hour after it opens, that expiry settled."""

    def __init__(self, pricer: Pricer, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.venue = Venue().open()
        self.venue.state.pricer = pricer
        for expiry_s in (T0 + 2 * HALF_HOUR, T0 + 50 * HALF_HOUR, T0 + 2_000 * HALF_HOUR):
            self.venue.list_expiry(expiry_s, STRIKES)
        for account in (1, 2, 3, 4):
            self.venue.fund(account, 1_000_000)
        self.spot = 62_000 * USDC
        self.arrays = sha256()

    def run(self) -> str:
        """The whole hour; its digests."""
        for number in range(2 * HALF_HOUR // ROUND_S + 1):
            self.round()
            if number % ARRAYS_EVERY == 0:
                self.arrays.update(self.root())
            for _ in range(3):
                self.order()
            self.venue.wait(ROUND_S)
        assert self.venue.state.expiries[1].fixing > 0
        said = sha256()
        for record in self.venue.log:
            said.update(codec.encode_command(record.command) + codec.encode_events(record.events))
        return f"{digest(self.venue.state).hex()} {said.hexdigest()} {self.arrays.hexdigest()}"

    def round(self) -> None:
        """The spot walks by up to three in ten thousand, each expiry's vols by their own smile."""
        self.spot += self.spot * self.rng.randint(-300, 300) // 1_000_000
        blank = self.venue.round_of({BTC: self.spot})
        sheets = []
        for sheet in blank.sheets:
            strikes = [self.venue.state.series[sid].strike for sid in self.venue.state.expiries[sheet.expiry_id].series]
            vols = tuple(WAD // 2 + WAD * abs(strike - self.spot) // (2 * self.spot) for strike in strikes)
            forward = self.spot + self.spot * sheet.expiry_id // 1_000
            bare = type(sheet)(sheet.expiry_id, forward, WAD, vols, ())
            marks = marks_of(self.venue.state, bare, self.venue.now_s, blank.spots[0].acc)
            sheets.append(type(sheet)(sheet.expiry_id, forward, WAD, vols, marks))
        self.venue.must(type(blank)(blank.round_id, blank.time_s, WAD, blank.spots, tuple(sheets), ()))

    def order(self) -> None:
        """Somebody bids or offers about the mark of a series that is alive."""
        state = self.venue.state
        assert state.view is not None
        series = self.rng.choice(sorted(state.view.marks))
        price = max(state.view.marks[series] * self.rng.randint(90, 110) // 100 // (5 * USDC), 1) * 5 * USDC
        account, is_buy = self.rng.randint(1, 4), self.rng.random() < 0.5
        self.venue.place(account, series, is_buy, 100 * self.rng.randint(1, 20), price)

    def root(self) -> bytes:
        """Merkle root of the risk arrays of every series of the round in force."""
        state, view = self.venue.state, self.venue.state.view
        assert view is not None
        left = {key: state.expiries[key].expiry_s - view.time_s for key in view.terms}
        sheets = {key: Sheet(view.terms[key].expected, left[key], years_of(left[key])) for key in view.terms}
        options = [state.series[key] for key in view.marks]
        terms = {option.id: Terms(option.strike, option.is_call, view.vols[option.id]) for option in options}
        return RiskRound(PORTFOLIO, view.id, sheets, terms, state.pricer).root()


if __name__ == "__main__":
    print(Hour(VectorPricer()).run())
