"""The demonstration from the first block to the verdict.

Opens a venue on a chain, lets the recorded market happen on it through its front door, settles, pays everybody out, and
has the journal judged by processes of their own. The only clock is one that this module moves. Imports the shell.
"""

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.units import NANOS_PER_SECOND, QTY_ONE, USDC_ONE, Price, Seconds, seconds_of
from exchange.demo import opening
from exchange.demo.ground import Taken, fresh
from exchange.demo.market import SETUP_S, Happening, Market, Minute
from exchange.demo.pooled import MONEY, DayPool
from exchange.demo.story import Result, Story, Ticker, usdc
from exchange.demo.tally import Tally
from exchange.demo.traders import LOT, TICK, Maker, Quote, Taker, Trader, above, on_tick, requote
from exchange.session.limits import UNLIMITED
from exchange.shell import devmarket
from exchange.shell.chain import ChainError, DevControls
from exchange.shell.client import Client
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.feeds import Maker as RoundMaker
from exchange.shell.keys import dev_key
from exchange.shell.owner import Owner
from exchange.shell.recording import RecordedTrade, delivery_price
from exchange.shell.rpc import RpcChain
from exchange.shell.subscription import Subscription
from exchange.shell.venue import DevKeys, Settings, Venue, open_venue

JOURNAL: Final = Path("var/demo/venue.journal")
MAKERS: Final = (
    (2, 20_000),
    (4, 50_000),
    (8, 100_000),
)  # half width in ticks of the widest grid, size in 1e-4 contract
TAKERS: Final = 12
DEPOSIT: Final = 5_000_000 * USDC_ONE
REQUOTE_S: Final = 1_800
LOGIN_S: Final = 1_800
SETTLING_TRIES: Final = 512  # blocks; a node may call final what is 64 behind, and settling waits for that three times

# Compressed time: an age of batches that gives some dozens in half a day, and a window that half a minute passes.
SIGHT_S: Final = 240  # the chain is seen for so long before the market opens; a few blocks take less
NEAR: Final = 4  # series nearest the spot, whose opening auction trades
TERMS: Final = Terms(settlement_window_s=1_800, batch_age_max_s=900, batch_trades_max=32)

_log = structlog.get_logger(__name__)


class Options(NamedTuple):
    """As on the command line."""

    seconds: float = 0.0
    seed: int = 1
    journal: Path | None = None
    url: str | None = None
    as_json: bool = False


class DemoFailed(Exception):
    """Something the demonstration relies on did not happen; the message says what."""


def run(options: Options) -> int:
    """Run it and print the result: 0 when both audits are clean, 1 when not, 2 when it could not be done."""
    story = Story(quiet=options.as_json)
    try:
        journal = fresh(options.journal, JOURNAL)
        result = asyncio.run(_Demo(options, journal, story).run())
    except (DemoFailed, Taken, ChainError) as error:
        sys.stderr.write(f"verbatim demo: {error}\n")
        return 2
    if options.as_json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    return 0 if result.ok else 1


class _Demo:
    """One run. Phases in the order of ``run``; what they share is here."""

    venue: Venue
    controls: DevControls
    owners: list[Owner]
    makers: list[Maker]
    takers: list[Taker]
    pool: DayPool

    def __init__(self, options: Options, journal: Path, story: Story) -> None:
        self.options = options
        self.journal = journal
        self.story = story
        self.tally = Tally()
        self.chance = random.Random(options.seed)  # noqa: S311 - chooses who trades, guards nothing
        self.rounds = RoundMaker(DevKeys.make().signers)
        self.began = time.monotonic()

    async def run(self) -> Result:
        """Everything; the result."""
        self.market = Market(await self._chain_time())
        self.clock = ManualClock(self.market.start_s - SETUP_S)
        settings = Settings(self.journal, TERMS, self.clock, self.options.url, "verbatim-demo", tap=self.tally.tap)
        async with open_venue(settings) as (self.venue, self.controls):
            self.story.say("chain started, contracts deployed, journal opened")
            await self._prepare()
            async with self._connected() as heard:
                await self._trade()
                self.story.say(f"{await self._heard(heard):,} market data messages reached a spectator")
            price = await self._settle()
            treasury = await self._pay_out()
            await self.venue.apply(c.TakeDigest())
        return await self._judge(price, treasury)

    async def _chain_time(self) -> Seconds:
        if self.options.url is None:
            return 0
        chain = await RpcChain.open(self.options.url)
        try:
            return (await chain.block("latest")).time_s
        finally:
            await chain.close()

    # -- before the market --------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        keys = [dev_key(f"demo wallet {number}") for number in range(len(MAKERS) + TAKERS)]
        await self.venue.apply(devmarket.BTC)
        await self.venue.apply(opening.RULES)
        await self.venue.list_expiry(devmarket.UNDERLYING, self.market.expiry_s, self.market.series)
        self.owners = await devmarket.endow(self.venue, self.controls, keys, DEPOSIT)
        self.pool = await DayPool.open(self.venue, self.controls)
        self.tally.pool = self.pool.account
        self.story.say(
            f"{len(self.market.series)} series listed, {len(keys)} wallets deposited {usdc(len(keys) * DEPOSIT)} USDC"
        )
        self.story.say(f"a pool founded on chain, with {usdc(MONEY)} USDC of its provider")

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Subscription]:
        """Everybody connects to the real port; a spectator subscribes to all there is."""
        async with self.venue.gateway(limits=UNLIMITED) as gateway, contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(await Client.connect(gateway.url)) for _ in self.owners]
            keyed = list(zip(clients, [owner.key for owner in self.owners], strict=True))
            self.makers = [Maker(*pair, *habit) for pair, habit in zip(keyed, MAKERS, strict=False)]
            self.takers = [Taker(*pair) for pair in keyed[len(MAKERS) :]]
            spectator = await stack.enter_async_context(await Client.connect(gateway.url))
            channels = [f"{what}.{name}.raw" for name in self.market.names for what in ("book", "trades")]
            yield await spectator.subscribe(channels, limit=1_000_000)

    @staticmethod
    async def _heard(subscription: Subscription) -> int:
        """How many messages came: all there are once the market has closed."""
        count = 0
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(1.0):
                    await subscription.get()
                count += 1
        return count

    # -- the market ---------------------------------------------------------------------------------------------------

    async def _trade(self) -> None:
        start_ns, end_ns = self.market.start_s * NANOS_PER_SECOND, self.market.expiry_s * NANOS_PER_SECOND
        await self._see_the_chain(start_ns)
        await self._open(start_ns)
        with self.story.market(start_ns, end_ns) as ticker:
            for moment in self.market.script():
                if isinstance(moment, Minute):
                    await self._minute(moment, ticker)
                else:
                    await self._happen(*moment)
        self.story.say(
            f"{self.market.recorded} recorded trades relived: {self.tally.orders:,} signed orders, "
            f"{self.tally.trades:,} fills, {self.tally.sealed} batches"
        )

    async def _see_the_chain(self, start_ns: int) -> None:
        """Nothing fills before the venue has seen a final block that is hardly older than the market."""
        opening_s = seconds_of(start_ns) - SIGHT_S
        self.clock.move_to(opening_s * NANOS_PER_SECOND)
        for _ in range(SETTLING_TRIES):
            await self._block()
            seen = await self.venue.sequencer.read(lambda state: state.block)
            if seen is not None and seen.time_s >= opening_s:
                return
        raise DemoFailed(f"no block of the market's day is final after {SETTLING_TRIES} more")

    async def _open(self, start_ns: int) -> None:
        """Orders collect for a minute; then each series trades at one price, and continuously from there on."""
        self.clock.move_to(start_ns - opening.OPENING_S * NANOS_PER_SECOND)
        await self._post_round()
        await self.venue.sequencer.record(c.Tick())
        for trader in self._traders():
            await trader.log_in()
        await self._quote_everything()
        spot, now_ns = self.market.spot, self.clock.now_ns()
        near = sorted(self.market.series, key=lambda series: (abs(series.strike - spot), series.strike))[:NEAR]
        fair = [(self.market.names[self.market.series.index(each)], self.market.fair(each, now_ns)) for each in near]
        await opening.collect(self.takers, fair)
        self.clock.move_to(start_ns - NANOS_PER_SECOND)
        names = [name for name, _ in fair]
        told = await opening.indicated(self.takers[0].client, names)
        self.story.say("opening auction, indicative: " + ", ".join(opening.in_words(told[name]) for name in names))
        self.clock.move_to(start_ns)
        opened = await opening.uncross(self.venue.sequencer, 4 * len(self.market.series))
        if opened.series != len(names):
            raise DemoFailed(f"{opened.series} of {len(names)} crossed series opened with a price")
        for maker, name in product(self.makers, names):
            for is_buy in (True, False):
                maker.note_hit(name, is_buy=is_buy)
        self.story.say(f"opened: {opened.fills} fills in {opened.series} series, {opened.volume / QTY_ONE:g} contracts")

    async def _minute(self, minute: Minute, ticker: Ticker) -> None:
        """A round, a block, and at half hours logins and quotes."""
        self.clock.move_to(minute.time_ns)
        await self._post_round()
        await self.venue.sequencer.record(c.Tick())
        await self._block()
        since_s = seconds_of(minute.time_ns) - self.market.start_s
        if since_s % LOGIN_S == 0:
            for trader in self._traders():
                await trader.log_in()
        if since_s % REQUOTE_S == 0 and seconds_of(minute.time_ns) < self.market.expiry_s:
            await self._quote_everything()
            await self._quote_the_pool()
        ticker.show(minute.time_ns, self.market.spot, self.tally)
        await self._keep_pace(since_s)

    async def _quote_the_pool(self) -> None:
        """The pool answers this round, and somebody buys what it asks least for near the spot."""
        await self.pool.quote()
        near = min(range(len(self.market.series)), key=lambda at: abs(self.market.series[at].strike - self.market.spot))
        taker, name = self.chance.choice(self.takers), self.market.names[near]
        await self.pool.be_visited(taker, await self._series_of(name), name, self.makers)

    async def _series_of(self, name: str) -> int:
        by_series = await self.venue.sequencer.read(lambda _: dict(self.venue.desk.publisher.by_series))
        return next(series for series, named in by_series.items() if named.name == name)

    def _traders(self) -> list[Trader]:
        return [*self.makers, *self.takers]

    async def _keep_pace(self, since_s: Seconds) -> None:
        """Not faster than asked."""
        due = self.options.seconds * since_s / (self.market.expiry_s - self.market.start_s)
        await asyncio.sleep(max(0.0, due - (time.monotonic() - self.began)))

    async def _post_round(self) -> None:
        spots = {devmarket.UNDERLYING: self.market.spot}
        names = await self.venue.sequencer.read(lambda _: dict(self.venue.desk.publisher.by_series))
        outcome = await self.venue.post_round(self.rounds, spots, lambda series: self.market.vol(names[series].name))
        refused = outcome.events[0]
        if isinstance(refused, Rejected):
            raise DemoFailed(f"a round was refused: {refused}")

    async def _block(self) -> None:
        """The chain moves on to our time, and the venue looks at it."""
        head = await self.venue.chain.block("latest")
        now_s = seconds_of(self.clock.now_ns())
        if now_s > head.time_s:
            await self.controls.set_next_block_time(now_s)
        else:
            self.clock.move_to(head.time_s * NANOS_PER_SECOND)
        await self.controls.mine(1)
        await self.venue.observe()
        await self.venue.settler.step()

    async def _quote_everything(self) -> None:
        for series, name in zip(self.market.series, self.market.names, strict=True):
            await self._quote(name, on_tick(self.market.fair(series, self.clock.now_ns())))

    async def _quote(self, name: str, centre: Price) -> None:
        """All makers around a price, each at its own width."""
        pairs = []
        for maker in self.makers:
            bid, ask = on_tick(centre - maker.width * TICK), above(centre + maker.width * TICK)
            pairs.append((Quote(name, True, bid, maker.size), Quote(name, False, ask, maker.size)))
        await requote(self.makers, name, pairs)

    async def _happen(self, row: RecordedTrade, wanted: Happening) -> None:
        """A recorded trade: makers stand where it traded, a wallet takes."""
        self.clock.move_to(wanted.time_ns)
        self.market.learn(row)
        price = max(on_tick(wanted.price), TICK)
        await self.pool.make_way(await self._series_of(wanted.name))
        await requote(self.makers, wanted.name, self._around(wanted, price))
        taker = self.chance.choice(self.takers)
        placed = await taker.take(wanted, price, wanted.qty)
        for maker in self.makers:
            maker.note_hit(wanted.name, is_buy=not wanted.taker_buys)
        filled = sum(trade["amount"] for trade in placed.trades)
        if round(filled * 10_000) != wanted.qty:
            raise DemoFailed(f"{wanted.name}: {filled} of a recorded {wanted.qty / 10_000} traded")

    def _around(self, wanted: Happening, price: Price) -> list[tuple[Quote, Quote]]:
        """The first two makers share the recorded price, the third stands behind them."""
        half = -(-wanted.qty // 2 // LOT) * LOT
        pairs = []
        for maker, gap, qty in zip(self.makers, (0, 0, 4), (half, wanted.qty, wanted.qty), strict=True):
            near = above(price + gap * TICK - 1) if wanted.taker_buys else on_tick(price - gap * TICK)
            far = on_tick(price - maker.width * TICK) if wanted.taker_buys else above(price + maker.width * TICK)
            bid, ask = (far, near) if wanted.taker_buys else (near, far)
            sizes = (maker.size, max(qty, LOT)) if wanted.taker_buys else (max(qty, LOT), maker.size)
            pairs.append((Quote(wanted.name, True, bid, sizes[0]), Quote(wanted.name, False, ask, sizes[1])))
        return pairs

    # -- after the market ---------------------------------------------------------------------------------------------

    async def _settle(self) -> Price:
        """Until the contracts hold what the machine holds; the settlement price."""
        with self.story.busy("settling the expiry on chain"):
            for _ in range(SETTLING_TRIES):
                await self._block()
                if not await self.venue.settler.step() and await self._is_flat():
                    break
                self.clock.move_to(self.clock.now_ns() + 60 * NANOS_PER_SECOND)
            else:
                raise DemoFailed(f"the expiry was not settled after {SETTLING_TRIES} blocks")
        price = await self.venue.sequencer.read(lambda state: state.mirror.fixings[1])
        self.story.say(f"expiry fixed at {usdc(price)} by a 30-minute average and settled")
        return price

    async def _is_flat(self) -> bool:
        return await self.venue.sequencer.read(
            lambda state: not state.trades and not any(state.mirror.positions.values())
        )

    async def _pay_out(self) -> int:
        """Everybody withdraws everything, in two steps; what the vault still holds, which must be the treasury's."""
        with self.story.busy("traders withdraw"):
            for owner in self.owners:
                await owner.request_withdrawal(await owner.cash_on_chain())
            await self.pool.end()
            await devmarket.until_final(self.venue, self.controls)
            head = await self.venue.chain.block("latest")
            await self.controls.set_next_block_time(head.time_s + TERMS.settlement_window_s + 1)
            await self.controls.mine(1)
            for owner in self.owners:
                await owner.finalise_withdrawal()
            left = await self.pool.pay_out()
            await devmarket.until_final(self.venue, self.controls)
        contracts = self.venue.contracts
        held = int(await contracts.usdc.call("balanceOf", contracts.vault.address))
        treasury = int(await contracts.clearing.call("cash_of", 0))
        paid = sum([await owner.tokens() for owner in self.owners])
        if held != treasury or held + paid + sum(left) != len(self.owners) * DEPOSIT + MONEY:
            raise DemoFailed(f"the vault holds {held}, the treasury owns {treasury}, {paid} was paid out")
        self.story.say(
            f"the pool filled {self.tally.pool_fills} times, {self.tally.pool_volume / QTY_ONE:g} contracts; "
            f"its provider withdrew {usdc(left.paid)} USDC for {usdc(MONEY)}"
        )
        self.story.say(f"{len(self.owners)} wallets withdrew {usdc(paid)} USDC; the vault holds the fees alone")
        return treasury

    # -- the verdict --------------------------------------------------------------------------------------------------

    async def _judge(self, price: Price, treasury: int) -> Result:
        chain = self.options.url or str(self.journal) + ".chain"
        with self.story.busy("replaying the journal"):
            replayed = await _audit("verify", str(self.journal), "--signatures")
        with self.story.busy("reconciling the journal with the contracts"):
            reconciled = await _audit("reconcile", str(self.journal), "--chain", chain)
        result = Result(
            orders=self.tally.orders,
            trades=self.tally.trades,
            batches=self.tally.batches,
            settled_trades=self.tally.settled_trades,
            gas_per_trade=self.tally.gas_per_trade,
            settlement_price=price / USDC_ONE,
            replay_ok=bool(replayed.get("ok")),
            reconcile_ok=bool(reconciled.get("ok")) and bool(reconciled.get("settled")),
            journal=str(self.journal),
            pool_fills=self.tally.pool_fills,
        )
        self.story.conclude(result, self.tally, delivery_price(), treasury, chain)
        return result


async def _audit(*arguments: str) -> dict[str, Any]:
    """Run the replay tool as anyone would, in a process that shares nothing with the venue; what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "replay", *arguments, "--json", stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    try:
        verdict: dict[str, Any] = msgspec.json.decode(told)
    except msgspec.DecodeError:
        _log.error("audit_unreadable", arguments=arguments, code=process.returncode)
        return {}
    return verdict
