"""Plain-text scenarios: one command per line, and after the arrow what the machine must answer.

    deposit alice 10_000                        -> Applied, Applied
    order alice sell 1 62000C @ 900 as A        -> Accepted, Rested A @ 900
    order bob buy 1 62000C @ 950 ioc            -> Accepted, Traded 1 @ 900 with A fees 24.8 / -6.2

``play`` runs such a text and returns it with the answers the machine really gave; equal texts are a passed test. With
``VERBATIM_RECORD=1`` the files in ``scenarios/`` are rewritten instead, and the difference is reviewed like code.
"""

import difflib
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from core_venue import BTC, T0, Venue, series_named, standard_venue, wallet

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import phases, status, uncross
from exchange.core.breakers import Layer, Status
from exchange.core.firing import ready
from exchange.core.state_types import attached_id
from exchange.core.units import WAD

ARROW_COLUMN = 70
PHASES = ("continuous", "auction", "uncrossing", "halted", "closed")
GIVES_WAY = ("taker", "maker", "both")
WATCH = ("never", "mark", "index", "last")
LINKS = ("alone", "oco", "bracket")
TIF = {"gtc": c.GTC, "ioc": c.IOC, "fok": c.FOK}


def usdc(text: str) -> int:
    return int(Decimal(text.replace("_", "")) * 10**6)


def lots(text: str) -> int:
    return int(Decimal(text) * 10**4)


def wad(text: str) -> int:
    return int(Decimal(text) * WAD)


def plain(value: int, digits: int) -> str:
    """An integer in its unit, without trailing zeros."""
    number = Decimal(value).scaleb(-digits).normalize()
    return f"{number:f}"


def duration(text: str) -> int:
    """Seconds of ``90s``, ``15m``, ``18h`` or ``7d``."""
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[text[-1]]


class Words:
    """The words of a line, taken from the left; options may follow in any order."""

    def __init__(self, line: str) -> None:
        self.words = line.split()

    def take(self) -> str:
        return self.words.pop(0)

    def flag(self, name: str) -> bool:
        found = name in self.words
        if found:
            self.words.remove(name)
        return found

    def option(self, name: str) -> str | None:
        if name not in self.words:
            return None
        at = self.words.index(name)
        value = self.words[at + 1]
        del self.words[at : at + 2]
        return value

    def done(self) -> None:
        assert not self.words, f"words nobody understood: {self.words}"


class Stage:
    """A venue on which the lines of one scenario are played; people and orders have names."""

    def __init__(self) -> None:
        self.venue: Venue = standard_venue()
        self.people: dict[str, int] = {}
        self.keys: dict[str, bytes] = {}
        self.orders: dict[str, int] = {}
        self.signed: dict[str, c.Authorisation] = {}

    def play_line(self, line: str) -> str:
        """Run one command; its answer in words."""
        words = Words(line)
        verb = words.take()
        answer: Any = getattr(self, f"do_{verb}")(words)
        words.done()
        if isinstance(answer, tuple):
            self.venue.check()
            return ", ".join(map(self.render, answer)) or "nothing"
        return str(answer)

    # -- people, series, orders ---------------------------------------------------------------------------------------

    def person(self, name: str) -> int:
        if name not in self.people:
            self.people[name] = len(self.people) + 1
        return self.people[name]

    def key(self, name: str) -> bytes:
        if name not in self.keys:
            self.keys[name] = bytes([200 + len(self.keys)]) * 20
        return self.keys[name]

    def order_name(self, order_id: int) -> str:
        names = [name for name, known in self.orders.items() if known == order_id]
        return names[0] if names else f"#{order_id}"

    # -- commands -----------------------------------------------------------------------------------------------------

    def do_venue(self, words: Words) -> str:
        changes = {}
        for name, field in (("trades", "batch_trades_max"), ("age", "batch_age_max_s")):
            value = words.option(name)
            if value is not None:
                changes[field] = int(value) if name == "trades" else duration(value)
        self.venue = standard_venue(**changes)
        return "open"

    def do_wait(self, words: Words) -> str:
        self.venue.wait(duration(words.take()))
        return f"T+{self.venue.now_s - T0}s"

    def do_deposit(self, words: Words) -> tuple[Any, ...]:
        name = words.take()
        opened: tuple[Any, ...] = ()
        owner = words.option("owner")
        if name not in self.people:
            who = self.person(name)
            opened = self.venue.observe(c.ObserveAccount, who, wallet(self.person(owner) if owner else who))
        return opened + self.venue.observe(c.ObserveDeposit, self.person(name), usdc(words.take()))

    def do_round(self, words: Words) -> tuple[Any, ...]:
        terms = {name: wad(value) for name in ("vol", "conf", "stable") if (value := words.option(name)) is not None}
        spots = dict.fromkeys(self.venue.state.underlyings, usdc(words.take()))
        return self.venue.do(self.venue.round_of(spots, **terms))

    def do_bands(self, words: Words) -> tuple[Any, ...]:
        spot, vol, floor = (wad(words.option(name) or "0") for name in ("spot", "vol", "floor"))
        return self.venue.do(c.SetBands(BTC, spot, vol, floor, "test"))

    def do_tick(self, words: Words) -> tuple[Any, ...]:
        del words
        return self.venue.do(c.Tick())

    def _terms(self, who: int, words: Words) -> dict[str, Any]:
        terms: dict[str, Any] = {"post_only": words.flag("post"), "reduce_only": words.flag("reduce")}
        for name, tif in TIF.items():
            if words.flag(name):
                terms["tif"] = tif
        terms["terms"] = self._signed_terms(words)
        expires, key, fee = words.option("expires"), words.option("by"), words.option("max_fee")
        if expires is not None:
            terms["expiry_s"] = self.venue.now_s + duration(expires)
        if fee is not None:
            terms["max_fee"] = usdc(fee)
        owner = self.venue.state.accounts[who].owner if who in self.venue.state.accounts else wallet(who)
        terms["signer"] = owner if key is None else self.key(key)
        return terms

    def _signed_terms(self, words: Words) -> c.Terms | None:
        """What is signed besides: ``shows`` a quantity, ``gives_way`` maker, taker or both, ``slide``, ``market``,
        ``when mark >= 950``."""
        shows, gives_way = words.option("shows"), words.option("gives_way") or "taker"
        given = {"slide": words.flag("slide"), "market": words.flag("market")} | self._trigger(words)
        terms = c.Terms(lots(shows) if shows else 0, GIVES_WAY.index(gives_way), **given)
        return terms if terms != c.NO_TERMS else None

    def _trigger(self, words: Words) -> dict[str, Any]:
        if "when" not in words.words:
            return {}
        at = words.words.index("when")
        _, watch, relation, price = words.words[at : at + 4]
        del words.words[at : at + 4]
        return {"trigger": WATCH.index(watch), "trigger_above": relation == ">=", "trigger_price": usdc(price)}

    def do_order(self, words: Words) -> tuple[Any, ...]:
        """``bracket`` or ``oco`` begins each order that comes along: side, quantity, price and terms as in the first."""
        kind, more = self._split(words)
        who = self.person(words.take())
        is_buy, qty, series = words.take() == "buy", words.take(), series_named(words.take())
        auth = self._order(who, series, is_buy, qty, words, 0, (kind, 0, len(more)))
        attached = []
        for place, part in enumerate(more, 1):
            link = (kind, auth.nonce + 1, 0)
            attached.append(c.Attached(self._order(who, series, part.take() == "buy", part.take(), part, place, link)))
            part.done()
        return self.venue.do(c.Place(auth, attached=tuple(attached)))

    def _split(self, words: Words) -> tuple[int, list[Words]]:
        """What comes along is cut off, part by part."""
        cuts = [at for at, word in enumerate(words.words) if word in LINKS]
        parts = [words.words[a + 1 : b] for a, b in zip(cuts, [*cuts[1:], None], strict=False)]
        kind = LINKS.index(words.words[cuts[0]]) if cuts else c.UNLINKED
        del words.words[cuts[0] if cuts else len(words.words) :]
        return kind, [Words(" ".join(part)) for part in parts]

    def _order(
        self, who: int, series: int, is_buy: bool, qty: str, words: Words, place: int, link: tuple[int, int, int]
    ) -> c.Authorisation:
        assert words.take() == "@"
        price, name = usdc(words.take()), words.option("as")
        terms = self._terms(who, words)
        if link[0]:
            signed = terms["terms"] or c.NO_TERMS
            terms["terms"] = msgspec.structs.replace(signed, link=link[0], parent=link[1], attached=link[2])
        auth = self.venue.auth(who, series, is_buy, lots(qty), price, **terms)
        if name is not None:
            self.orders[name] = attached_id(self.venue.state.seq + 1, place)
            self.signed[name] = auth
        return auth

    def do_fire(self, words: Words) -> tuple[Any, ...]:
        """Everything that is due enters, one after another."""
        del words
        events: tuple[Any, ...] = ()
        while (order_id := ready(self.venue.state, self.venue.time_ns)) != 0:
            events += self.venue.do(c.Fire(order_id))
        return events

    def do_due(self, words: Words) -> str:
        del words
        return ", ".join(map(self.order_name, self.venue.state.due)) or "none"

    def do_amend(self, words: Words) -> tuple[Any, ...]:
        name, qty = words.take(), lots(words.take())
        assert words.take() == "@"
        price, old = usdc(words.take()), self.signed[name]
        by = words.option("of")
        terms = self._terms(old.account, words) | {"replaces": old.nonce + 1}
        links = {name: getattr(old.terms or c.NO_TERMS, name) for name in ("link", "parent", "attached")}
        terms["terms"] = msgspec.structs.replace(terms["terms"] or c.NO_TERMS, **links)
        who = self.person(by) if by else old.account
        auth = self.venue.auth(who, old.series, old.is_buy, qty, price, **terms)
        events = self.venue.do(c.Amend(self.orders[name], auth))
        if type(events[-1]) is not e.Rejected:
            self.signed[name] = auth
        return events

    def do_cancel(self, words: Words) -> tuple[Any, ...]:
        return self.venue.do(c.Cancel(self.person(words.take()), self.orders[words.take()]))

    def do_cancel_all(self, words: Words) -> tuple[Any, ...]:
        who = self.person(words.take())
        return self.venue.do(c.CancelAll(who, series_named(words.take()) if words.words else -1))

    def do_halt(self, words: Words) -> tuple[Any, ...]:
        del words
        return self.venue.do(c.SetTrading(False, "test"))

    def do_resume(self, words: Words) -> tuple[Any, ...]:
        return self.venue.do(c.SetTrading(True, "test", duration(words.option("auction") or "0s")))

    # -- phases -------------------------------------------------------------------------------------------------------

    def do_rules(self, words: Words) -> tuple[Any, ...]:
        opening_s, volatility_s = (duration(words.option(name) or "0s") for name in ("opening", "volatility"))
        fractions = [wad(words.option(name) or "0") for name in ("mark", "spot", "jump")]
        extensions = int(words.option("extensions") or "0")
        return self.venue.do(c.SetAuctions(BTC, opening_s, volatility_s, extensions, *fractions, "operator"))

    def do_list(self, words: Words) -> str:
        return f"expiry {self.venue.list_expiry(self.venue.now_s + duration(words.take()))}"

    def _phase(self, words: Words, phase: int) -> tuple[Any, ...]:
        series, ends_s = series_named(words.take()), 0
        if phase == c.AUCTION:
            ends_s = self.venue.now_s + duration(words.take())
        every_s = duration(words.option("every") or "0s")
        return self.venue.do(c.SetPhase(c.SERIES, series, phase, ends_s, every_s, "test", "operator"))

    def do_auction(self, words: Words) -> tuple[Any, ...]:
        return self._phase(words, c.AUCTION)

    def do_stop(self, words: Words) -> tuple[Any, ...]:
        return self._phase(words, c.HALTED)

    def do_go(self, words: Words) -> tuple[Any, ...]:
        return self._phase(words, c.CONTINUOUS)

    def do_phase(self, words: Words) -> str:
        return PHASES[phases.phase_of(self.venue.state, series_named(words.take()))]

    def do_mark(self, words: Words) -> str:
        assert self.venue.state.view is not None
        return plain(self.venue.state.view.marks[series_named(words.take())], 6)

    def do_indicative(self, words: Words) -> str:
        found = uncross.indicative(self.venue.state, series_named(words.take()))
        if found is None:
            return "none"
        return f"{plain(found.volume, 4)} @ {plain(found.price, 6)} surplus {plain(found.surplus, 4)}"

    # -- breakers -----------------------------------------------------------------------------------------------------

    def do_status(self, words: Words) -> tuple[Any, ...]:
        scope, stage = (0 if words.flag("venue") else c.UNDERLYING), duration(words.option("stage") or "0s")
        return self.venue.do(c.SetBreaker(scope, 0, Status[words.take().upper()], stage, "test", "operator"))

    def do_feed(self, words: Words) -> tuple[Any, ...]:
        thin, jump, stress = (wad(words.option(name) or "0") for name in ("thin", "jump", "stress"))
        heartbeat_s, deviations = duration(words.option("heartbeat") or "0s"), int(words.option("deviations") or "0")
        return self.venue.do(c.SetFeed(BTC, heartbeat_s, thin, jump, deviations, stress, "operator"))

    def do_state(self, words: Words) -> str:
        """What the market of a series lets in."""
        option = self.venue.state.series[series_named(words.take())]
        return status.shown(self.venue.state, option.underlying).name.lower()

    # -- batches ------------------------------------------------------------------------------------------------------

    def do_seal(self, words: Words) -> tuple[Any, ...]:
        return self.venue.do(c.SealBatch(words.flag("heartbeat")))

    def do_refuse(self, words: Words) -> tuple[Any, ...]:
        return self.venue.do(c.BatchRefused(int(words.take()), words.take()))

    def do_settled(self, words: Words) -> tuple[Any, ...]:
        return self.venue.observe(c.ObserveBatch, int(words.take()), b"t" * 32, 1, 1)

    # -- the chain ----------------------------------------------------------------------------------------------------

    def do_key(self, words: Words) -> tuple[Any, ...]:
        who, key = self.person(words.take()), self.key(words.take())
        scopes = int(words.option("scopes") or c.SCOPE_TRADE)
        expiry_s = self.venue.now_s + duration(words.option("expires") or "365d")
        return self.venue.observe(c.ObserveKey, who, key, scopes, expiry_s)

    def do_revoke(self, words: Words) -> tuple[Any, ...]:
        return self.venue.observe(c.ObserveRevocation, self.person(words.take()), self.key(words.take()))

    def do_cancel_on_chain(self, words: Words) -> tuple[Any, ...]:
        who, nonce = self.person(words.take()), int(words.take())
        mask = (1 << (nonce & 255)).to_bytes(32, "big")
        return self.venue.observe(c.ObserveCancellation, who, nonce >> 8, mask)

    def do_withdraw(self, words: Words) -> tuple[Any, ...]:
        return self.venue.observe(c.ObserveWithdrawalRequest, self.person(words.take()), usdc(words.take()))

    def do_unwithdraw(self, words: Words) -> tuple[Any, ...]:
        return self.venue.observe(c.ObserveWithdrawalCancelled, self.person(words.take()))

    def do_withdrawn(self, words: Words) -> tuple[Any, ...]:
        return self.venue.observe(c.ObserveWithdrawal, self.person(words.take()), usdc(words.take()))

    def do_exit(self, words: Words) -> tuple[Any, ...]:
        return self.venue.observe(c.ObserveExit, self.person(words.take()))

    def do_stay(self, words: Words) -> tuple[Any, ...]:
        return self.venue.observe(c.ObserveExitCleared, self.person(words.take()))

    def do_fixed_on_chain(self, words: Words) -> tuple[Any, ...]:
        return self.venue.observe(c.ObserveFixing, int(words.take()), usdc(words.take()))

    def do_paid_on_chain(self, words: Words) -> tuple[Any, ...]:
        expiry_id, who = int(words.take()), self.person(words.take())
        return self.venue.observe(c.ObserveExpirySettled, expiry_id, who, usdc(words.take()))

    # -- looking ------------------------------------------------------------------------------------------------------

    def do_book(self, words: Words) -> str:
        book = self.venue.state.books[series_named(words.take())]
        sides = []
        for side in (book.bids, book.asks):
            levels = [f"{plain(qty, 4)} @ {plain(price, 6)}" for price, qty in side.depth(9)]
            sides.append(" ".join(levels) or "none")
        return " | ".join(sides)

    def do_position(self, words: Words) -> str:
        account = self.venue.state.accounts[self.person(words.take())]
        return plain(account.positions.get(series_named(words.take()), 0), 4)

    def do_cash(self, words: Words) -> str:
        name = words.take()
        who = 0 if name == "treasury" else self.person(name)
        return plain(self.venue.state.accounts[who].cash, 6)

    def do_chain_cash(self, words: Words) -> str:
        name = words.take()
        return plain(self.venue.state.mirror.cash.get(0 if name == "treasury" else self.person(name), 0), 6)

    def do_chain_position(self, words: Words) -> str:
        held = self.venue.state.mirror.positions.get(self.person(words.take()), {})
        return plain(held.get(series_named(words.take()), 0), 4)

    def do_orders(self, words: Words) -> str:
        account = self.venue.state.accounts[self.person(words.take())]
        open_orders = sorted(account.orders.values(), key=lambda order: order.id)
        return ", ".join(f"{self.order_name(o.id)} {plain(o.qty - o.filled, 4)}" for o in open_orders) or "none"

    def do_interest(self, words: Words) -> str:
        return plain(self.venue.state.series[series_named(words.take())].open_interest, 4)

    # -- answers ------------------------------------------------------------------------------------------------------

    def render(self, event: Any) -> str:
        """An event in the words of the scenario."""
        renderer: Callable[[Any], str] = getattr(self, f"_{type(event).__name__.lower()}", self._bare)
        return renderer(event)

    def _bare(self, event: Any) -> str:
        return type(event).__name__

    def _rejected(self, event: e.Rejected) -> str:
        return f"Rejected {event.reason}"

    def _roundadopted(self, event: e.RoundAdopted) -> str:
        return f"RoundAdopted {event.round_id}"

    def _amended(self, event: e.Amended) -> str:
        return "Amended, place kept" if event.kept else "Amended, queued anew"

    def _traded(self, event: e.Traded) -> str:
        fees = f"{plain(event.taker_fee, 6)} / {plain(event.maker_fee, 6)}"
        taker = f"{self.order_name(event.taker_order)} " if event.taker_order else ""
        price, maker = plain(event.price, 6), self.order_name(event.maker_order)
        return f"Traded {taker}{plain(event.qty, 4)} @ {price} with {maker} fees {fees}"

    def _phasechanged(self, event: e.PhaseChanged) -> str:
        until = f" until T+{event.ends_s - T0}s" if event.phase == c.AUCTION else ""
        return f"Phase {PHASES[event.phase]} {event.cause}{until}"

    def _breakermoved(self, event: e.BreakerMoved) -> str:
        whose = "market" if event.scope else "venue"
        before, after = (Status(rung).name.lower() for rung in (event.before, event.after))
        return f"Breaker {whose} {Layer(event.layer).name.lower()} {before} to {after} {event.cause} by {event.by}"

    def _uncrossed(self, event: e.Uncrossed) -> str:
        return f"Uncrossed {plain(event.volume, 4)} @ {plain(event.price, 6)} surplus {plain(event.surplus, 4)}"

    def _rested(self, event: e.Rested) -> str:
        return f"Rested {self.order_name(event.order_id)} @ {plain(event.price, 6)}"

    def _cancelled(self, event: e.Cancelled) -> str:
        return f"Cancelled {self.order_name(event.order_id)} {plain(event.remaining, 4)} {event.reason}"

    def _parked(self, event: e.Parked) -> str:
        return f"Parked {self.order_name(event.order_id)}"

    def _triggered(self, event: e.Triggered) -> str:
        return f"Triggered {self.order_name(event.order_id)} by {plain(event.price, 6)}"

    def _held(self, event: e.Held) -> str:
        order = self.venue.state.orders[event.order_id]
        return f"Held {self.order_name(event.order_id)} {plain(event.qty, 4)} of {plain(order.qty, 4)}"

    def _batchsealed(self, event: e.BatchSealed) -> str:
        return f"BatchSealed {event.batch_id} trades {event.first_trade}..{event.last_trade} round {event.round_id}"

    def _expiryfixed(self, event: e.ExpiryFixed) -> str:
        return f"ExpiryFixed {event.expiry_id} {plain(event.price, 6)}"

    def _accountsettled(self, event: e.AccountSettled) -> str:
        names = {number: name for name, number in self.people.items()} | {0: "treasury"}
        return f"AccountSettled {names[event.account]} {plain(event.cash_delta, 6)}"

    def _chaindisagreed(self, event: e.ChainDisagreed) -> str:
        return f"ChainDisagreed {event.what} {event.expected} {event.actual}"


def play(text: str) -> str:
    """Play a scenario; the same text with the machine's answers."""
    stage = Stage()
    lines = []
    for line in text.strip("\n").split("\n"):
        command = re.split(r"\s+->", line)[0].rstrip()
        if not command or command.lstrip().startswith("#"):
            lines.append(line.rstrip())
            continue
        lines.append(f"{command.ljust(ARROW_COLUMN)} -> {stage.play_line(command)}")
    stage.venue.check()
    stage.venue.check_history()
    return "\n".join(lines)


def check(text: str) -> None:
    """The scenario goes as it is written."""
    written, played = text.strip("\n").split("\n"), play(text).split("\n")
    if written != played:
        raise AssertionError("\n".join(difflib.unified_diff(written, played, "written", "played", lineterm="", n=9)))
