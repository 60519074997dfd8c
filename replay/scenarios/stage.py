"""A venue to play on: the machine, an oracle that signs, people with keys, and a chain that says what it did.

Every act is a record, made by the machine as it is, and ``journal`` writes them by the real writer. What the contracts
would decide here follows from the core's own rules of liquidation, and reaches the machine as facts of the chain. No
clock is read and no number drawn: the same play gives the same bytes. Imports core, codec, signing, feeds, the journal.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from exchange import codec, signing
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import firing, risk, status, stress
from exchange.core.breakers import Allowed, allowed
from exchange.core.liquidation import Holder, StandardAppraisal, equity_of
from exchange.core.machine import apply
from exchange.core.margin import Kind
from exchange.core.pricing import marks_of
from exchange.core.state import VENUE, State
from exchange.core.units import NO_EXPIRY, USDC_ONE, WAD, Cash, Price, Qty, Seconds, Wad
from exchange.quant.insurance import STANDARD
from exchange.shell.feeds import digest_of
from journal import Anchor, Record, SqliteStore, Writer, encode_record
from journal.startup import anchor_path, lock_path
from replay.source import GENESIS

WINDOW_S: Final = 1_800
NO_FEES: Final = c.FeeSchedule(0, 0, 0)
"""Fees would blur what a rule costs."""
BLOCK_S: Final = 12
FRAME: Final = 64
ORACLES: Final = 4


class Person(NamedTuple):
    """An account, and who signs for it."""

    account: int
    key: bytes
    address: bytes


class Refused(Exception):
    """The machine refused what the play needs to be taken."""


def key_of(name: str) -> bytes:
    """The private key of somebody in a play: no secret, and the same each time."""
    return sha256(b"verbatim scenario: " + name.encode()).digest()


class Stage:
    """One venue with one underlying, from its first record on."""

    def __init__(self, name: str, underlying: str, *, start_s: Seconds, lot: Qty, tick: Price) -> None:
        self.state = State()
        self.records: list[Record] = []
        self.told: list[tuple[e.Event, ...]] = []  # the events of each record
        self.time_ns = start_s * 10**9
        self.vol: Wad = WAD // 2
        self._nonces: dict[int, int] = {}
        self._oracles = sorted((key_of(f"oracle {n}") for n in range(ORACLES)), key=signing.address_of)
        operator = signing.address_of(key_of("operator"))
        self.must(
            c.Configure(name, 31_337, b"C" * 20, b"O" * 20, operator, WINDOW_S, 64, 600, NO_FEES, STANDARD, combos=True)
        )
        self.must(c.ListUnderlying(0, underlying, lot, tick, tick, 10**15))

    # -- records ------------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> Seconds:
        """The clock in whole seconds."""
        return self.time_ns // 10**9

    def wait(self, seconds: Seconds, *, in_sight: bool = True) -> None:
        """Let time pass, with the chain in sight or not."""
        self.time_ns += seconds * 10**9
        if in_sight:
            self.see_block()

    def do(self, command: c.AnyCommand) -> tuple[e.Event, ...]:
        """One record, whether the machine takes the command or not."""
        seq = self.state.seq + 1
        events = apply(self.state, seq, self.time_ns, command)
        self.records.append(Record(seq, self.time_ns, codec.encode_command(command), codec.encode_events(events)))
        self.told.append(events)
        return events

    def must(self, command: c.AnyCommand) -> tuple[e.Event, ...]:
        """One record that the machine has to take. Raises Refused."""
        events = self.do(command)
        for event in events:
            if isinstance(event, e.Rejected):
                raise Refused(f"{type(command).__name__} is refused: {event.reason} ({event.value}, {event.limit})")
        return events

    def observe(self, kind: Callable[..., c.Observation], *facts: object) -> tuple[e.Event, ...]:
        """The next fact of the chain."""
        return self.must(kind(self.state.mirror.action_id + 1, *facts))

    def see_block(self) -> None:
        """The chain is in sight, up to this second."""
        known, number = self.state.block, self.now_s // BLOCK_S
        if known is None or number > known.number:
            self.must(c.ObserveBlock(number, self.now_s, sha256(b"block %d" % number).digest()))

    def journal(self, path: Path) -> Path:
        """All records so far as a journal with its anchor, the last of them a digest of the state."""
        self.must(c.TakeDigest())
        asyncio.run(write(path, self.records))
        return path

    # -- listings and people ------------------------------------------------------------------------------------------

    def list_expiry(self, expiry_s: Seconds, strikes: Sequence[Price]) -> list[int]:
        """Calls and puts at each strike; the numbers of their series, call and put by turns."""
        number = len(self.state.expiries) + 1
        self.must(c.ListExpiry(number, 0, expiry_s))
        self.observe(c.ObserveListing, number)
        for place, strike in enumerate(strikes):
            for is_call in (True, False):
                self.must(c.ListSeries(number, 2 * place + (not is_call), strike, is_call))
        return list(self.state.expiries[number].series)

    def join(self, name: str, deposit: Cash, *, wallet: str = "") -> Person:
        """Somebody opens an account, by the wallet of that name, and pays in."""
        key = key_of(wallet or name)
        account = max(self.state.accounts) + 1
        person = Person(account, key, signing.address_of(key))
        self.observe(c.ObserveAccount, account, person.address)
        if deposit:
            self.observe(c.ObserveDeposit, account, deposit)
        return person

    def withdraw(self, who: Person, amount: Cash) -> None:
        """Somebody asks for money, and has it."""
        self.observe(c.ObserveWithdrawalRequest, who.account, amount)
        self.observe(c.ObserveWithdrawal, who.account, amount)

    def register(self, who: Person, key: bytes, scopes: int, *, notional: Cash = 0) -> None:
        """The owner delegates a session key, with a limit on all it ever does, or without."""
        self.observe(c.ObserveKey, who.account, signing.address_of(key), scopes, NO_EXPIRY, 0, notional, 0)

    # -- the oracle ---------------------------------------------------------------------------------------------------

    def round(self, spot: Price, *, conf: Wad = WAD) -> tuple[e.Event, ...]:
        """Post what the signers sign at this price; then whoever waited for it enters."""
        round_ = self.unsigned(spot, conf)
        digest = digest_of(self.state, round_)
        signatures = tuple(signing.sign(key, digest) for key in self._oracles)
        events = self.must(msgspec.structs.replace(round_, signatures=signatures))
        while order_id := firing.ready(self.state, self.time_ns):
            self.must(c.Fire(order_id))
        return events

    def unsigned(self, spot: Price, conf: Wad = WAD) -> c.PostRound:
        """The honest round of this second: forwards are the spot, all options at one vol, the integral goes on."""
        state, last, now_s = self.state, self.state.round, self.now_s
        held = state.spots.get(0)
        acc = held.acc + held.spot * (now_s - last.time_s) if held is not None and last is not None else 0
        sheets = []
        for expiry in state.expiries.values():
            if expiry.fixing < 0:
                bare = c.Sheet(expiry.id, spot, conf, (self.vol,) * len(expiry.series), ())
                sheets.append(msgspec.structs.replace(bare, marks=marks_of(state, bare, now_s, acc)))
        number = last.round_id + 1 if last is not None else 1
        return c.PostRound(number, now_s, WAD, (c.Spot(0, spot, conf, acc),), tuple(sheets), ())

    def mark(self, series: int) -> Price:
        """The mark of the round in force."""
        assert self.state.view is not None
        return self.state.view.marks[series]

    # -- trading ------------------------------------------------------------------------------------------------------

    def order(self, who: Person, series: int, is_buy: bool, qty: Qty, price: Price, **terms: Any) -> c.Authorisation:
        """An order that its owner, or the ``key`` named, has signed."""
        config = self.state.config
        assert config is not None
        nonce = self._nonces[who.account] = self._nonces.get(who.account, -1) + 1
        key = terms.pop("key", who.key)
        fields = {"tif": c.GTC, "post_only": False, "reduce_only": False, "replaces": 0, "expiry_s": NO_EXPIRY} | terms
        auth = c.Authorisation(
            account=who.account,
            series=series,
            is_buy=is_buy,
            qty=qty,
            price=price,
            max_fee=10**6 * USDC_ONE,
            nonce=nonce,
            signer=signing.address_of(key),
            signature=bytes(65),
            **fields,
        )
        domain = signing.domain_separator(config.chain_id, config.clearing)
        digest = signing.order_digest(domain, signing.order_of(auth))
        return msgspec.structs.replace(auth, signature=signing.sign(key, digest))

    def place(self, who: Person, series: int, is_buy: bool, qty: Qty, price: Price, **terms: Any) -> int:
        """Enter an order that has to be taken; the record's seq, which is its number."""
        self.must(c.Place(self.order(who, series, is_buy, qty, price, **terms)))
        return self.state.seq

    def trade(self, maker: Person, taker: Person, series: int, qty: Qty, price: Price, *, buys: bool) -> None:
        """The maker bids or offers, the taker takes, and ``buys`` or sells. Raises Refused unless all of it trades."""
        self.place(maker, series, not buys, qty, price)
        events = self.must(c.Place(self.order(taker, series, buys, qty, price, tif=c.IOC)))
        done = sum(event.qty for event in events if isinstance(event, e.Traded))
        if done != qty:
            raise Refused(f"{done} of {qty} traded")

    def settle(self) -> None:
        """Seal what is open; the chain reports every batch."""
        if self.state.first_unsealed < self.state.next_trade:
            self.must(c.SealBatch())
        for batch_id in list(self.state.batches):
            transaction = sha256(b"batch %d" % batch_id).digest()
            self.observe(c.ObserveBatch, batch_id, transaction, self.now_s // BLOCK_S, 1_000_000)
        self.see_block()

    # -- measures -----------------------------------------------------------------------------------------------------

    def appraisal(self) -> StandardAppraisal:
        """Worth and risk at the round in force."""
        assert self.state.view is not None
        return stress.appraisal_of(self.state, self.state.view)

    def holders(self) -> Mapping[int, Holder]:
        """Everybody's cash and positions."""
        return stress.holders_of(self.state)

    def equity(self, who: Person) -> Cash:
        """Cash and what positions are worth at their marks, rounded down."""
        return equity_of(self.appraisal(), self.holders()[who.account])

    def free_cash(self, who: Person) -> Cash:
        """What the contracts let go: cash beyond initial margin, for which what is bought counts nothing."""
        account = self.state.accounts[who.account]
        needed = risk.requirement_of(self.state, risk.view_now(self.state), account.positions, Kind.INITIAL)
        return max(account.cash - account.held - needed, 0)

    def allowed(self) -> Allowed:
        """What every breaker lets through."""
        return allowed(status.breaker_of(self.state, VENUE), status.breaker_of(self.state, 0))


async def write(path: Path, records: Sequence[Record]) -> None:
    """Records as a journal with its anchor, by the real store and writer, in frames of equal length."""
    stamp = [0]
    async with await SqliteStore.open(path, GENESIS) as store:
        async with Writer(store, codec.SCHEMA_FP, wall_ns=lambda: stamp[0]) as writer:
            for at in range(0, len(records), FRAME):
                frame = records[at : at + FRAME]
                stamp[0] = frame[-1].time_ns
                await writer.append([encode_record(record) for record in frame])
        head = await store.head()
    lock_path(path).unlink(missing_ok=True)
    Anchor.create(anchor_path(path), head).close()
