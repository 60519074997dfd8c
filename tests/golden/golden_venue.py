"""The machinery of the golden journal: a machine that writes down what it does, and people with fixed keys.

Nothing here reads a clock or draws a number. `build.py` tells the story.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from exchange import codec, signing
from exchange.core import commands as c
from exchange.core import models
from exchange.core.events import Rejected
from exchange.core.machine import apply
from exchange.core.pricing import marks_of, root_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, WAD
from exchange.shell.feeds import digest_of
from exchange.shell.rounds import with_commitment
from journal import Record

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
        seated = sorted((key_of(f"oracle {n}") for n in range(5)), key=signing.address_of)
        self.oracle_keys, self.oracle_seats = seated[:4], [signing.address_of(key) for key in seated]

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

    def mass_quote(
        self, who: Wallet, leaves: tuple[c.QuoteLeaf, ...], group: str, *, whole: bool, expiry_s: int = NO_EXPIRY
    ) -> c.MassQuote:
        """Signed quotes with the next nonce of their account, and a budget of a few contracts."""
        config = self.state.config
        assert config is not None
        nonce = self.nonces[who.account] = self.nonces.get(who.account, -1) + 1
        mandate = c.QuoteMandate(who.account, nonce, expiry_s, 10_000 * USDC, 5_000, 0, 0, 9, who.address, bytes(65))
        if self.signed:
            domain = signing.domain_separator(config.chain_id, config.clearing)
            digest = signing.mandate_digest(domain, mandate, signing.mandate_root(leaves))
            mandate = msgspec.structs.replace(mandate, signature=signing.sign(who.key, digest))
        return c.MassQuote(mandate, leaves, group, whole=whole)

    def block(self, maker: Wallet, taker: Wallet, *legs: c.BlockLeg) -> c.ExecuteBlock:
        """A block that both have signed, with a nonce that neither has used."""
        config = self.state.config
        assert config is not None
        nonce = max(self.nonces[who.account] for who in (maker, taker)) + 1
        self.nonces[maker.account] = self.nonces[taker.account] = nonce
        block = c.Block(maker.account, taker.account, legs, 10**10, 10**10, nonce, NO_EXPIRY)
        digest = signing.block_digest(signing.domain_separator(config.chain_id, config.clearing), block)
        first, second = (signing.sign(who.key, digest) if self.signed else bytes(65) for who in (maker, taker))
        return c.ExecuteBlock(block, maker.address, first, taker.address, second)

    def operate(self, operation: c.Operation, nonce: int) -> c.Operate:
        """What the operator commands, under a warrant."""
        config, key = self.state.config, key_of("operator")
        assert config is not None
        domain = signing.domain_separator(config.chain_id, config.clearing)
        digest = signing.operation_digest(domain, operation, nonce, NO_EXPIRY)
        signature = signing.sign(key, digest) if self.signed else bytes(65)
        return c.Operate(operation, c.Warrant(nonce, NO_EXPIRY, signing.address_of(key), signature))

    def _sign(self, key: bytes, auth: c.Authorisation) -> bytes:
        config = self.state.config
        assert config is not None
        return signing.sign(
            key,
            signing.order_digest(signing.domain_separator(config.chain_id, config.clearing), signing.order_of(auth)),
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
                marks = marks_of(state, bare, time_s, self.acc[expiry.underlying])
                sheets.append(msgspec.structs.replace(bare, marks=marks))
        words = tuple(c.Spot(key, spots[key], WAD, self.acc[key]) for key in self.acc)
        number = last.round_id + 1 if last is not None else 1
        bare_round = c.PostRound(number, time_s, WAD, words, tuple(sheets), ())
        if models.anybody_chose(state):
            bare_round = msgspec.structs.replace(bare_round, arrays=root_of(state, bare_round))
            bare_round = with_commitment(state, bare_round)
        return self.must(self._witnessed(bare_round))

    def _witnessed(self, command: c.PostRound) -> c.PostRound:
        if not self.signed:
            return command
        digest = digest_of(self.state, command)
        return msgspec.structs.replace(command, signatures=tuple(signing.sign(key, digest) for key in self.oracle_keys))
