"""A small exchange with everybody in it: traders, an honest operator, an oracle, and a chain that is seen late.

The chain is ``core_contract.Contract``. Every sealed batch and every fixing is taken to it in the operator's order; if it
refuses one, NO_BUST is broken. What the chain does reaches the machine later, through ``finalise``. A restored copy of the
state follows every command from a snapshot on, and a folded one follows the decoded journal: all three must agree.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from core_blocks import settle_block
from core_contract import Contract, Fill, Owned, Room, Spent, shown
from core_quotes import protect
from core_venue import BTC, HALF_HOUR, SMALL_PORTFOLIO, USDC, Venue, configuration, wallet

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import invariants, models, risk, settlement
from exchange.core.images import decode, digest, encode
from exchange.core.machine import apply, fold
from exchange.core.margin import Kind
from exchange.core.pricing import root_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, WAD

WINDOW = 1_800
LANDS_WITHIN = 300  # seconds from the seal of a batch until it is on chain
SEEN_WITHIN = 120  # seconds from a fact on chain until the machine hears of it
STRIKES = (60_000, 62_000, 64_000)
TRADERS = (1, 2, 3, 4)
Fact = tuple[Any, ...]  # kind of observation, then what it says
GROUPS = ("a", "b")
DEPOSITS = (60_000, 150_000, 25_000, 1_000_000)


TERMS: dict[str, Any] = {
    "batch_age_max_s": 600,
    "settlement_window_s": WINDOW,
    "combos": True,
    "mandates": True,
    "blocks": True,
    "portfolio": SMALL_PORTFOLIO,
}


class World(Venue):
    """Methods are things that can happen; their arguments are small integers, so that any tool can draw them."""

    def __init__(self, batch_trades_max: int = 3) -> None:
        super().__init__()
        config = configuration(batch_trades_max=batch_trades_max, **TERMS)
        self.chain = Contract(config)
        self.unseen: deque[tuple[int, list[Fact]]] = deque()
        self.landed: dict[tuple[int, int, int], None] = {}
        self.copy: State | None = None
        self.folded = State()
        self.spot = 62_000 * USDC
        self.order_ids: list[int] = []
        self.in_sight = True
        self.must(config)
        self.must(c.ListUnderlying(BTC, "BTC_USDC", 100, USDC, 5 * USDC, 1_000 * USDC))
        self.must(c.SetBlocks(BTC, 500, "test"))
        self.list_next(2 * HALF_HOUR)
        self.list_next(5 * HALF_HOUR)
        for account, usdc in zip(TRADERS, DEPOSITS, strict=True):
            self.chain.accounts[account] = Owned(wallet(account))
            self.happen(c.ObserveAccount, account, wallet(account))
            self.deposit(account, usdc)
        self.finalise(len(self.unseen))
        for account in TRADERS:
            self.must(c.AdmitMaker(account, True))
            for group in GROUPS:
                protect(self, account, group, qty=3_000, interval_ns=300 * 10**9, frozen_ns=30 * 10**9)
        self.see_block()
        self.see_block(SEEN_WITHIN)
        self.oracle_speaks()

    # -- records ------------------------------------------------------------------------------------------------------

    def do(self, command: Any) -> tuple[Any, ...]:
        """Apply, and let the copies follow: one by re-execution, one by folding what a reader of the journal reads."""
        events, record = super().do(command), self.log.pop()
        raw, told = codec.encode_command(command), codec.encode_events(events)
        assert codec.encode_command(codec.decode_command(raw)) == raw
        assert codec.decode_events(told) == events
        fold(self.folded, record.seq, record.time_ns, codec.decode_command(raw), codec.decode_events(told))
        if self.copy is not None:
            assert apply(self.copy, record.seq, record.time_ns, command) == events
        return events

    def check(self) -> None:
        """All invariants hold, and the copies are the state."""
        invariants.check_all(self.state)
        data = encode(self.state)
        assert encode(self.folded) == data
        if self.copy is not None:
            assert encode(self.copy) == data

    def snapshot(self) -> None:
        """Restore the state from its bytes; the copy follows from here on."""
        data = encode(self.state)
        self.copy = decode(data)
        assert encode(self.copy) == data
        assert digest(self.copy) == digest(self.state)
        for side, other in self._sides(self.copy):
            assert list(side.orders()) == list(other.orders())

    def _sides(self, copy: State) -> list[tuple[Any, Any]]:
        books = [(self.state.books[key], copy.books[key]) for key in self.state.books]
        return [pair for a, b in books for pair in ((a.bids, b.bids), (a.asks, b.asks))]

    # -- time and prices ----------------------------------------------------------------------------------------------

    def oracle_speaks(self, forward_bp: int = 0, **terms: int) -> None:
        """Post a round at the current spot."""
        round_ = self.round_of({BTC: self.spot}, forward_bp=forward_bp, **terms)
        if round_.round_id % 4 and models.anybody_chose(self.state):  # now and then a round has no arrays
            round_ = msgspec.structs.replace(round_, arrays=root_of(self.state, round_))
        if self.state.round is not None and round_.time_s <= self.state.round.time_s:
            return
        self.must(round_)
        self.chain.post_round(round_)

    def pass_time(self, seconds: int) -> None:
        """Let the clock run. The oracle never misses a half hour, the operator never keeps a batch too long."""
        end = self.now_s + seconds
        while self.now_s < end:
            boundary = (self.now_s // HALF_HOUR + 1) * HALF_HOUR
            self.wait(min(end, boundary, self.now_s + 120) - self.now_s)
            self.do(c.Tick())
            self._keep_up()
            if self.now_s == boundary:
                self.oracle_speaks()

    def _keep_up(self) -> None:
        while self.jobs() and self._sealed_s(self.jobs()[0]) + LANDS_WITHIN <= self.now_s:
            self.land()
        while self.unseen and self.unseen[0][0] + SEEN_WITHIN <= self.now_s:
            self.finalise(1)
        for account in TRADERS:
            self.finalise_withdrawal(account)
        if self.in_sight:
            self.see_block(SEEN_WITHIN)

    def _sealed_s(self, job: tuple[int, int, int]) -> int:
        batch = self.state.batches.get(job[2]) if job[1] else None
        return batch.sealed_ns // 10**9 if batch is not None else self.state.rounds[job[0]].time_s

    def move_spot(self, permille: int) -> None:
        """The market moves by so many thousandths."""
        moved = self.spot * (1000 + permille) // 1000
        self.spot = moved if 30_000 * USDC < moved < 120_000 * USDC else 62_000 * USDC

    def list_next(self, ahead_s: int) -> None:
        """List another expiry on a half hour, if few are live."""
        live = [expiry for expiry in self.state.expiries.values() if expiry.fixing < 0]
        if len(live) >= 3:
            return
        expiry_s = (self.now_s // HALF_HOUR) * HALF_HOUR + max(ahead_s, 2 * HALF_HOUR)
        expiry_id = self.list_expiry(expiry_s, STRIKES)
        self.learn_listing(expiry_id)

    def list_expiry(self, expiry_s: int, strikes: tuple[int, ...] = STRIKES, underlying: int = BTC) -> int:
        expiry_id = super().list_expiry(expiry_s, strikes, underlying)
        self.learn_listing(expiry_id)
        return expiry_id

    def learn_listing(self, expiry_id: int) -> None:
        """The contract hears of a listing."""
        from core_contract import Option

        expiry = self.state.expiries[expiry_id]
        self.chain.expiries[expiry_id] = expiry.expiry_s
        for series in expiry.series:
            option = self.state.series[series]
            self.chain.options[series] = Option(option.strike, option.is_call, option.expiry_s, option.underlying)

    # -- traders ------------------------------------------------------------------------------------------------------

    def trading(self) -> list[int]:
        """Series one can trade in now."""
        view = self.state.view
        assert view is not None
        return [s.id for s in self.state.series.values() if s.expiry_s > self.now_s and s.id in view.marks]

    def price_near(self, series: int, percent: int) -> int:
        """The mark times so many percent, on the tick."""
        assert self.state.view is not None
        price = max(self.state.view.marks[series] * percent // 100, USDC)
        tick = 5 * USDC if price >= 1_000 * USDC else USDC
        return price // tick * tick

    def trade(self, account: int, pick: int, is_buy: bool, lots: int, percent: int, **terms: Any) -> tuple[Any, ...]:
        """Place an order in some series at some share of its mark."""
        series_ids = self.trading()
        if not series_ids:
            return ()
        series = series_ids[pick % len(series_ids)]
        slide, session = terms.pop("slide", False), terms.pop("session", 0)
        auth = self.auth(
            account, series, is_buy, lots * 100, self.price_near(series, percent), **self.resolved(account, terms)
        )
        events = self.do(c.Place(auth, slide=slide, session=session))
        if type(events[-1]) is not e.Rejected:
            self.order_ids.append(self.state.seq)
        return events

    def resolved(self, account: int, terms: dict[str, Any]) -> dict[str, Any]:
        """Resolve ``life`` (seconds, 0: for good) and ``by_key`` of an order's terms."""
        life = terms.pop("life", 0)
        terms["expiry_s"] = self.now_s + life if life else NO_EXPIRY
        if terms.pop("by_key", False) and self.state.accounts[account].keys:
            terms["signer"] = next(iter(self.state.accounts[account].keys))
        return terms

    def some_order(self, pick: int) -> Any:
        """An open order, the newest first."""
        self.order_ids = [order_id for order_id in self.order_ids if order_id in self.state.orders]
        return self.state.orders[self.order_ids[-1 - pick % len(self.order_ids)]] if self.order_ids else None

    def replace(self, pick: int, lots: int, percent: int, **terms: Any) -> tuple[Any, ...]:
        """Amend some open order; those for combos are amended where combos happen."""
        order = self.some_order(pick)
        option = self.state.series.get(order.series) if order is not None else None
        if option is None or option.expiry_s <= self.now_s:
            return ()
        price = order.price if percent == 0 else self.price_near(order.series, percent)
        old = c.terms_of(self.state.auths[order.auth_id].auth)
        if order.watch:  # it waits for a price a little further away from now on
            further = old.trigger_price * (1_001 if old.trigger_above else 999) // 1_000
            terms |= {"tif": order.tif, "terms": msgspec.structs.replace(old, trigger_price=further)}
            lots = order.qty // 100 if order.group else lots
        elif old.protection and lots <= 100:  # more of it leaves the group
            terms |= {"terms": old, "post_only": True}
        elif old.link:
            terms["terms"] = c.Terms(link=old.link, parent=old.parent, attached=old.attached)
        return self.amend(order.id, lots * 100, price, **self.resolved(order.account, terms))

    def some_session(self, pick: int) -> int:
        """An open connection, or none."""
        sessions = list(self.state.sessions)
        return sessions[pick % len(sessions)] if sessions and pick else 0

    def take_off(self, pick: int) -> None:
        order = self.some_order(pick)
        if order is not None:
            self.must(c.Cancel(order.account, order.id))

    # -- owners, on chain ---------------------------------------------------------------------------------------------

    def happen(self, kind: type, *facts: Any) -> None:
        """A fact is on chain; the machine hears of it later."""
        self.happen_together((kind, *facts))

    def happen_together(self, *facts: Fact) -> None:
        """Facts of one transaction: the machine hears them one after another, with nothing in between."""
        self.unseen.append((self.now_s, list(facts)))

    def finalise(self, count: int) -> None:
        """The machine hears of the next transactions."""
        for _ in range(min(count, len(self.unseen))):
            for kind, *facts in self.unseen.popleft()[1]:
                events = self.observe(kind, *facts)
                assert not any(type(event) in (e.Rejected, e.ChainDisagreed) for event in events), events

    def deposit(self, account: int, usdc: int) -> None:
        self.chain.accounts[account].cash += usdc * USDC
        self.chain.vault += usdc * USDC
        self.happen(c.ObserveDeposit, account, usdc * USDC)

    def request_withdrawal(self, account: int, usdc: int) -> None:
        owned = self.chain.accounts[account]
        if owned.request is None:
            owned.request = (usdc * USDC, self.now_s + WINDOW)
            self.happen(c.ObserveWithdrawalRequest, account, usdc * USDC)

    def free_usdc(self, account: int) -> int:
        """What the machine would let go, in whole USDC; at least one."""
        held = self.state.accounts[account]
        needed = risk.requirement_of(self.state, risk.view_now(self.state), held.positions, Kind.INITIAL)
        return max((held.cash - held.held - needed) // USDC, 1)

    def cancel_withdrawal(self, account: int) -> None:
        owned = self.chain.accounts[account]
        if owned.request is not None:
            owned.request = None
            self.happen(c.ObserveWithdrawalCancelled, account)

    def finalise_withdrawal(self, account: int) -> None:
        """Anyone may finalise a request in force, with whatever fresh round suits it."""
        owned = self.chain.accounts[account]
        if owned.request is None or owned.request[1] > self.now_s:
            return
        for age in range(len(self._fresh_rounds())):
            round_ = self._fresh_round(age)
            if self._priced(owned, round_) and self.chain.free(owned, round_) >= owned.request[0]:
                self.happen(c.ObserveWithdrawal, account, self.chain.withdraw(account, round_, self.now_s))
                return

    def _fresh_rounds(self) -> list[c.PostRound]:
        return [round_ for round_ in self.chain.rounds.values() if round_.time_s + WINDOW >= self.now_s]

    def _fresh_round(self, age: int) -> c.PostRound:
        fresh = self._fresh_rounds()
        return fresh[-1 - age % len(fresh)] if fresh else list(self.chain.rounds.values())[-1]

    def _priced(self, owned: Owned, round_: c.PostRound) -> bool:
        """Whether a round has a sheet for every unfixed expiry held; another round would be refused."""
        named = [sheet.expiry_id for sheet in round_.sheets]
        held = {series >> 16 for series in owned.positions}
        return all(expiry in named or expiry in self.chain.fixings for expiry in sorted(held))

    def choose_model(self, account: int, model: int) -> None:
        self.happen(c.ObserveModel, account, *self.chain.choose(account, model, self.now_s))

    def ask_to_leave(self, account: int) -> None:
        owned = self.chain.accounts[account]
        if not owned.frozen_from:
            owned.frozen_from = self.now_s + WINDOW
            self.happen(c.ObserveExit, account)

    def stay(self, account: int) -> None:
        owned = self.chain.accounts[account]
        if owned.frozen_from:
            owned.frozen_from = 0
            self.happen(c.ObserveExitCleared, account)

    def leave(self, account: int, age: int) -> None:
        """Anyone may empty an account whose exit is in force."""
        owned, round_ = self.chain.accounts[account], self._fresh_round(age)
        if not owned.frozen_from or owned.frozen_from > self.now_s or not self._priced(owned, round_):
            return
        free = self.chain.free(owned, round_)
        if owned.positions and free <= 0:
            return
        facts: list[Fact] = []
        if owned.request is not None:
            owned.request = None
            facts.append((c.ObserveWithdrawalCancelled, account))
        if not owned.positions:
            owned.frozen_from = 0
            facts.append((c.ObserveExitCleared, account))
        if free > 0:
            owned.cash -= free
            self.chain.vault -= free
            facts.append((c.ObserveWithdrawal, account, free))
        self.happen_together(*facts)

    def delegate(
        self, account: int, life: int, scopes: int = c.SCOPE_TRADE, limits: tuple[int, int, int] = (0, 0, 0)
    ) -> None:
        """One session key per account: registered anew, under limits of its own, once the old one is over."""
        owned, key = self.chain.accounts[account], bytes([100 + account]) * 20
        known = owned.keys.get(key)
        if known is None or (known[2] and known[2] <= self.now_s) or known[1] + WINDOW < self.now_s:
            owned.keys[key] = [scopes, self.now_s + life, 0]
            owned.rooms.pop(key, None)
            if any(limits):
                owned.rooms[key] = Room(*limits)
            self.happen(c.ObserveKey, account, key, scopes, self.now_s + life, *limits)

    def revoke(self, account: int) -> None:
        for key, entry in self.chain.accounts[account].keys.items():
            if not entry[2]:
                entry[2] = self.now_s + WINDOW
                self.happen(c.ObserveRevocation, account, key)

    def cancel_on_chain(self, pick: int) -> None:
        order = self.some_order(pick)
        if order is None:
            return
        nonce = self.state.auths[order.auth_id].auth.nonce
        self.chain.accounts[order.account].cancelled.setdefault(nonce, self.now_s + WINDOW)
        mask = (1 << (nonce & 255)).to_bytes(32, "big")
        self.happen(c.ObserveCancellation, order.account, nonce >> 8, mask)

    # -- the operator -------------------------------------------------------------------------------------------------

    def seal(self, heartbeat: bool) -> None:
        self.do(c.SealBatch(heartbeat))

    def jobs(self) -> list[tuple[int, int, int]]:
        """What the contract still has to hear, in the operator's order: by round, fixings before batches."""
        state = self.state
        jobs = [(batch.round_id, 1, batch.id) for batch in state.batches.values()]
        jobs += [(round_id, 0, expiry_id) for expiry_id, round_id in state.fixings.items()]
        return sorted(job for job in jobs if job not in self.landed)

    def land(self) -> None:
        """Take the next job to the chain. A refusal is a breach of NO_BUST."""
        if not self.jobs():
            return
        job = self.jobs()[0]
        self.landed[job] = None
        if job[1]:
            self._land_batch(job[2])
        else:
            self.happen(c.ObserveFixing, job[2], self.chain.fix(job[2]))

    def _land_batch(self, batch_id: int) -> None:
        state, batch = self.state, self.state.batches[batch_id]
        is_heartbeat = batch.first_trade > batch.last_trade
        deal = 0 if is_heartbeat else state.auths[state.trades[batch.first_trade].maker_auth].deal
        if deal:
            settle_block(self.chain, batch_id, batch.round_id, state.deals[deal].signed, self.now_s)
            self.happen(c.ObserveBatch, batch_id, b"t" * 32, 1, 1)
            return
        places: dict[int, int] = {}
        fills = []
        for trade_id in range(batch.first_trade, batch.last_trade + 1):
            trade = state.trades[trade_id]
            for auth_id in (trade.maker_auth, trade.taker_auth):
                for link in settlement.lineage(state, auth_id, batch_id):
                    places.setdefault(link.id, len(places))
            at = (places[trade.maker_auth], places[trade.taker_auth])
            fills.append(Fill(*at, trade.qty, trade.price, trade.index, trade.series, trade.group))
        entries = [state.auths[auth_id] for auth_id in places]
        orders, quotes = [entry.auth for entry in entries], shown(entries, state.mandates)
        self.chain.settle(batch_id, batch.round_id, orders, fills, self.now_s, quotes)
        self.happen(c.ObserveBatch, batch_id, b"t" * 32, 1, 1)

    def pay_expiries(self) -> None:
        """Anyone may settle expired accounts once fills had their time."""
        for expiry_id in list(self.chain.fixings):
            if self.chain.expiries[expiry_id] + WINDOW + 1 > self.now_s:
                continue
            for key, owned in self.chain.accounts.items():
                if any(series >> 16 == expiry_id for series in owned.positions):
                    paid = self.chain.settle_expiry(expiry_id, key, self.now_s)
                    self.happen(c.ObserveExpirySettled, expiry_id, key, paid)

    # -- the end ------------------------------------------------------------------------------------------------------

    def quiesce(self) -> None:
        """Land and hear everything; then both layers must hold the same, to the unit."""
        if self.state.first_unsealed < self.state.next_trade:
            self.seal(heartbeat=False)
        while self.jobs():
            self.land()
        self.finalise(len(self.unseen))
        self.check()
        chain, mirror = self.chain, self.state.mirror
        assert mirror.vault == chain.vault
        for key, owned in chain.accounts.items():
            assert mirror.cash.get(key, 0) == owned.cash, key
            assert {s: q for s, q in mirror.positions.get(key, {}).items() if q} == owned.positions, key
        assert not self.state.trades
        for order in self.state.orders.values():
            entry = self.state.auths[order.auth_id]
            if entry.mandate:
                assert chain.accounts[order.account].leaves.get((entry.auth.nonce, entry.leaf), 0) == order.filled
            elif entry.batch:  # its replaced orders went along, so the contract counts what filled under them too
                assert chain.accounts[order.account].lanes[entry.auth.nonce] == order.filled, order.id
        for held in self.state.mandates.values():
            spent = chain.accounts[held.quote.account].spent.get(held.quote.nonce, Spent())
            assert spent == (held.qty, held.delta, held.vega, held.count)
        self._compare_keys()
        if all(expiry in chain.fixings or not self._held(expiry) for expiry in chain.expiries):
            self._compare_cash()

    def _compare_keys(self) -> None:
        """What a limited key has left is the same on both layers, to the unit."""
        for account, owned in self.chain.accounts.items():
            for key, room in owned.rooms.items():
                known = self.state.accounts[account].keys.get(key)
                if known is not None:  # revoked keys are over here before they are on chain
                    limits, used = known.limits, known.notional * 10_000 + known.rest
                    assert room.notional == (limits.notional * 10_000 - used if limits.notional else None), account
                    assert room.spend == (limits.spend - known.spend if limits.spend else None), account

    def run_out(self) -> None:
        """Nothing is listed any more and all expiries settle: then both layers hold the same cash and no position."""
        for _ in range(8):
            self.pass_time(HALF_HOUR)
        self.pay_expiries()
        self.quiesce()
        assert not any(account.positions for account in self.state.accounts.values())
        assert not any(self.state.mirror.positions.values())
        assert not self.state.trades
        for key, owned in self.chain.accounts.items():
            if key:
                assert self.state.accounts[key].cash == owned.cash

    def _held(self, expiry_id: int) -> bool:
        return any(s >> 16 == expiry_id for owned in self.chain.accounts.values() for s in owned.positions)

    def _compare_cash(self) -> None:
        """With every expiry paid or claimable, live cash is chain cash plus claims."""
        last = list(self.chain.rounds.values())[-1]
        for key, owned in self.chain.accounts.items():
            if key:
                assert self.state.accounts[key].cash == self.chain.margin(owned, last), key


WAITS = (1, 30, 60, 120, 300, 700)
HAPPENINGS: dict[str, tuple[int, Callable[[World, Callable[[int], int]], Any]]] = {}


def happening(weight: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register something that can happen, and how often. Its second argument draws an integer below a bound."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        HAPPENINGS[function.__name__] = (weight, function)
        return function

    return register


Draw = Callable[[int], int]


@happening(30)
def order(world: World, draw: Draw) -> None:
    percent = (60, 90, 97, 100, 103, 110, 150)[draw(7)]
    terms = {"tif": (0, 0, 0, 0, 0, 0, 0, 1, 2)[draw(9)], "post_only": draw(10) == 0, "reduce_only": draw(12) == 0}
    terms |= {"slide": draw(2) == 0, "life": (0, 0, 90, 600)[draw(4)], "by_key": draw(4) == 0}
    self_trade = (c.CANCEL_TAKER, c.CANCEL_TAKER, c.CANCEL_MAKER, c.CANCEL_BOTH)[draw(4)]
    terms |= {"terms": c.Terms(display=(0, 0, 100, 1_000, 5_000)[draw(5)], self_trade=self_trade)}
    terms |= {"session": world.some_session(draw(3))}
    terms |= {"max_fee": (10_000 * USDC, 10_000 * USDC, 20 * USDC, 0)[draw(4)]} if draw(8) == 0 else {}
    lots = (1, 10, 50, 100, 100, 300)[draw(6)]
    world.trade(TRADERS[draw(4)], draw(9), draw(2) == 0, lots, percent, **terms)


@happening(24)
def crossing_pair(world: World, draw: Draw) -> None:
    """Two traders who agree on a price."""
    maker, pick, lots, percent = draw(4), draw(9), (10, 50, 100, 300)[draw(4)], (20, 100, 100, 300)[draw(4)]
    is_buy = draw(2) == 0
    world.trade(TRADERS[maker], pick, is_buy, lots, percent)
    world.trade(
        TRADERS[(maker + 1 + draw(3)) % 4], pick, not is_buy, lots, percent, tif=draw(3), reduce_only=draw(8) == 0
    )


@happening(16)
def sweep(world: World, draw: Draw) -> None:
    """Somebody takes what stands on one side of a book, however old, and perhaps more."""
    taken = world.some_order(draw(12))
    if taken is None or taken.series not in world.trading() or not taken.resting:
        return
    side = world.state.books[taken.series].side(is_buy=taken.is_buy)
    levels = side.depth(1 + draw(4))
    qty = sum(total for _, total in levels)
    auth = world.auth(TRADERS[draw(4)], taken.series, not taken.is_buy, qty + 100 * draw(2), levels[-1][0], tif=draw(2))
    world.do(c.Place(auth))


@happening(10)
def amendment(world: World, draw: Draw) -> None:
    percent = (0, 0, 97, 100, 103)[draw(5)]
    world.replace(draw(4), (5, 50, 100, 200, 600)[draw(5)], percent, by_key=draw(3) == 0, reduce_only=draw(12) == 0)


@happening(3)
def cancel(world: World, draw: Draw) -> None:
    world.take_off(draw(10))


@happening(1)
def cancel_all(world: World, draw: Draw) -> None:
    world.must(
        c.CancelAll(
            TRADERS[draw(4)],
            -1 if draw(2) else world.state.orders[min(world.state.orders)].series if world.state.orders else 0,
        )
    )


@happening(10)
def time_passes(world: World, draw: Draw) -> None:
    world.pass_time(WAITS[draw(6)])


@happening(8)
def market_moves(world: World, draw: Draw) -> None:
    world.move_spot((-400, -150, -20, -20, 0, 10, 10, 20, 120, 500)[draw(10)])
    world.wait(1)
    terms = {"vol": (WAD // 5, WAD // 2, 2 * WAD)[draw(3)], "conf": (WAD, WAD, WAD // 4)[draw(3)]}
    world.oracle_speaks((0, 50, -80)[draw(3)], stable=(WAD, WAD, 96 * WAD // 100)[draw(3)], **terms)


@happening(3)
def sealing(world: World, draw: Draw) -> None:
    world.seal(heartbeat=draw(3) == 0)


@happening(8)
def landing(world: World, draw: Draw) -> None:
    for _ in range(1 + draw(2)):
        world.land()


@happening(8)
def hearing(world: World, draw: Draw) -> None:
    world.finalise(1 + draw(4))
