"""Builds the golden journal: a small venue that does everything once, from fixed keys and a fixed seed.

Run `python -m tests.golden.build` at the root of the repository to write tests/golden/venue.journal and its anchor anew.
Signatures are real and deterministic (RFC 6979), the journal is written by the real writer, and no clock is read: the
same code gives the same records on any machine. The journal may change only together with the schema or the rules, and
the change is then reviewed as such.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from exchange import codec, signing
from exchange.core import commands as c
from exchange.core import settlement
from exchange.core.events import Accepted, ExpiryFixed, Rejected
from exchange.core.machine import apply
from exchange.core.margin import settlement_value
from exchange.core.oracle import implied_marks
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, TWAP_SECONDS, WAD
from exchange.shell.boot import GENESIS
from exchange.shell.feeds import digest_of
from journal import Anchor, Record, SqliteStore, Writer, encode_record

GOLDEN = Path(__file__).with_name("venue.journal")
T0 = 1_786_910_400  # 2026-08-16T20:00Z, a half hour
CENT = WAD // 100
USDC = 10**6
STANDARD = c.StandardModel(
    *[cents * CENT for cents in (15, 13, 9, 9, 9, 120, 110, 105, 55, 100, 99, 200)],
)
FEES = c.FeeSchedule(4 * CENT // 100, -CENT // 100, 125 * CENT // 10)
BTC, ETH = 0, 1


def key_of(name: str) -> bytes:
    """The private key of a person of this story."""
    return hashlib.sha256(b"verbatim golden journal: " + name.encode()).digest()


class Wallet(NamedTuple):
    """An account and who signs for it."""

    account: int
    key: bytes
    address: bytes


def wallet(account: int, name: str) -> Wallet:
    return Wallet(account, key_of(name), signing.address_of(key_of(name)))


class Venue:
    """A machine that writes down what it does. ``signed`` false leaves signatures blank, which is much faster."""

    def __init__(self, *, signed: bool, digest_every: int) -> None:
        self.state = State()
        self.records: list[Record] = []
        self.time_ns = T0 * 10**9
        self.signed = signed
        self.digest_every = digest_every
        self.acc = {BTC: 0, ETH: 0}
        self.nonces: dict[int, int] = {}
        self.oracle_keys = sorted((key_of(f"oracle {n}") for n in range(5)), key=signing.address_of)[:4]

    def do(self, command: c.AnyCommand) -> tuple[object, ...]:
        seq = self.state.seq + 1
        events = apply(self.state, seq, self.time_ns, command)
        self.records.append(Record(seq, self.time_ns, codec.encode_command(command), codec.encode_events(events)))
        if seq % self.digest_every == 0 and type(command) is not c.TakeDigest:
            self.do(c.TakeDigest())
        return events

    def must(self, command: c.AnyCommand) -> tuple[object, ...]:
        events = self.do(command)
        assert type(events[0]) is not Rejected, (command, events)
        return events

    def observe(self, kind: Callable[..., c.Observation], *facts: object) -> tuple[object, ...]:
        return self.must(kind(self.state.mirror.action_id + 1, *facts))

    def order(self, who: Wallet, series: int, is_buy: bool, qty: int, price: int, **terms: object) -> c.Authorisation:
        """A signed order with the next nonce of its account."""
        nonce = self.nonces[who.account] = self.nonces.get(who.account, -1) + 1
        fields = {
            "account": who.account,
            "series": series,
            "is_buy": is_buy,
            "qty": qty,
            "price": price,
            "max_fee": 10_000 * USDC,
            "tif": c.GTC,
            "post_only": False,
            "reduce_only": False,
            "replaces": 0,
            "nonce": nonce,
            "expiry_s": NO_EXPIRY,
            "signer": who.address,
            "signature": bytes(65),
        }
        auth = c.Authorisation(**(fields | terms))
        return msgspec.structs.replace(auth, signature=self._sign(who.key, auth)) if self.signed else auth

    def _sign(self, key: bytes, auth: c.Authorisation) -> bytes:
        config = self.state.config
        assert config is not None
        order = signing.Order(
            account=auth.account,
            series=auth.series,
            is_buy=auth.is_buy,
            quantity=auth.qty,
            limit_price=auth.price,
            max_fee=auth.max_fee,
            time_in_force=auth.tif,
            post_only=auth.post_only,
            reduce_only=auth.reduce_only,
            replaces=auth.replaces,
            nonce=auth.nonce,
            expiry=auth.expiry_s,
        )
        return signing.sign(
            key, signing.order_digest(signing.domain_separator(config.chain_id, config.clearing), order)
        )

    def round(self, time_s: int, spots: dict[int, int], vol: int) -> tuple[object, ...]:
        """An oracle round at a moment, its accumulators continued."""
        state, last = self.state, self.state.round
        self.time_ns = max(self.time_ns, time_s * 10**9)
        for underlying in self.acc:
            if last is not None:
                self.acc[underlying] += state.spots[underlying].spot * (time_s - last.time_s)
        sheets = []
        for expiry in state.expiries.values():
            if expiry.fixing < 0:
                forward = spots[expiry.underlying]
                bare = c.Sheet(expiry.id, forward, WAD, tuple(vol for _ in expiry.series), ())
                marks = implied_marks(bare, expiry, state.series, time_s)
                sheets.append(msgspec.structs.replace(bare, marks=marks))
        words = tuple(c.Spot(key, spots[key], WAD, self.acc[key]) for key in self.acc)
        number = last.round_id + 1 if last is not None else 1
        bare_round = c.PostRound(number, time_s, WAD, words, tuple(sheets), ())
        return self.must(self._witnessed(bare_round))

    def _witnessed(self, command: c.PostRound) -> c.PostRound:
        if not self.signed:
            return command
        digest = digest_of(self.state, command)
        return msgspec.structs.replace(command, signatures=tuple(signing.sign(key, digest) for key in self.oracle_keys))


class Story:
    """What happens at the golden venue: two hours of trading in two underlyings, one expiry, and people who leave."""

    def __init__(self, *, seed: int, steps: int, signed: bool, digest_every: int) -> None:
        self.rng = random.Random(seed)
        self.venue = Venue(signed=signed, digest_every=digest_every)
        self.steps = steps
        self.spots = {BTC: 63_000 * USDC, ETH: 2_500 * USDC}
        self.vol = 50 * CENT
        self.wallets = [wallet(number, f"trader {number}") for number in range(1, 7)]
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
            self.settle(lag=2)
            for event in events:
                if type(event) is ExpiryFixed:
                    self.expire(event.expiry_id)
            self.event(number)
        self.close()
        return self.venue.records

    # -- opening and closing ------------------------------------------------------------------------------------------

    def open(self) -> None:
        do = self.venue.must
        do(c.Configure("golden", 31337, b"C" * 20, b"O" * 20, b"P" * 20, 1800, 24, 600, FEES, STANDARD))
        do(c.ListUnderlying(BTC, "BTC_USDC", 100, USDC, 5 * USDC, 1000 * USDC))
        do(c.ListUnderlying(ETH, "ETH_USDC", 1000, USDC // 10, USDC // 2, 100 * USDC))
        self.list(1, BTC, T0 + 2 * TWAP_SECONDS, range(61_000, 66_000, 1_000))
        self.list(2, BTC, T0 + 48 * TWAP_SECONDS, range(60_000, 68_000, 2_000))
        self.list(3, ETH, T0 + 96 * TWAP_SECONDS, range(2_300, 2_800, 200))
        for who in self.wallets:
            self.venue.observe(c.ObserveAccount, who.account, who.address)
            self.venue.observe(c.ObserveDeposit, who.account, 300_000 * USDC)
        self.venue.observe(c.ObserveKey, 4, self.session.address, c.SCOPE_TRADE | c.SCOPE_CANCEL, NO_EXPIRY)
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
        acts = (self.rest, self.rest, self.rest, self.take, self.take, self.amend, self.cancel, self.odd)
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
        return self.wallets[account - 1]

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
        which, who = self.rng.randrange(6), self.rng.choice(self.wallets)
        if which == 0:
            self.reduce(who)
        elif which == 1:
            dies = self.venue.time_ns // 10**9 + 90
            self.venue.do(c.Place(self.quote(who, expiry_s=dies)))
        elif which == 2:
            self.venue.do(c.Tick())
        elif which == 3:
            self.venue.do(c.Place(self.venue.order(who, self.series(), True, 7, 3 * USDC)))
        elif which == 4:
            self.venue.do(c.Place(self.venue.order(who, 9 << 16, True, 100, 3 * USDC)))
        else:
            self.venue.do(c.CancelAll(who.account, self.series() if self.rng.random() < 0.7 else -1))

    def reduce(self, who: Wallet) -> None:
        positions = self.venue.state.accounts[who.account].positions
        assert self.venue.state.view is not None
        live = [series for series in positions if series in self.venue.state.view.marks]
        if live:
            series = self.rng.choice(live)
            is_buy = positions[series] < 0
            price = self.price(series, 130 if is_buy else 70)
            auth = self.venue.order(who, series, is_buy, abs(positions[series]), price, tif=c.IOC, reduce_only=True)
            self.venue.do(c.Place(auth))

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
        happenings = {
            3: lambda: self.venue.observe(c.ObserveWithdrawalRequest, 1, 5_000 * USDC),
            5: lambda: self.venue.observe(c.ObserveWithdrawal, 1, 5_000 * USDC),
            7: lambda: self.venue.observe(c.ObserveWithdrawalRequest, 2, 9_000 * USDC),
            9: lambda: self.venue.observe(c.ObserveWithdrawalCancelled, 2),
            12: lambda: self.venue.observe(c.ObserveRevocation, 4, self.session.address),
            14: self.cancel_on_chain,
            16: lambda: self.venue.must(c.SetTrading(is_open=False, cause="a drill")),
            17: lambda: self.venue.must(c.SetTrading(is_open=True, cause="the drill is over")),
            20: lambda: self.venue.observe(c.ObserveExit, 6),
            24: lambda: self.venue.observe(c.ObserveExitCleared, 6),
            26: lambda: self.venue.do(c.ObserveDeposit(1, 1, USDC)),
            28: lambda: self.venue.observe(c.ObserveKey, 4, self.session.address, c.SCOPE_TRADE, T0 + 50 * 120),
        }
        if number in happenings:
            happenings[number]()

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
