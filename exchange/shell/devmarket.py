"""What a development venue trades: one underlying, daily expiries, wallets with money, and a feed of recorded prices.

Nothing here is for production: keys are known to everyone, tokens are minted, and the feed repeats one recorded half
day for ever. Imports venue, owner, panel, recording, sources.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from exchange.core import commands as c
from exchange.core.index import Rules
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.units import NANOS_PER_SECOND, QTY_ONE, TWAP_SECONDS, USDC_ONE, WAD, Cash, Price, Seconds, Wad
from exchange.shell import recording
from exchange.shell.chain import DevControls
from exchange.shell.feeds import VolSurface
from exchange.shell.keys import dev_key
from exchange.shell.owner import Owner
from exchange.shell.panel import Panel, Spot
from exchange.shell.sources import Recorded, Simulated, Source, SourceError, Stream, Streamed
from exchange.shell.venue import Series, Venue

UNDERLYING: Final = 0
TRADERS: Final = 8
DEPOSIT: Final = 1_000_000 * USDC_ONE
DAY_S: Final = 86_400
DELIVERY_S: Final = 8 * 3600  # second of the day, UTC
EXPIRIES: Final = 2
STRIKE_STEP: Final = 1_000 * USDC_ONE
STRIKES: Final = 9
FINALITY_TRIES: Final = 256
SIGNERS: Final = 5
# The recording repeats with a step where its end meets its beginning, and a development venue may be quiet for long.
LENIENT: Final = Rules(jump_min=WAD // 10)

BTC: Final = c.ListUnderlying(
    underlying=UNDERLYING,
    name="BTC_USDC",
    lot=QTY_ONE // 100,
    tick=USDC_ONE // 10,
    tick_above=USDC_ONE,
    tick_step=1_000 * USDC_ONE,
)

BANDS: Final = c.SetBands(UNDERLYING, spot=WAD // 10, vol=WAD // 2, floor=WAD // 50, authoriser="development venue")


BLOCKS: Final = c.SetBlocks(UNDERLYING, min_qty=QTY_ONE, authoriser="development venue")


class IndexFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that names WebSockets to take the index from, and bounds of the feed where the usual ones do not fit."""

    streams: tuple[Stream, ...]
    rules: Rules = Rules()


class Feed:
    """The index of a development venue, agreed on by signers who all see the same sources; one vol for all series.

    Without sources given: the recorded prices of half a day, repeated with the period of the recording.
    """

    def __init__(self, sources: Sequence[Source] | None = None, rules: Rules = LENIENT) -> None:
        rows = recording.trades()
        self.vol: Wad = int(median(row.vol for row in rows if row.vol))
        self.sources = sources if sources is not None else [_recorded(rows)]
        self._panel = Panel([self.sources] * SIGNERS, rules)

    def spot(self, time_s: Seconds) -> Spot | None:
        """What a round as of a second may say; None where it may say nothing."""
        return self._panel.spot(time_s)

    def vols(self, _time_s: Seconds) -> VolSurface:
        """Vols of a round as of a second: one for all series."""
        return lambda _series: self.vol

    def near(self, time_s: Seconds) -> Price:
        """About where the price is. Raises LookupError before any source has spoken."""
        price = self._panel.near(time_s)
        if price is None:
            raise LookupError("no source of the index has said anything yet")
        return price


def _recorded(rows: Sequence[recording.RecordedTrade]) -> Recorded:
    spots = [(row.time_ns // NANOS_PER_SECOND - recording.START_S, row.spot) for row in rows]
    return Recorded(1, spots, recording.EXPIRY_S - recording.START_S)


def simulated(seed: int, now_s: Seconds) -> Feed:
    """A feed that walks at random from where the recording begins, at its vol."""
    recorded = Feed()
    return Feed([Simulated(1, seed, now_s, recorded.near(now_s), recorded.vol)])


def streamed(path: Path) -> Feed:
    """A feed of the WebSockets that a JSON file names. Raises SourceError if the file does not."""
    try:
        told = msgspec.json.decode(path.read_bytes(), type=IndexFile)
    except (OSError, msgspec.DecodeError) as wrong:
        raise SourceError(f"{path}: {wrong}") from wrong
    return Feed([Streamed(number, stream) for number, stream in enumerate(told.streams, 1)], told.rules)


def trader_keys() -> list[bytes]:
    """Keys of the wallets a development venue endows."""
    return [dev_key(f"trader {number}") for number in range(1, TRADERS + 1)]


async def endow(venue: Venue, controls: DevControls, keys: Iterable[bytes], amount: Cash) -> list[Owner]:
    """Wallets with accounts and deposits, once the venue has seen them final."""
    owners = [Owner(venue.contracts, key) for key in keys]
    for owner in owners:
        await owner.endow(controls, amount)
    await until_final(venue, controls)
    return owners


async def until_final(venue: Venue, controls: DevControls) -> None:
    """Mine until everything the contracts did so far is final and journaled. Raises TimeoutError if it never is."""
    wanted = int(await venue.contracts.clearing.call("action_count"))
    for _ in range(FINALITY_TRIES):
        await venue.observe()
        if await venue.sequencer.read(lambda state: state.mirror.action_id) >= wanted:
            return
        await controls.mine(1)
    raise TimeoutError(f"{FINALITY_TRIES} blocks did not make action {wanted} final")


async def list_missing(venue: Venue, spot: Price, now_s: Seconds) -> None:
    """Keep the next expiries listed, around the price they were listed at, and finish one that was left half listed."""
    await venue.adopt_listings()
    if await venue.sequencer.read(lambda state: not state.underlyings):
        await venue.apply(BTC)
        await venue.apply(BANDS)
        await venue.apply(BLOCKS)
        await venue.apply(c.SetPortfolio(UNDERLYING, PORTFOLIO, "development venue"))
    listed = {listing.expiry_s: listing for listing in await venue.listings()}
    for expiry_s in _next_deliveries(now_s):
        known = listed.get(expiry_s)
        series = known.series if known is not None else []
        wanted = _from(series[0].strike if series else _lowest(spot))
        if known is None:
            await venue.list_expiry(UNDERLYING, expiry_s, wanted)
        elif len(series) < len(wanted):
            await venue.list_series(known.expiry_id, wanted)


def _next_deliveries(now_s: Seconds) -> list[Seconds]:
    """Daily deliveries at least an hour before their averaging window."""
    first = (now_s + 2 * TWAP_SECONDS + TWAP_SECONDS - DELIVERY_S) // DAY_S * DAY_S + DAY_S + DELIVERY_S
    return [first + day * DAY_S for day in range(EXPIRIES)]


def _lowest(spot: Price) -> Price:
    """The lowest strike of a grid around the spot."""
    return (round(spot / STRIKE_STEP) - STRIKES // 2) * STRIKE_STEP


def _from(lowest: Price) -> Sequence[Series]:
    strikes = [lowest + step * STRIKE_STEP for step in range(STRIKES)]
    return [Series(strike, is_call) for strike, is_call in product(strikes, (True, False))]
