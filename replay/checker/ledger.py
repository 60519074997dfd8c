"""What the checker knows after each record: accounts, series, open orders, unsealed trades, the round; its findings.

Every room of the checker reads and writes it; it decides nothing but what follows from a fact itself. Memory is that of
open orders, accounts with their positions and nonces, listings, and trades that no batch has sealed. Imports the words
of the journal.
"""

from collections import Counter, deque
from heapq import heapify, heappush
from typing import Any, Final

from exchange.core.commands import Authorisation, Configure, ObserveBlock, PostRound, SetAuctions
from exchange.core.units import NO_EXPIRY
from replay.checker.facts import (
    Account,
    Auction,
    Combo,
    Expiry,
    Market,
    Order,
    Pool,
    Request,
    Series,
    Signed,
    Underlying,
    Weight,
)
from replay.checker.rules import Rule, Taken, Violation

TREASURY: Final = 0
FINDINGS_MAX: Final = 1_000
"""Findings kept; beyond that they are only counted, so that a ruined journal does not fill memory."""
STALE_MIN: Final = 64


class Round:
    """What of the oracle round in force concerns matching and expiries."""

    __slots__ = ("accs", "confs", "id", "spots", "time_s")

    def __init__(self, command: PostRound) -> None:
        self.id, self.time_s = command.round_id, command.time_s
        self.spots = {spot.underlying: spot.spot for spot in command.spots}
        self.accs = {spot.underlying: spot.acc for spot in command.spots}
        self.confs = {spot.underlying: spot.conf for spot in command.spots}


class Totals:
    """Quantities and money as the journal words them, added up apart from the orders and accounts they belong to."""

    __slots__ = ("amended", "cancelled", "entered", "filled", "paid_in", "trades")

    def __init__(self) -> None:
        self.entered = self.amended = self.filled = self.cancelled = 0  # a fill counts on both of its sides
        self.paid_in = 0  # deposits less withdrawals
        self.trades = 0


class Notebook:
    """What is found at each record, and what is taken as journaled."""

    def __init__(self) -> None:
        self.seq = 0
        self.violations: list[Violation] = []
        self.omitted = 0
        self.taken: Counter[Taken] = Counter()

    def note(self, rule: Rule, sentence: str, *, order: int = 0, expected: object = "", actual: object = "") -> None:
        """A finding about the record at hand."""
        if len(self.violations) >= FINDINGS_MAX:
            self.omitted += 1
            return
        self.violations.append(
            Violation(
                seq=self.seq, rule=rule, sentence=sentence, order=order, expected=str(expected), actual=str(actual)
            )
        )

    def take(self, what: Taken) -> None:
        """One more thing that is taken as journaled."""
        self.taken[what] += 1


class Attendance(Notebook):
    """Who is there, whose switch is pulled, and when the last order came that was held back."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[int, int] = {}  # connection -> what becomes of its orders
        self.by_session: dict[int, dict[int, Order]] = {}
        self.timers: dict[int, int] = {}  # account -> when it fires
        self.kills: dict[tuple[int, int, bytes, bool], None] = {}
        self.purges: dict[tuple[int, int, bytes], Any] = {}
        self.requests: dict[int, Request] = {}  # for quotes
        self.operator_nonce = 0  # of the last command that the operator's key signed
        self.arrived_ns = 0  # of the last order that a venue held back
        self.lately: deque[tuple[int, int]] = deque()  # records that takers still wait behind: seq, time_ns


class Listings(Attendance):
    """What can be traded."""

    def __init__(self) -> None:
        super().__init__()
        self.underlyings: dict[int, Underlying] = {}
        self.expiries: dict[int, Expiry] = {}
        self.series: dict[int, Series] = {}
        self.combos: dict[int, Combo] = {}
        self.combo_of: dict[Any, int] = {}  # legs -> number


class Ledger(Listings):
    """The checker's books."""

    def __init__(self) -> None:
        super().__init__()
        self.totals = Totals()
        self.now_s = 0
        self.time_ns = 0
        # the venue
        self.config: Configure | None = None
        self.is_open = True
        self.pools: dict[int, Pool] = {}  # by account
        self.markets: dict[int, Market] = {}  # breakers of underlyings, and of the venue
        self.accounts: dict[int, Account] = {TREASURY: Account(TREASURY, b"")}
        self.round: Round | None = None
        self.banded: dict[int, None] = {}  # underlyings whose prices are bounded by the surface
        self.block_rules: dict[int, int] = {}  # underlying -> the least that a leg of a block may be; 0: none is taken
        self.auction_rules: dict[int, SetAuctions] = {}
        self.auctions: dict[int, Auction] = {}  # series that do not trade continuously
        self.half_hours: dict[int, dict[int, int]] = {}  # underlying -> half hour -> accumulator
        self.action_id = 0
        self.block: ObserveBlock | None = None  # the newest final one seen
        self.seats: dict[bytes, tuple[int, bytes]] = {}  # of signers of rounds: since when, and after whom
        # orders
        self.orders: dict[int, Order] = {}
        self.arrivals = 0
        self.deadlines: list[tuple[int, int, Order]] = []
        # trades on their way
        self.next_trade = 1
        self.next_batch = 1
        self.deals: dict[int, None] = {}  # batches on their way that are one block trade each
        self.unsealed: list[tuple[Signed, Signed]] = []
        self.parts: list[bool] = []  # whether each of them is a further leg of the combo before
        self.open_since_ns = 0
        self.pending: dict[int, tuple[int, int]] = {}  # batch -> sealed_ns, trades
        self.waiting = 0  # trades not final
        self.unsettled: deque[tuple[Weight, ...]] = deque()  # what each of them counts for session keys

    # -- orders -------------------------------------------------------------------------------------------------------

    def enter(self, order: Order, auth: Authorisation) -> None:
        """A new order; it stands nowhere yet."""
        self.orders[order.id] = order.account.orders[order.id] = order
        order.age = (self.seq, 0)
        self.totals.entered += auth.qty
        self._protect(order)
        self.bind(order, auth)

    def amend(self, order: Order, auth: Authorisation) -> None:
        """The order stands under another signature from now on, for what that leaves of it."""
        left = auth.qty - order.filled
        self.totals.amended += left - order.left
        order.left = left
        order.shown = min(order.shown, left)
        order.signed = Signed(auth.signer, order.signed if order.filled else None)
        order.say(auth)
        order.account.reducing.pop(order.id, None)
        self._protect(order)
        self.bind(order, auth)

    @staticmethod
    def _protect(order: Order) -> None:
        """Whose protection the order stands under from here on."""
        if order.shelter is not None:
            del order.shelter.orders[order.id]
        order.shelter = order.account.groups.get(order.terms.protection)
        if order.shelter is not None:
            order.shelter.orders[order.id] = None

    def bind(self, order: Order, auth: Authorisation) -> None:
        """What follows from a signature: its nonce is gone; the order ends with it, or with a key of its lineage."""
        account = order.account
        account.spend(auth.nonce >> 8, 1 << (auth.nonce & 255))
        if auth.reduce_only:
            account.reducing[order.id] = order
        order.expiry_s = min([auth.expiry_s, *(_key_end(account, link.signer) for link in order.signed.lineage())])
        if order.expiry_s >= NO_EXPIRY:
            return
        heappush(self.deadlines, (order.expiry_s, order.id, order))
        if len(self.deadlines) > 2 * len(self.orders) + STALE_MIN:
            self.deadlines = [entry for entry in self.deadlines if self.ends_at(entry)]
            heapify(self.deadlines)

    def ends_at(self, entry: tuple[int, int, Order]) -> bool:
        """Whether a deadline is still that of an open order."""
        return entry[2].expiry_s == entry[0] and self.orders.get(entry[1]) is entry[2]

    def rest(self, order: Order, price: int, turn: int = 0) -> None:
        """The order takes its place, behind everyone who stands at its price; an iceberg shows a slice of itself.

        ``turn``: the trade that used up the slice before.
        """
        order.price, order.age = price, (self.seq, turn)
        order.shown = min(order.display, order.left) if order.display else order.left
        self.arrivals += 1
        (order.series.bids if order.is_buy else order.series.asks).add(order, self.arrivals)

    def lift(self, order: Order) -> None:
        """The order leaves its place, if it has one."""
        if order.rfq and order.place is not None:
            order.place.drop(order)
        elif order.place is not None:
            (order.series.bids if order.is_buy else order.series.asks).drop(order)

    def close(self, order: Order) -> None:
        """The order is over."""
        self.lift(order)
        self.orders.pop(order.id, None)
        order.account.orders.pop(order.id, None)
        order.account.reducing.pop(order.id, None)
        if order.session:
            minded = self.by_session[order.session]
            del minded[order.id]
            if not minded:
                del self.by_session[order.session]
            order.session = 0
        if order.mandate is not None:
            order.mandate.group.quotes.pop((order.series.id, order.is_buy), None)
        if order.shelter is not None:
            order.shelter.orders.pop(order.id, None)

    def end(self, order_id: int, remaining: int) -> Order | None:
        """A cancellation as journaled: the order it ended, None when there was none to end."""
        self.totals.cancelled += remaining
        order = self.orders.get(order_id)
        if order is None:
            self.note(
                Rule.CANCEL_MUST_BE_OF_AN_OPEN_ORDER, f"order {order_id} is cancelled and not open", order=order_id
            )
            return None
        if order.left != remaining:
            self.note(
                Rule.CANCEL_MUST_BE_OF_THE_REST,
                f"order {order_id} is cancelled with another quantity than it has left",
                order=order_id,
                expected=order.left,
                actual=remaining,
            )
        self.close(order)
        return order


def _key_end(account: Account, signer: bytes) -> int:
    """When a signature stops counting: the owner's never, a key's with the key."""
    if signer == account.owner:
        return NO_EXPIRY
    return account.keys.get(signer, (0, 0))[1]
