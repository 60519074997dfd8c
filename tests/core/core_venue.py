"""A venue to drive in tests: it stamps records, keeps the chain's numbering and the oracle's accumulators in order.

Time moves only when a test says so. Everything that happens is kept in ``log``, as a journal would.
"""

from typing import Any, NamedTuple

import msgspec

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import invariants
from exchange.core.images import decode, digest, encode
from exchange.core.legs import Leg
from exchange.core.machine import apply, fold
from exchange.core.pricing import marks_of
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, U64_MAX, WAD, series_of

T0 = 1_786_910_400  # 2026-08-16T20:00Z, a half hour
HALF_HOUR = 1_800
USDC = 10**6
BTC, ETH = 0, 1
CENT = WAD // 100
STANDARD = c.StandardModel(*[cents * CENT for cents in (15, 13, 9, 9, 9, 120, 110, 105, 55, 100, 99, 200)])
FEES = c.FeeSchedule(4 * WAD // 10_000, -WAD // 10_000, 125 * WAD // 1000)
# Few scenarios of the venue's own: a fall, a rise, a tail, and a smile that turns.
SMALL_PORTFOLIO = msgspec.structs.replace(
    PORTFOLIO, scenarios=tuple(PORTFOLIO.scenarios[at] for at in (0, 24, 30, 35, 36))
)
STRIKES = (60_000, 61_000, 62_000, 63_000, 64_000)


class Record(NamedTuple):
    """What a journal keeps of one command."""

    seq: int
    time_ns: int
    command: Any
    events: tuple[Any, ...]


def configuration(**changes: Any) -> c.Configure:
    """The venue of the tests: half an hour to settle in, batches of a hundred trades or a quarter of an hour."""
    base = c.Configure("test", 1, b"c" * 20, b"o" * 20, b"p" * 20, 1_800, 100, 900, FEES, STANDARD, rfqs=True)
    return msgspec.structs.replace(base, **changes)


def wallet(account: int) -> bytes:
    """The address that owns an account."""
    return account.to_bytes(20, "big")


class Venue:
    """The machine with a clock, a chain and an oracle that a test moves by hand."""

    def __init__(self) -> None:
        self.state = State()
        self.time_ns = T0 * 10**9
        self.log: list[Record] = []
        self.nonces: dict[int, int] = {}

    # -- records ------------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> int:
        """The clock in whole seconds."""
        return self.time_ns // 10**9

    def see_block(self, age_s: int = 120) -> None:
        """The newest final block is of so long ago."""
        number, known = self.now_s // 12, self.state.block
        if known is None or number > known.number:
            self.must(c.ObserveBlock(number, self.now_s - age_s, number.to_bytes(32, "big")))

    def wait(self, seconds: int) -> None:
        """Let the clock run without a record."""
        self.time_ns += seconds * 10**9

    def do(self, command: Any) -> tuple[Any, ...]:
        """Apply one command now; a journal could hold it and its answer."""
        events = apply(self.state, self.state.seq + 1, self.time_ns, command)
        codec.encode_command(command)
        codec.encode_events(events)
        self.log.append(Record(self.state.seq, self.time_ns, command, events))
        return events

    def must(self, command: Any) -> tuple[Any, ...]:
        """Apply a command that has to be taken."""
        events = self.do(command)
        assert not any(type(event) is e.Rejected for event in events), (command, events)
        return events

    def rejected(self, command: Any) -> e.Reject:
        """Apply a command that has to be refused; the rule it broke."""
        event = self.do(command)[-1]
        assert type(event) is e.Rejected, event
        return event.reason

    # -- listings -----------------------------------------------------------------------------------------------------

    def open(self, **changes: Any) -> "Venue":
        """Configure, and list one underlying."""
        self.must(configuration(**changes))
        self.must(c.ListUnderlying(BTC, "BTC_USDC", 100, USDC, 5 * USDC, 1_000 * USDC))
        return self

    def list_expiry(self, expiry_s: int, strikes: tuple[int, ...] = STRIKES, underlying: int = BTC) -> int:
        """A new expiry with a call and a put at each strike; its number."""
        expiry_id = len(self.state.expiries) + 1
        self.must(c.ListExpiry(expiry_id, underlying, expiry_s))
        for place, strike in enumerate(strikes):
            self.must(c.ListSeries(expiry_id, 2 * place, strike * USDC, True))
            self.must(c.ListSeries(expiry_id, 2 * place + 1, strike * USDC, False))
        return expiry_id

    def list_combo(self, *legs: tuple[int, int]) -> int:
        """The number of the combo of these series and ratios."""
        listed = self.must(c.CreateCombo(tuple(Leg(series, ratio) for series, ratio in legs)))[0]
        return int(listed.combo)

    # -- the chain ----------------------------------------------------------------------------------------------------

    def observe(self, kind: type, *facts: Any) -> tuple[Any, ...]:
        """The next thing the chain did."""
        return self.do(kind(self.state.mirror.action_id + 1, *facts))

    def fund(self, account: int, usdc: int) -> None:
        """Open an account if need be, and deposit whole USDC."""
        if account not in self.state.accounts:
            self.observe(c.ObserveAccount, account, wallet(account))
        self.observe(c.ObserveDeposit, account, usdc * USDC)

    # -- the oracle ---------------------------------------------------------------------------------------------------

    def round_of(
        self, spots: dict[int, int], vol: int = WAD // 2, conf: int = WAD, stable: int = WAD, forward_bp: int = 0
    ) -> c.PostRound:
        """The round an honest oracle would sign now: spots in 1e-6 USDC, forwards ``forward_bp`` above them."""
        state, now_s = self.state, self.now_s
        last = state.round
        words = []
        for underlying in state.underlyings:
            held = state.spots.get(underlying)
            acc = held.acc + held.spot * (now_s - last.time_s) if held and last else 0
            words.append(c.Spot(underlying, spots[underlying], conf, acc))
        accs = {word.underlying: word.acc for word in words}
        sheets = []
        for expiry in state.expiries.values():
            if expiry.fixing < 0:
                forward = spots[expiry.underlying] * (10_000 + forward_bp) // 10_000
                bare = c.Sheet(expiry.id, forward, conf, (vol,) * len(expiry.series), ())
                sheets.append(
                    msgspec.structs.replace(bare, marks=marks_of(state, bare, now_s, accs[expiry.underlying]))
                )
        number = last.round_id + 1 if last else 1
        return c.PostRound(number, now_s, stable, tuple(words), tuple(sheets), ())

    def round(self, spot: int, **terms: Any) -> tuple[Any, ...]:
        """Post an honest round with every underlying at ``spot`` whole USDC."""
        return self.must(self.round_of(dict.fromkeys(self.state.underlyings, spot * USDC), **terms))

    # -- orders -------------------------------------------------------------------------------------------------------

    def auth(self, account: int, series: int, is_buy: bool, qty: int, price: int, **terms: Any) -> c.Authorisation:
        """An order signed by the owner, with the next nonce of its account."""
        nonce = self.nonces[account] = self.nonces.get(account, -1) + 1
        combo = self.state.combos.get(series)
        fields = {
            "account": account,
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
            "signer": wallet(account),
            "signature": b"s" * 65,
            "legs": combo.legs if combo is not None else (),
        }
        return c.Authorisation(**(fields | terms))

    def place(self, account: int, series: int, is_buy: bool, qty: int, price: int, **terms: Any) -> tuple[Any, ...]:
        """Enter an order signed by the owner."""
        return self.do(c.Place(self.auth(account, series, is_buy, qty, price, **terms)))

    def amend_auth(self, order_id: int, qty: int, price: int, **terms: Any) -> c.Authorisation:
        """A signed replacement of an open order."""
        order = self.state.orders[order_id]
        replaced = self.state.auths[order.auth_id].auth.nonce
        fields = {
            "replaces": min(replaced + 1, U64_MAX),
            "reduce_only": order.reduce_only,
            "post_only": order.post_only,
        } | terms
        return self.auth(order.account, order.series, order.is_buy, qty, price, **fields)

    def amend(self, order_id: int, qty: int, price: int, **terms: Any) -> tuple[Any, ...]:
        """Replace an open order."""
        return self.do(c.Amend(order_id, self.amend_auth(order_id, qty, price, **terms)))

    # -- what must be true of any history -----------------------------------------------------------------------------

    def check(self) -> None:
        """Every named invariant holds."""
        invariants.check_all(self.state)

    def check_history(self) -> None:
        """Snapshot, fold and codec agree with the history as it happened."""
        data = encode(self.state)
        assert encode(decode(data)) == data
        folded = State()
        for record in self.log:
            command = codec.decode_command(codec.encode_command(record.command))
            events = codec.decode_events(codec.encode_events(record.events))
            assert (command, events) == (record.command, record.events)
            fold(folded, record.seq, record.time_ns, command, events)
        assert digest(folded) == digest(self.state)


def standard_venue(**changes: Any) -> Venue:
    """One underlying, an expiry in eighteen hours and one in a week, and a first round at 62,000."""
    venue = Venue().open(**changes)
    venue.list_expiry(T0 + 36 * HALF_HOUR)
    venue.list_expiry(T0 + 336 * HALF_HOUR)
    venue.round(62_000)
    return venue


def series_named(name: str) -> int:
    """Series of a name such as ``62000C`` or ``62000P.2`` (second expiry)."""
    option, _, expiry = name.partition(".")
    index = 2 * STRIKES.index(int(option[:-1])) + (option[-1] == "P")
    return series_of(int(expiry or 1), index)
