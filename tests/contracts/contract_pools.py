"""A pool on the venue of the contract tests: its terms, its players, and quotes that its key signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from contract_venue import USDC, WAD, Venue, address, key
from test_quote_mandates import Message, leaf

from exchange import calldata, signing
from exchange.calldata import Round, Trade
from exchange.core.commands import QuoteMandate
from exchange.core.shares import FEE, Nav, Option, Widths, nav_of, width_of
from exchange.shell.contract import LocalContract, artifact, deploy_local

CENT = WAD // 100
EPOCH = 1_800
LIFE = 60
BOND = 1_000 * USDC
CAP = 10**7 * USDC
QUOTE = Widths(50 * CENT, 8 * CENT)
VALUE = Widths(10 * CENT, 1 * CENT)
FALL = 10 * CENT
TERMS = (EPOCH, LIFE, FEE, *QUOTE, *VALUE, FALL, 55 * CENT, BOND, CAP)
NOTHING: tuple[int, bytes, bytes] = (0, b"", b"")


def shown(round_: Round) -> tuple[int, bytes, bytes]:
    every = {sheet.expiry_id for sheet in round_.sheets}
    return round_.round_id, calldata.sheet_hashes(round_), calldata.select_sheets(round_, every)


@dataclass
class Pooled:
    """A pool with a bond and a key, on somebody's venue."""

    venue: Venue
    pool: LocalContract
    account: int

    def send(self, who: str, name: str, *args: object) -> Any:
        return self.venue.send(who, self.pool, name, *args)

    def refused(self, who: str, name: str, *args: object) -> str:
        return self.venue.refusal(who, self.pool, name, *args)

    def come(self, who: str, amount: int) -> None:
        fund(self.venue, who, self.pool, amount)
        self.send(who, "request_deposit", amount)

    def wait(self, seconds: int = EPOCH) -> None:
        self.venue.chain.set_time(self.venue.now + seconds)

    def serve(self, round_: Round | None = None) -> None:
        """The next epoch, at a round of now if none is named and any is needed."""
        self.wait()
        self.send("keeper", "serve", *(shown(round_) if round_ else NOTHING))

    def fresh(self, **terms: Any) -> Round:
        self.venue.chain.set_time(self.venue.now + 2)
        return self.venue.post(self.venue.round(**terms))

    def shares(self, who: str) -> int:
        return self.pool.call("shares_of", address(who))

    def tokens(self, who: str | bytes) -> int:
        return self.venue.token.call("balanceOf", address(who) if isinstance(who, str) else who)

    def nav(self, round_: Round) -> Nav:
        low, high, _flat = self.pool.call("nav", *shown(round_))
        return Nav(low, high)

    def expected(self, round_: Round) -> Nav:
        """The same by the core, of what the contracts say it holds."""
        options = []
        for series, qty in self.venue.positions(self.account).items():
            sheet = next(sheet for sheet in round_.sheets if sheet.expiry_id == series >> 16)
            left = max(self.venue.expiries[series >> 16] - round_.time, 0)
            mark = sheet.marks[series & 0xFFFF]
            options.append(Option(qty, mark, width_of(VALUE, mark, sheet.forward, left)))
        return nav_of(self.venue.cash(self.account) + self.pool.call("idle"), options)

    def quoted(self, round_: Round, *leaves: Any, by: str = "quoter", **terms: Any) -> Message:
        """Quotes that the key signs at a round."""
        self.venue.next_nonce += 1
        bounds = {"expiry_s": round_.time + LIFE, "qty": 0, "delta": 0, "vega": 0, "count": 0} | terms
        expiry_s = bounds.pop("expiry_s")
        unsigned = QuoteMandate(
            self.account, self.venue.next_nonce, expiry_s, 1000 * USDC, **bounds, signer=b"", signature=b""
        )
        digest = signing.mandate_digest(self.venue.domain, unsigned, signing.mandate_root(leaves))
        return Message(msgspec.structs.replace(unsigned, signature=signing.sign(key(by), digest)), leaves)

    def sell(self, round_: Round, taker: Any, series: int, quantity: int, price: int) -> None:
        """The pool sells, or with a negative quantity buys, from a quote."""
        message = self.quoted(round_, leaf(series, -quantity, price=price))
        order = self.venue.order(taker, series, quantity, price)
        entries = [message.quote(0), self.venue.sign(order)]
        trade = Trade(0, 1, abs(quantity), price, round_.spots[0].spot)
        self.venue.settle(self.venue.batch(entries, [trade], round_))


def fund(venue: Venue, who: str, spender: LocalContract, amount: int) -> None:
    venue.send(who, venue.token, "mint", address(who), amount)
    venue.send(who, venue.token, "approve", spender.address, amount)


def evidence(message: Message, place: int) -> tuple[Any, ...]:
    """A quote as the pool's court reads it."""
    quote = message.quote(place)
    mandate, signed = quote.mandate, quote.leaf
    r, vs = signing.compact(mandate.signature)
    head = mandate.account << 224 | mandate.nonce << 160 | mandate.expiry_s << 96 | mandate.max_fee << 32
    budget = mandate.qty << 192 | mandate.delta << 128 | mandate.vega << 64 | mandate.count
    word = signed.series << 192 | signed.price << 128 | signed.qty << 32 | signed.is_buy
    greeks = (signed.delta % 2**64) << 192 | signed.vega << 128
    return head, budget, r, vs, word, place, greeks, list(quote.proof)


def sheet_of(round_: Round, series: int) -> tuple[int, bytes, bytes, int]:
    """What `prove` takes beside the quote."""
    at = next(at for at, sheet in enumerate(round_.sheets) if sheet.expiry_id == series >> 16)
    sheet = calldata.select_sheets(round_, {series >> 16})
    return round_.round_id, calldata.sheet_hashes(round_), sheet, at


def found(venue: Venue, terms: tuple[int, ...] = TERMS) -> Pooled:
    """A pool, its bond and its key."""
    manager = address("manager")
    parts = (venue.clearing.address, venue.vault.address, venue.oracle.address, manager, terms)
    pool = deploy_local(venue.chain, key("operator"), artifact("Pool"), *parts)
    pooled = Pooled(venue, pool, pool.call("ACCOUNT"))
    venue.accounts[pooled.account] = "quoter"
    fund(venue, "manager", pool, BOND)
    pooled.send("manager", "post_bond", BOND)
    pooled.send("manager", "set_key", address("quoter"), venue.now + 30 * 86_400)
    return pooled
