"""Builds the golden journal: a small venue that does everything once, from fixed keys and a fixed seed.

Run `python -m tests.golden.build` at the root of the repository to write tests/golden/venue.journal and its anchor anew.
Signatures are real and deterministic (RFC 6979), the journal is written by the real writer, and no clock is read: the
same code gives the same records on any machine. The journal may change only together with the schema or the rules, and
the change is then reviewed as such.
"""

import asyncio
import hashlib
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from exchange import codec, signing
from exchange.core import commands as c
from exchange.core import settlement
from exchange.core.breakers import Status
from exchange.core.events import Accepted, ComboListed, ExpiryFixed, Reached, Traded, Uncrossed
from exchange.core.firing import ready
from exchange.core.legs import Leg
from exchange.core.margin import settlement_value
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.units import NO_EXPIRY, TWAP_SECONDS, WAD, seconds_of
from exchange.shell.boot import GENESIS
from journal import Anchor, Record, SqliteStore, Writer, encode_record

# Tests load this file by its path, so its neighbour is found the same way.
sys.path.insert(0, str(Path(__file__).parent))

from golden_venue import BTC, CENT, ETH, FEES, STANDARD, T0, USDC, Venue, Wallet, key_of, wallet

# Few scenarios: a fall, a rise, a tail, and a smile that turns.
FEW = msgspec.structs.replace(PORTFOLIO, scenarios=tuple(PORTFOLIO.scenarios[at] for at in (0, 24, 30, 35, 36)))
GOLDEN = Path(__file__).with_name("venue.journal")


class Story:
    """What happens at the golden venue: two hours of trading in two underlyings, one expiry, and people who leave."""

    def __init__(self, *, seed: int, steps: int, signed: bool, digest_every: int) -> None:
        self.rng = random.Random(seed)
        self.venue = Venue(signed=signed, digest_every=digest_every)
        self.steps = steps
        self.spots = {BTC: 63_000 * USDC, ETH: 2_500 * USDC}
        self.vol = 50 * CENT
        self.wallets = [wallet(number, f"trader {number}") for number in range(1, 7)]
        self.poor = wallet(7, "trader 7")
        self.maker = self.wallets[2]
        self.session = Wallet(4, key_of("session key"), signing.address_of(key_of("session key")))
        self.settled = 0

    def tell(self) -> list[Record]:
        """All of it; the records in order."""
        self.open()
        rounds = 2 * TWAP_SECONDS * 2 // 120
        for number in range(1, rounds + 1):
            time_s = T0 + 120 * number
            self.trade(self.steps // rounds)
            self.walk()
            events = self.venue.round(time_s, self.spots, self.vol)
            self.fire()
            self.settle(lag=2)
            self.venue.must(c.ObserveBlock(number, time_s, hashlib.sha256(b"block %d" % number).digest()))
            for event in events:
                if type(event) is ExpiryFixed:
                    self.expire(event.expiry_id)
            self.event(number)
        self.close()
        return self.venue.records

    # -- opening and closing ------------------------------------------------------------------------------------------

    def open(self) -> None:
        do = self.venue.must
        contracts = (31337, b"C" * 20, b"O" * 20, signing.address_of(key_of("operator")))
        settled = {"mandates": True, "blocks": True, "combos": True, "rfqs": True, "portfolio": FEW}
        do(c.Configure("golden", *contracts, 1800, 24, 600, FEES, STANDARD, **settled))
        do(c.ListUnderlying(BTC, "BTC_USDC", 100, USDC, 5 * USDC, 1000 * USDC))
        do(c.ListUnderlying(ETH, "ETH_USDC", 1000, USDC // 10, USDC // 2, 100 * USDC))
        do(c.SetBlocks(ETH, 10_000, "operator"))
        do(c.SetPortfolio(BTC, PORTFOLIO, "operator"))
        self.list(1, BTC, T0 + 2 * TWAP_SECONDS, range(61_000, 66_000, 1_000))
        self.list(2, BTC, T0 + 48 * TWAP_SECONDS, range(60_000, 68_000, 2_000))
        self.list(3, ETH, T0 + 96 * TWAP_SECONDS, range(2_300, 2_800, 200))
        for who in self.wallets:
            self.venue.observe(c.ObserveAccount, who.account, who.address)
            self.venue.observe(c.ObserveDeposit, who.account, 300_000 * USDC)
        self.venue.observe(c.ObserveAccount, self.poor.account, self.poor.address)
        self.venue.observe(c.ObserveDeposit, self.poor.account, 500 * USDC)
        self.venue.observe(c.ObserveKey, 4, self.session.address, c.SCOPE_TRADE | c.SCOPE_CANCEL, NO_EXPIRY)
        for group, covered in (("front", False), ("covered", True)):
            bounds = c.Protection(60 * 10**9, 20 * 10**9, 3_000, 0, 0, 6, covered)
            do(c.SetProtection(self.maker.account, group, bounds))
        self.venue.round(T0, self.spots, self.vol)

    def list(self, expiry_id: int, underlying: int, expiry_s: int, strikes: range) -> None:
        self.venue.must(c.ListExpiry(expiry_id, underlying, expiry_s))
        self.venue.observe(c.ObserveListing, expiry_id)
        for place, strike in enumerate(strikes):
            for is_call in (True, False):
                self.venue.must(c.ListSeries(expiry_id, 2 * place + (not is_call), strike * USDC, is_call))

    def close(self) -> None:
        self.venue.do(c.SealBatch())
        self.venue.do(c.SealBatch())  # nothing is left to seal, and the refusal is journaled too
        self.venue.must(c.SealBatch(heartbeat=True))
        self.settle(lag=0)
        self.venue.do(c.SetTrading(is_open=False, cause="the story ends"))
        self.venue.do(c.Place(self.quote(self.wallets[0])))
        self.venue.do(c.TakeDigest())

    # -- trading ------------------------------------------------------------------------------------------------------

    def walk(self) -> None:
        for underlying, spot in self.spots.items():
            self.spots[underlying] = spot + spot * self.rng.randrange(-30, 31) // 10_000
        self.vol += self.rng.randrange(-1, 2) * CENT

    def trade(self, steps: int) -> None:
        acts = (
            self.rest,
            self.rest,
            self.rest,
            self.take,
            self.take,
            self.amend,
            self.cancel,
            self.odd,
            self.mass_quote,
        )
        for _ in range(steps):
            self.venue.time_ns += self.rng.randrange(10**6, 15 * 10**8 // max(steps // 40, 1))
            self.rng.choice(acts)()

    def series(self) -> int:
        assert self.venue.state.view is not None
        return self.rng.choice(list(self.venue.state.view.marks))

    def price(self, series: int, percent: int) -> int:
        """A price on the tick, this far from the mark."""
        state = self.venue.state
        assert state.view is not None
        underlying = state.underlyings[state.series[series].underlying]
        wanted = max(state.view.marks[series] * percent // 100, underlying.tick_above)
        return wanted - wanted % underlying.tick_at(wanted)

    def qty(self, series: int) -> int:
        state = self.venue.state
        return state.underlyings[state.series[series].underlying].lot * self.rng.randrange(1, 20)

    def quote(self, who: Wallet, **terms: object) -> c.Authorisation:
        series, is_buy = self.series(), self.rng.random() < 0.5
        percent = self.rng.randrange(88, 97) if is_buy else self.rng.randrange(104, 113)
        return self.venue.order(who, series, is_buy, self.qty(series), self.price(series, percent), **terms)

    def rest(self) -> None:
        who = self.rng.choice(self.wallets[:3])
        post_only, label = self.rng.random() < 0.5, self.rng.choice(("", "", "mm"))
        self.venue.do(c.Place(self.quote(who, post_only=post_only), label, slide=post_only))

    def take(self) -> None:
        who = self.rng.choice((*self.wallets[3:], self.session))
        series, is_buy = self.series(), self.rng.random() < 0.5
        price = self.price(series, 120 if is_buy else 80)
        tif = self.rng.choice((c.GTC, c.IOC, c.IOC, c.FOK))
        self.venue.do(c.Place(self.venue.order(who, series, is_buy, self.qty(series), price, tif=tif)))

    def owner_of(self, account: int) -> Wallet:
        return (*self.wallets, self.poor)[account - 1]

    def amend(self) -> None:
        """Shrink an order, or move its price; sometimes after it is gone."""
        state = self.venue.state
        if not state.orders:
            return
        held = state.orders[self.rng.choice(list(state.orders))]
        nonce = state.auths[held.auth_id].auth.nonce
        lot = state.underlyings[state.series[held.series].underlying].lot
        shrink = self.rng.random() < 0.4
        qty = max(held.qty - lot, lot) if shrink else held.qty + lot
        price = held.price if shrink else self.price(held.series, self.rng.randrange(90, 111))
        terms = {"replaces": nonce + 1, "post_only": held.post_only}
        auth = self.venue.order(self.owner_of(held.account), held.series, held.is_buy, qty, price, **terms)
        self.venue.do(c.Amend(held.id, auth, "amended"))

    def cancel(self) -> None:
        orders = self.venue.state.orders
        if orders and self.rng.random() < 0.9:
            held = orders[self.rng.choice(list(orders))]
            self.venue.do(c.Cancel(held.account, held.id))
        else:
            self.venue.do(c.Cancel(1, 1))

    def odd(self) -> None:
        """Orders that close, expire or are refused."""
        place, order = self.place, self.venue.order
        who, series = self.rng.choice(self.wallets), self.series()
        acts = (
            lambda: self.reduce(who),
            lambda: place(self.quote(who, expiry_s=self.venue.time_ns // 10**9 + 90)),
            lambda: self.venue.do(c.Tick()),
            lambda: place(order(who, series, True, 7, 3 * USDC)),  # off the lot
            lambda: place(order(who, 9 << 16, True, 100, 3 * USDC)),  # no such series
            lambda: place(order(self.poor, series, False, self.qty(series), self.price(series, 90))),  # no margin
            lambda: place(self.quote(who, max_fee=0)),
            lambda: place(order(self.poor, series, True, self.qty(series), self.price(series, 99), reduce_only=True)),
            lambda: self.venue.do(c.CancelQuotes(self.maker.account, series=series)),
            lambda: self.venue.do(c.CancelAll(who.account, series if self.rng.random() < 0.7 else -1)),
        )
        self.rng.choice(acts)()

    def mass_quote(self) -> None:
        """Both sides of a few series under one signature; some quotes cross and are refused."""
        leaves = []
        for _ in range(self.rng.randrange(1, 5)):
            series, width = self.series(), self.rng.randrange(-1, 8)
            for is_buy in (True, False):
                price = self.price(series, 100 - width if is_buy else 100 + width)
                leaves.append(c.QuoteLeaf(series, is_buy, self.qty(series), price, 5_000, 10**8))
        group, whole = self.rng.choice(("front", "covered")), self.rng.random() < 0.3
        self.venue.do(self.venue.mass_quote(self.maker, tuple(leaves), group, whole=whole))
        if group == "front":
            terms = c.Terms(protection=group, delta=5_000, slide=True)
            self.place(self.quote(self.maker, post_only=True, terms=terms))

    def place(self, auth: c.Authorisation) -> None:
        self.venue.do(c.Place(auth))

    def reduce(self, who: Wallet) -> None:
        """Close a position at once, or leave an order behind that may only ever close it."""
        positions = self.venue.state.accounts[who.account].positions
        assert self.venue.state.view is not None
        live = [series for series in positions if series in self.venue.state.view.marks]
        if live:
            series = self.rng.choice(live)
            is_buy, tif = positions[series] < 0, self.rng.choice((c.IOC, c.GTC))
            patient = self.price(series, 95 if is_buy else 105)
            price = patient if tif == c.GTC else self.price(series, 130 if is_buy else 70)
            self.place(self.venue.order(who, series, is_buy, abs(positions[series]), price, tif=tif, reduce_only=True))

    # -- the chain ----------------------------------------------------------------------------------------------------

    def settle(self, lag: int) -> None:
        """The chain reports all batches but the newest few."""
        pending = list(self.venue.state.batches)
        for batch_id in pending[: max(len(pending) - lag, 0)]:
            self.settled += 1
            digest = hashlib.sha256(b"transaction %d" % batch_id).digest()
            self.venue.observe(c.ObserveBatch, batch_id, digest, 100 + self.settled, 1_000_000 + batch_id)

    def expire(self, expiry_id: int) -> None:
        """The chain fixes an expiry and pays its holders, once all their batches have settled."""
        self.settle(lag=0)
        state = self.venue.state
        price = state.expiries[expiry_id].fixing
        self.venue.observe(c.ObserveFixing, expiry_id, price)
        for account in sorted(state.mirror.positions):
            legs = settlement.legs_in(state, state.mirror.positions[account], expiry_id)
            if legs:
                self.venue.observe(c.ObserveExpirySettled, expiry_id, account, settlement_value(legs, price))

    def event(self, number: int) -> None:
        """One thing between two rounds that happens once."""
        happening = self.happenings().get(number)
        if happening is not None:
            happening()

    def happenings(self) -> dict[int, Callable[[], object]]:
        """What happens once, and after which round."""
        return {
            2: lambda: self.venue.must(c.FreezeQuotes(self.maker.account, "front", is_frozen=True)),
            4: lambda: self.venue.must(c.FreezeQuotes(self.maker.account, "front", is_frozen=False)),
            3: lambda: self.venue.observe(c.ObserveWithdrawalRequest, 1, 5_000 * USDC),
            5: lambda: self.venue.observe(c.ObserveWithdrawal, 1, 5_000 * USDC),
            7: lambda: self.venue.observe(c.ObserveWithdrawalRequest, 2, 9_000 * USDC),
            9: lambda: self.venue.observe(c.ObserveWithdrawalCancelled, 2),
            12: self.revoke,
            14: self.cancel_on_chain,
            16: lambda: self.venue.must(c.SetTrading(is_open=False, cause="a drill")),
            17: lambda: self.venue.must(c.SetTrading(is_open=True, cause="the drill is over")),
            18: self.auction,
            19: self.wait_for_a_price,
            20: lambda: self.venue.observe(c.ObserveExit, 6),
            22: self.presence,
            24: lambda: self.venue.observe(c.ObserveExitCleared, 6),
            26: lambda: self.venue.do(c.ObserveDeposit(1, 1, USDC)),
            27: self.refuse_batch,
            29: self.trade_blocks,
            31: self.trade_without_operator,
            33: self.trade_combos,
            35: self.operate,
            37: self.register,
            40: self.ask_for_quotes,
            42: self.liquidate,
            43: self.pool,
            45: self.silence,
            28: lambda: self.venue.observe(c.ObserveKey, 4, self.session.address, c.SCOPE_TRADE, T0 + 50 * 120),
        }

    def auction(self) -> None:
        """A series is auctioned: its book is crossed for a moment, then uncrosses and trades on."""
        self.settle(lag=0)
        self.venue.must(c.SetAuctions(ETH, 60, 60, 1, 0, 0, CENT * 50, "operator"))
        series, now_s = 3 << 16, self.venue.time_ns // 10**9
        self.venue.must(c.SetPhase(c.SERIES, series, c.AUCTION, now_s, 0, "a drill", "operator"))
        buyer, seller = self.wallets[3], self.wallets[4]
        self.venue.must(c.Place(self.venue.order(buyer, series, True, 3_000, self.price(series, 104))))
        self.venue.must(c.Place(self.venue.order(seller, series, False, 2_000, self.price(series, 96))))
        first = self.venue.must(c.Tick())  # which may have to end orders before
        ended = first + self.venue.must(c.Tick())
        assert any(type(event) is Uncrossed for event in ended), ended

    @property
    def pool_of(self) -> Wallet:
        return self.wallets[5]

    def pool(self) -> None:
        """An account is a pool from here on; what it quotes leaves with the round, and half of it stays within terms."""
        state, who, life_s = self.venue.state, self.pool_of, 180
        shares = (WAD // 2, 8 * CENT, WAD, WAD // 2, WAD // 1_000, 0)
        limits = (80 * CENT, 40 * CENT, 15 * CENT, 2 * CENT, 5 * CENT, 95 * CENT, 7_200)
        self.venue.must(c.SetPool(who.account, ETH, c.PoolTerms(life_s, *shares, *limits, (1, 2)), "operator"))
        self.venue.must(c.SetProtection(who.account, "level 1", c.Protection(0, 0, 0, 0, 0, 0)))
        assert state.round is not None
        for percent in (96, 300):
            bid = c.QuoteLeaf(3 << 16, True, 1_000, self.price(3 << 16, percent), 5_000, 10**8)
            due = state.round.time_s + life_s
            self.venue.do(self.venue.mass_quote(who, (bid,), "level 1", whole=True, expiry_s=due))

    def silence(self) -> None:
        """The spot jumps, and the pool is silent for a while; that is no fall, from which one could go on."""
        self.spots[ETH] = self.spots[ETH] * 106 // 100
        self.venue.do(c.ResumePool(self.pool_of.account, "nothing fell", "operator"))

    def trade_blocks(self) -> None:
        """Two agree on two options at once; of a second block one withdraws her signature, and the third is small."""
        self.settle(lag=0)
        maker, taker, call, put = self.wallets[3], self.wallets[4], 3 << 16, 3 << 16 | 1
        legs = [c.BlockLeg(series, series == call, 10_000, self.price(series, 103)) for series in (call, put)]
        self.venue.must(self.venue.block(maker, taker, *legs))
        late = self.venue.block(maker, taker, *legs)
        self.venue.must(c.InvalidateBlock(taker.account, late.block.nonce))
        self.venue.do(late)
        self.venue.do(self.venue.block(maker, taker, c.BlockLeg(put, True, 9_000, self.price(put, 100))))

    def operate(self) -> None:
        """The operator halts a series and lets it go on, by warrants from outside; one comes twice and is refused."""
        for number, phase in enumerate((c.HALTED, c.HALTED, c.CONTINUOUS)):
            operation = c.SetPhase(c.SERIES, 3 << 16, phase, 0, 0, "a drill", "operator")
            command = self.venue.operate(operation, max(number, 1))
            self.venue.do(command)

    def register(self) -> None:
        """What supervisors ask for: commitments, names of which one was wrong, and how good the clock is, if known."""
        do = self.venue.must
        do(c.RecordClock("A1B2C3D4", 2, -1_250, 900, 15_000, 22_000, "Normal"))
        do(c.RecordClock("", 0, 0, 0, 0, 0, "no time service"))
        for signer in self.venue.oracle_seats:
            do(c.ObserveSeat(signer, 0))
        do(c.ObserveSeat(b"s" * 20, seconds_of(self.venue.time_ns) + 60, self.venue.oracle_seats[-1]))
        self.venue.do(c.ObserveSeat(b"t" * 20, 0, self.venue.oracle_seats[-1]))  # it has a successor
        for who in self.wallets[:3]:
            salted = hashlib.sha256(b"salt of %d" % who.account + b"trader %d" % who.account).digest()
            do(c.CommitIdentity(who.account, c.CLIENT, salted, "operator"))
        firm = c.CommitIdentity(1, c.SUBMITTER, hashlib.sha256(b"a firm").digest(), "operator")
        do(self.venue.operate(firm, self.venue.state.operator_nonce + 1))
        do(c.SetReference(c.VENUE, 0, "mic", "XGLD", 0, "", "operator"))
        do(c.SetReference(c.SERIES, 3 << 16, "isin", "US0378331005", 0, "", "operator"))
        wrong = self.venue.state.references[c.SERIES, 3 << 16, "isin"][-1].seq
        isin = c.SetReference(c.SERIES, 3 << 16, "isin", "GB0002634946", wrong, "of another issue", "operator")
        do(self.venue.operate(isin, self.venue.state.operator_nonce + 1))
        self.venue.do(isin)  # what it corrects is no longer in force

    def trade_combos(self) -> None:
        """Two orders for a combo meet below zero; what is left is amended, and rests until orders of its legs come."""
        self.settle(lag=0)
        call, put, buyer, seller = 3 << 16, 3 << 16 | 1, self.wallets[3], self.wallets[4]
        for who in self.wallets:
            self.venue.do(c.CancelAll(who.account))
        (listed,) = self.venue.must(c.CreateCombo((Leg(call, 1), Leg(put, -1))))
        assert isinstance(listed, ComboListed)
        terms = {"legs": self.venue.state.combos[listed.combo].legs}
        bid = self.venue.order(buyer, listed.combo, True, 5_000, -400 * USDC, **terms)
        self.venue.must(c.Place(bid))
        ask = self.venue.order(seller, listed.combo, False, 2_000, -400 * USDC, tif=c.IOC, **terms)
        met = self.venue.must(c.Place(ask))
        (rests,) = (order for order in self.venue.state.orders.values() if order.series == listed.combo)
        terms["replaces"] = bid.nonce + 1
        dearer = self.venue.order(buyer, listed.combo, True, 6_000, 900 * USDC, **terms)
        self.venue.must(c.Amend(rests.id, dearer, "dearer"))
        self.place_at(seller, call, False, 4_000, 104)
        reached = self.place_at(seller, put, True, 4_000, 96)
        assert {Traded, Reached} <= {type(event) for event in (*met, *reached)}, reached
        for who in (buyer, seller):
            self.venue.do(c.CancelAll(who.account))

    def place_at(self, who: Wallet, series: int, is_buy: bool, qty: int, percent: int) -> tuple[object, ...]:
        """An order this far from the mark."""
        return self.venue.must(c.Place(self.venue.order(who, series, is_buy, qty, self.price(series, percent))))

    def trade_without_operator(self) -> None:
        """Two queue a block on the contracts, where it settles; of another only its lapse is heard."""
        maker, taker, put = self.wallets[3], self.wallets[4], 3 << 16 | 1
        for number, lapses_s in enumerate((T0 + 10**6, T0)):
            nonce = max(self.venue.nonces[who.account] for who in (maker, taker)) + 1
            self.venue.nonces[maker.account] = self.venue.nonces[taker.account] = nonce
            parties, digest = (maker.account, taker.account), hashlib.sha256(b"queued block %d" % number).digest()
            self.venue.observe(c.ObserveOffbookQueued, *parties, digest, nonce, lapses_s)
            self.place(self.quote(taker))
        legs = (c.OffbookLeg(put, True, 10_000, 20 * USDC, USDC, 0, 2_500 * USDC),)
        digest = hashlib.sha256(b"queued block 0").digest()
        self.venue.observe(c.ObserveOffbookSettled, *parties, digest, maker.address, taker.address, legs)

    def liquidate(self) -> None:
        """Somebody flags an account on the contracts; another takes part of a position over, and the case is closed."""
        self.settle(lag=0)
        state, (flagged, taker) = self.venue.state, (wallet.account for wallet in self.wallets[3:5])
        now_s, held = self.venue.time_ns // 10**9, state.mirror.positions[flagged]
        series = min(series for series in held if held[series] and state.series[series].expiry_s > now_s)
        part = 100 if held[series] > 0 else -100
        assert state.view is not None
        leg = c.MovedLeg(series, part, state.view.marks[series])
        self.venue.observe(c.ObserveFlag, flagged, now_s + 3_600)
        self.venue.observe(c.ObserveTransfer, flagged, taker, USDC if part > 0 else -USDC, (leg,))
        paid = (c.CashChange(taker, -USDC // 10), c.CashChange(flagged, USDC // 10))
        self.venue.observe(c.ObserveCaseClosed, flagged, 0, paid)

    def wait_for_a_price(self) -> None:
        """Bands are set and lifted; two orders wait for the index, on either side of it, a third for a fill of its own."""
        self.venue.must(c.SetBands(ETH, CENT, CENT, CENT, "operator"))
        self.venue.must(c.SetBands(ETH, 0, 0, 0, "operator"))
        self.move_breakers()
        view = self.venue.state.view
        assert view is not None
        for above in (True, False):
            price = view.spots[ETH] + (1 if above else -1)
            terms = c.Terms(trigger=c.INDEX, trigger_above=above, trigger_price=price)
            self.venue.must(c.Place(self.venue.order(self.wallets[4], 3 << 16, True, 1_000, USDC, terms=terms)))
        series, linked = 3 << 16, c.Terms(link=c.BRACKET, attached=1)
        self.venue.must(c.Place(self.venue.order(self.wallets[3], series, False, 2_000, self.price(series, 101))))
        first = self.venue.order(self.wallets[4], series, True, 1_000, self.price(series, 110), terms=linked)
        terms = c.Terms(trigger=c.INDEX, trigger_above=False, trigger_price=1, link=c.BRACKET, parent=first.nonce + 1)
        exit_ = self.venue.order(self.wallets[4], 3 << 16, False, 1_000, USDC, terms=terms, reduce_only=True, tif=c.IOC)
        self.venue.must(c.Place(first, attached=(c.Attached(exit_),)))

    def move_breakers(self) -> None:
        """A market is curbed and opened again; its feed is watched from here on."""
        for status in (Status.REDUCE_ONLY, Status.NORMAL):
            self.venue.must(c.SetBreaker(c.UNDERLYING, ETH, status, 0, "golden", "operator"))
        self.venue.must(c.SetFeed(ETH, 3_600, 0, 50 * CENT, 6, 0, "operator"))

    def bound(self, who: Wallet, rfq: int, is_buy: bool, qty: int, percent: int, **terms: object) -> c.Authorisation:
        """An order that is good for a request for quotes only."""
        signed = c.Terms(rfq=rfq, whole=bool(terms.pop("whole", False)))
        return self.venue.order(who, 3 << 16, is_buy, qty, self.price(3 << 16, percent), terms=signed, **terms)

    def ask_for_quotes(self) -> None:
        """Requests that fill in two steps, are closed, and end by themselves; quotes that are edited and taken back."""
        self.settle(lag=0)
        must, signed, now_s = self.venue.must, self.bound, self.venue.time_ns // 10**9
        taker, first, second = self.wallets[0], self.wallets[1], self.wallets[5]

        def ask(**terms: object) -> int:
            must(
                c.OpenRfq(taker.account, 3 << 16, terms.pop("side", c.UNTOLD), 6_000, 1_000, 2_000, now_s + 30, **terms)
            )
            return max(self.venue.state.rfqs)  # a digest may stand behind the record

        for maker in (first, second):
            must(c.AdmitMaker(maker.account, is_maker=True))
        rfq = ask(makers=(first.account, second.account), label="golden")
        must(c.QuoteRfq(signed(first, rfq, False, 6_000, 103, whole=True), anonymous=True))
        must(c.QuoteRfq(signed(second, rfq, False, 4_000, 104)))
        offer, replaced = max(self.venue.state.rfq_quotes[rfq]), self.venue.nonces[second.account]
        must(c.QuoteRfq(signed(second, rfq, True, 2_000, 97)))
        must(c.AcceptRfq(signed(taker, rfq, True, 2_000, 105, tif=c.FOK)))
        must(c.RequoteRfq(offer, signed(second, rfq, False, 6_000, 102, replaces=replaced + 1)))
        self.venue.do(c.AcceptRfq(signed(taker, rfq, True, 4_000, 90, tif=c.FOK)))
        must(c.AcceptRfq(signed(taker, rfq, True, 4_000, 105, tif=c.IOC), quote=offer))
        closed, last = ask(side=c.BUYING), ask(anonymous=True)
        must(c.QuoteRfq(signed(first, closed, False, 2_000, 103)))
        self.venue.do(c.QuoteRfq(signed(second, closed, True, 2_000, 97)))
        must(c.CloseRfq(taker.account, closed))
        for maker in (first, second):
            must(c.QuoteRfq(signed(maker, last, True, 2_000, 97)))
        must(c.CancelRfqQuotes(first.account, last))
        self.venue.time_ns += 31 * 10**9
        must(c.Tick())

    def fire(self) -> None:
        """Whoever waits for a price that has been reached enters."""
        while order_id := ready(self.venue.state, self.venue.time_ns):
            self.venue.must(c.Fire(order_id))

    def presence(self) -> None:
        """Connections are lost, a timer fires, a kill switch is pulled and released."""
        must, who, series = self.venue.must, self.wallets[4], 3 << 16
        must(c.SwitchAccount(who.account, cancels=True))
        for switch in (c.AS_ACCOUNT, c.SWITCH_ON):
            must(c.OpenSession(who.address))
            session = self.venue.state.seq
            must(c.SwitchSession(session, switch))
            must(c.Place(self.venue.order(who, series, True, 1_000, USDC), session=session))
        must(c.EndSession(session))
        must(c.EndAllSessions())
        must(c.SetTimer(who.account, 1_000))
        must(c.Place(self.venue.order(who, series, True, 1_000, USDC)))
        self.venue.time_ns += 2 * 10**9
        must(c.Tick())
        must(c.PullKill(c.KILL_OWNER, 0, who.address, who.address, "a drill"))
        self.venue.do(c.Place(self.venue.order(who, series, True, 1_000, USDC)))
        must(c.ReleaseKill(c.KILL_OWNER, 0, who.address, who.address, "the drill is over"))
        must(c.Proceed())

    def revoke(self) -> None:
        """A session key is revoked while an order under it rests, and an account chooses another margin model."""
        self.venue.must(c.Place(self.venue.order(self.session, 3 << 16, True, 1000, USDC)))
        self.venue.observe(c.ObserveRevocation, 4, self.session.address)
        self.venue.observe(c.ObserveModel, 6, 0, 1, self.venue.time_ns // 10**9 + 60)

    def refuse_batch(self) -> None:
        """The contract will not take a batch, the venue halts; somebody finds the cause and opens it again."""
        for batch_id in list(self.venue.state.batches)[:1]:
            self.venue.must(c.BatchRefused(batch_id, "account_margin"))
            self.place(self.quote(self.wallets[0]))
            self.venue.must(c.SetTrading(is_open=True, cause="the cause was found"))

    def cancel_on_chain(self) -> None:
        """The owner of a resting order cancels its nonce on chain, without asking the venue."""
        who = self.wallets[0]
        entered = self.venue.must(c.Place(self.venue.order(who, 3 << 16, True, 1000, USDC)))
        assert type(entered[0]) is Accepted
        nonce = self.venue.nonces[who.account]
        self.venue.observe(c.ObserveCancellation, who.account, nonce >> 8, (1 << (nonce & 255)).to_bytes(32, "big"))


def golden_records() -> list[Record]:
    """The records of the golden journal."""
    return Story(seed=20260817, steps=2_400, signed=True, digest_every=400).tell()


def chunks(records: list[Record], seed: int, largest: int) -> Iterator[list[Record]]:
    """The records in frames of drawn sizes."""
    rng, at = random.Random(seed), 0
    while at < len(records):
        size = rng.randrange(1, largest + 1)
        yield records[at : at + size]
        at += size


async def write(path: Path, records: list[Record], *, seed: int = 1, largest: int = 48) -> None:
    """Write records as a journal with its anchor, by the real store and writer; each chunk becomes one frame."""
    stamp = [0]
    async with await SqliteStore.open(path, GENESIS) as store:
        async with Writer(store, codec.SCHEMA_FP, wall_ns=lambda: stamp[0]) as writer:
            for chunk in chunks(records, seed, largest):
                stamp[0] = chunk[-1].time_ns
                await writer.append([encode_record(record) for record in chunk])
        head = await store.head()
    path.with_name(path.name + ".lock").unlink()
    Anchor.create(path.with_name(path.name + ".anchor"), head).close()


def main() -> None:
    for leftover in (GOLDEN, GOLDEN.with_name(GOLDEN.name + ".anchor")):
        leftover.unlink(missing_ok=True)
    records = golden_records()
    asyncio.run(write(GOLDEN, records))
    print(f"{len(records)} records in {GOLDEN.stat().st_size} bytes at {GOLDEN}")


if __name__ == "__main__":
    main()
