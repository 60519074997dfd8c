"""A venue without sockets: the real machine, the real publisher, real signatures, and sessions on top."""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from exchange import signing
from exchange.core import commands as c
from exchange.core.events import Event, Rejected
from exchange.core.legs import pack
from exchange.core.machine import apply
from exchange.core.pricing import marks_of
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, WAD
from exchange.dialect.errors import DialectError
from exchange.dialect.listed import Listed
from exchange.publisher import Notification, Publisher
from exchange.session import Limits, Read, Reply, Session, Several, Submit, Subscribe, Tokens, Unsubscribe
from exchange.session.limits import UNLIMITED
from exchange.shell.wallet import Nonces, exact_price, exact_qty, sign_login, sign_order
from tests.dialect.answers import fault_of

T0 = 1_786_910_400  # 2026-08-16 20:00 UTC
EXPIRY_S = T0 + 12 * 3_600  # 2026-08-17 08:00 UTC
CENT = WAD // 100
USDC = 10**6
OPERATOR_KEY = b"\x01" * 32
OPERATOR = signing.address_of(OPERATOR_KEY)
STANDARD = c.StandardModel(*[cents * CENT for cents in (15, 13, 9, 9, 9, 120, 110, 105, 55, 100, 99, 200)])
FEES = c.FeeSchedule(4 * CENT // 100, -CENT // 100, 125 * CENT // 10)
CALL = "BTC_USDC-17AUG26-63000-C"
PUT = "BTC_USDC-17AUG26-63000-P"


class Outcome(NamedTuple):
    seq: int
    time_ns: int
    command: c.AnyCommand
    events: tuple[Event, ...]


class Signed(NamedTuple):
    receipt: signing.Receipt
    signature: bytes


class Venue:
    """Applies commands at once; what the sequencer does with a disk, this does with a list."""

    def __init__(self) -> None:
        self.state = State()
        self.publisher = Publisher()
        self.publisher.rebuild(self.state)
        self.time_ns = T0 * 10**9
        self.notes: list[Notification] = []
        self.outcomes: list[Outcome] = []
        self._acc = 0

    def do(self, command: c.AnyCommand) -> Outcome:
        seq = self.state.seq + 1
        events = apply(self.state, seq, self.time_ns, command)
        outcome = Outcome(seq, self.time_ns, command, events)
        self.notes += self.publisher.tap(self.state, outcome)
        self.outcomes.append(outcome)
        return outcome

    def must(self, command: c.AnyCommand) -> Outcome:
        outcome = self.do(command)
        assert type(outcome.events[0]) is not Rejected, outcome
        return outcome

    def observe(self, kind: Callable[..., c.Observation], *facts: object) -> Outcome:
        return self.must(kind(self.state.mirror.action_id + 1, *facts))

    def advance(self, seconds: float) -> None:
        self.time_ns += int(seconds * 10**9)

    def round(self, spot: int = 63_000 * USDC, vol: int = 50 * CENT) -> None:
        """An oracle round as of now."""
        state, last, now_s = self.state, self.state.round, self.time_ns // 10**9
        if last is not None:
            self._acc += state.spots[0].spot * (now_s - last.time_s)
        sheets = []
        for expiry in state.expiries.values():
            if expiry.fixing < 0:
                bare = c.Sheet(expiry.id, spot, WAD, (vol,) * len(expiry.series), ())
                sheets.append(c.Sheet(expiry.id, spot, WAD, bare.vols, marks_of(state, bare, now_s, self._acc)))
        number = last.round_id + 1 if last is not None else 1
        self.must(c.PostRound(number, now_s, WAD, (c.Spot(0, spot, WAD, self._acc),), tuple(sheets), ()))

    def receipt(self, outcome: Outcome) -> Signed:
        plain = signing.Receipt(
            seq=outcome.seq, prior_root=bytes(32), record_hash=b"\x07" * 32, time_ns=outcome.time_ns
        )
        assert self.publisher.venue is not None
        digest = signing.receipt_digest(self.publisher.venue.domain, plain)
        return Signed(plain, signing.sign(b"\x01" * 32, digest))


def open_venue(strikes: Sequence[int] = (62_000, 63_000, 64_000)) -> Venue:
    venue, known = Venue(), {"mandates": True, "combos": True, "rfqs": True}
    venue.must(c.Configure("test", 31337, b"C" * 20, b"O" * 20, OPERATOR, 1_800, 64, 900, FEES, STANDARD, **known))
    venue.must(c.ListUnderlying(0, "BTC_USDC", 100, USDC, 5 * USDC, 1_000 * USDC))
    venue.must(c.SetPortfolio(0, PORTFOLIO, "test"))
    venue.must(c.ListExpiry(1, 0, EXPIRY_S))
    for index, (strike, is_call) in enumerate(itertools.product(strikes, (True, False))):
        venue.must(c.ListSeries(1, index, strike * USDC, is_call))
    return venue


class Trader:
    """A wallet with an account, talking to a session of its own."""

    def __init__(self, venue: Venue, account: int, key: bytes, limits: Limits = UNLIMITED) -> None:
        self.venue = venue
        self.account = account
        self.key = key
        self.address = signing.address_of(key)
        self.nonces = Nonces()
        self.tokens = Tokens(_mint())
        self.session = Session(venue.publisher, self.tokens, limits, venue.time_ns)
        self.ids = itertools.count(1)

    def send(self, message: object) -> dict[str, Any]:
        """Any JSON value to the session; the reply, completed the way the gateway would."""
        text = message if isinstance(message, str) else json.dumps(message)
        return json.loads(complete(self.venue, self.session.receive(text, self.venue.time_ns)))

    def call(self, method: str, **params: object) -> dict[str, Any]:
        reply = self.send({"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": params})
        if "result" in reply:
            assert fault_of(method.removeprefix("/"), reply["result"]) == "", (method, reply["result"])
        return reply

    def ask(self, method: str, **params: object) -> Any:
        reply = self.call(method, **params)
        assert "result" in reply, reply
        return reply["result"]

    def refused(self, method: str, **params: object) -> tuple[int, dict[str, Any]]:
        reply = self.call(method, **params)
        assert "error" in reply, reply
        return reply["error"]["code"], reply["error"].get("data", {})

    def login(self, **more: object) -> dict[str, Any]:
        fields = sign_login(self.key, self.venue.time_ns // 10**6, f"n{next(self.ids)}")
        return self.ask("public/auth", **(fields | more))

    def order(self, name: str, amount: float, price: float, *, is_buy: bool, **signed: Any) -> dict[str, Any]:
        """Parameters of a signed order; keyword arguments change what is signed, not what is sent."""
        fields: dict[str, Any] = {
            "account": self.account,
            **signed_for(self.venue.publisher.listed[name]),
            "is_buy": is_buy,
            "quantity": exact_qty(amount),
            "limit_price": exact_price(price),
            "max_fee": 100 * USDC,
            "nonce": self.nonces.take(self.account),
            "expiry": NO_EXPIRY,
        }
        fields["is_buy"] ^= signed.pop("flip", False)
        key = signed.pop("key", self.key)
        kind = signing.ComboOrder if "legs" in fields else signing.Order
        order = kind(**(fields | signed))
        assert self.venue.publisher.venue is not None
        authorization = sign_order(key, self.venue.publisher.venue.domain, order)
        return {"instrument_name": name, "amount": amount, "price": price, "authorization": authorization}

    def buy(self, name: str, amount: float, price: float, **sent: object) -> dict[str, Any]:
        return self.ask("private/buy", **(self.order(name, amount, price, is_buy=True) | sent))

    def sell(self, name: str, amount: float, price: float, **sent: object) -> dict[str, Any]:
        return self.ask("private/sell", **(self.order(name, amount, price, is_buy=False) | sent))


def signed_for(listed: Listed) -> dict[str, int]:
    """What an order names: the number of a series, or the legs of a combo."""
    return {"legs": pack(listed.legs)} if listed.legs else {"series": listed.series}


def complete(venue: Venue, work: object) -> str:
    """Do what a piece of work asks, as the shell would."""
    if isinstance(work, Reply):
        return work.text
    if isinstance(work, Submit):
        known = work.unless(venue.state) if work.unless is not None else None
        if known is not None:
            return work.finish(known, None, venue.time_ns + 5_000).text
        outcome = venue.do(work.command)
        rendered = work.render(venue.state, outcome)
        return work.finish(rendered, venue.receipt(outcome), venue.time_ns + 5_000).text
    if isinstance(work, Several):
        try:
            commands = work.plan(venue.state)
        except DialectError as error:
            return work.fail(error, venue.time_ns + 5_000).text
        outcomes, parts = [], []
        for command in commands:
            outcomes.append(venue.do(command))
            parts.append(work.render(venue.state, outcomes[-1]))
        return work.finish(parts, venue.receipt(outcomes[-1]) if outcomes else None, venue.time_ns + 5_000).text
    if isinstance(work, Read):
        try:
            return work.finish(work.query(venue.state), venue.time_ns + 5_000).text
        except DialectError as error:
            return work.fail(error, venue.time_ns + 5_000).text
    if isinstance(work, Subscribe):
        return work.finish(venue.time_ns).text
    assert isinstance(work, Unsubscribe)
    return work.reply.text


def _mint() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"token-{next(numbers)}"


def key_of(number: int) -> bytes:
    return bytes([0x40 + number]) * 32


@pytest.fixture
def venue() -> Venue:
    """Six options on one expiry, three funded accounts, one round."""
    venue = open_venue()
    for number in (1, 2, 3):
        venue.observe(c.ObserveAccount, number, signing.address_of(key_of(number)))
        venue.observe(c.ObserveDeposit, number, 1_000_000 * USDC)
    venue.round()
    return venue


@pytest.fixture
def make_venue() -> Callable[..., Venue]:
    """A venue with listings only."""
    return open_venue


@pytest.fixture
def trader(venue: Venue) -> Callable[..., Trader]:
    """Traders by account number, logged in unless told otherwise."""

    def make(number: int, *, logged_in: bool = True, limits: Limits = UNLIMITED) -> Trader:
        made = Trader(venue, number, key_of(number), limits)
        if logged_in:
            made.login()
        return made

    return make
