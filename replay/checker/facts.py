"""The checker's own nouns: what it remembers of orders, accounts and series. Facts only; imports the words of
the journal.
"""

from typing import Any, NamedTuple

from exchange.core.commands import Authorisation, OpenRfq, PoolTerms, SetFeed, terms_of
from exchange.core.events import RfqEnd


class Market:
    """A breaker: the rungs of its two ladders, the stages to come, and what its feed is trusted by."""

    __slots__ = ("feed", "good", "jumped", "ordered", "rules", "since_s", "stages")

    def __init__(self) -> None:
        self.feed = self.ordered = self.since_s = self.good = 0
        self.stages: list[tuple[int, int]] = []  # rung, and when
        self.rules: SetFeed | None = None
        self.jumped = False


class Signed:
    """One signed order. ``parent`` is the one it replaced, while the first batch that names it must name both."""

    __slots__ = ("named", "parent", "signer")

    def __init__(self, signer: bytes, parent: "Signed | None") -> None:
        self.signer = signer
        self.parent = parent
        self.named = False

    def lineage(self) -> "list[Signed]":
        """This one, and those it replaced that no batch has named yet."""
        chain, link = [self], self
        while not link.named and link.parent is not None:
            link = link.parent
            if not link.named:
                chain.append(link)
        return chain


class Underlying:
    """The steps its options trade in."""

    __slots__ = ("lot", "tick", "tick_above", "tick_step")

    def __init__(self, lot: int, tick: int, tick_above: int, tick_step: int) -> None:
        self.lot, self.tick, self.tick_above, self.tick_step = lot, tick, tick_above, tick_step

    def tick_at(self, price: int) -> int:
        """The step at a price."""
        return self.tick if price < self.tick_step else self.tick_above


class Expiry:
    """A moment at which series end, and how many of them the round in force prices."""

    __slots__ = ("expiry_s", "fixed", "forward", "priced", "series", "underlying")

    def __init__(self, underlying: int, expiry_s: int) -> None:
        self.underlying, self.expiry_s = underlying, expiry_s
        self.series: list[Series] = []
        self.priced = 0
        self.forward = 0
        self.fixed = False


class Pool:
    """A pool of the AMM: what it quotes by, and whether a breaker silences it."""

    __slots__ = ("is_silent", "terms", "underlying")

    def __init__(self) -> None:
        self.underlying = 0
        self.terms: PoolTerms
        self.is_silent = False


class Series:
    """One option and who stands on either side of its book."""

    __slots__ = ("asks", "bids", "expiry", "id", "index", "is_call", "mark", "step", "strike", "underlying")

    def __init__(self, series_id: int, index: int, expiry: Expiry, step: Underlying, bids: Any, asks: Any) -> None:
        self.id, self.index = series_id, index
        self.expiry = expiry
        self.underlying = expiry.underlying
        self.step = step
        self.bids, self.asks = bids, asks
        self.strike = self.mark = 0
        self.is_call = False

    def ends_in(self, expiry: Expiry) -> bool:
        """Whether it ends with an expiry."""
        return self.expiry is expiry


class Combo(Series):
    """A combo in the place of a series: legs as (series, ratio), in order; it ends with the first of them."""

    __slots__ = ("legs",)

    def __init__(self, number: int, legs: list[tuple[Series, int]], bids: Any, asks: Any) -> None:
        first = min((series.expiry for series, _ in legs), key=lambda expiry: expiry.expiry_s)
        super().__init__(number, 0, first, legs[0][0].step, bids, asks)
        self.legs = legs

    def ends_in(self, expiry: Expiry) -> bool:
        """Whether a leg ends with an expiry."""
        return any(series.expiry is expiry for series, _ in self.legs)


class Auction:
    """A series that does not trade continuously: its phase, when it ends, and the price it uncrosses at."""

    __slots__ = ("ends_s", "every_s", "extended", "phase", "price", "volatile", "volume")

    def __init__(self, phase: int) -> None:
        self.phase = phase
        self.ends_s = self.every_s = self.extended = self.price = self.volume = 0
        self.volatile = False  # begun by an order


class Weight(NamedTuple):
    """What a fill counts for the key that signed its order: notional in 1e-10 USDC, spend in 1e-6 USDC."""

    account: int
    key: bytes
    notional: int
    spend: int


class Bound:
    """The limits of a session key in the units of ``Weight`` (0: none), and what it has used of them."""

    __slots__ = ("notional", "spend", "underlyings", "used")

    def __init__(self, underlyings: int, notional: int, spend: int) -> None:
        self.underlyings, self.notional, self.spend = underlyings, notional, spend
        self.used = (0, 0)

    def names(self, underlying: int) -> bool:
        """Whether its map has the underlying; the empty map has all."""
        return not self.underlyings or self.underlyings >> underlying & 1 == 1


class Account:
    """Who owns it and may sign for it, what it holds, what it has open and which nonces are gone."""

    __slots__ = (
        "awaits",
        "bounds",
        "cancels",
        "cash",
        "exiting",
        "groups",
        "id",
        "keys",
        "makes",
        "nonces",
        "orders",
        "owner",
        "positions",
        "reducing",
    )

    def __init__(self, account_id: int, owner: bytes) -> None:
        self.id = account_id
        self.owner = owner
        self.exiting = False
        self.awaits: dict[bytes, int] = {}  # blocks queued on the contracts, and until when each may settle
        self.cancels = False  # its orders leave with their connection
        self.makes = False  # it answers requests for quotes
        self.cash = 0
        self.positions: dict[int, int] = {}
        self.keys: dict[bytes, tuple[int, int]] = {}  # key -> scopes, end
        self.bounds: dict[bytes, Bound] = {}  # of the keys with limits
        self.nonces: dict[int, int] = {}  # nonce >> 8 -> mask of the 256 in it
        self.groups: dict[str, Any] = {}  # groups of quotes
        self.orders: dict[int, Order] = {}
        self.reducing: dict[int, Order] = {}

    def has_spent(self, nonce: int) -> bool:
        """Whether a nonce is gone."""
        return self.nonces.get(nonce >> 8, 0) >> (nonce & 255) & 1 == 1

    def spend(self, word: int, mask: int) -> None:
        """Nonces are gone."""
        self.nonces[word] = self.nonces.get(word, 0) | mask


class Order:
    """An open order. ``left`` can still trade; ``place`` is where it stands, None while it stands nowhere; ``age`` is
    the record it came with, and the trade of that record after which it queued anew.

    Of an iceberg, ``display`` is shown at a time and ``shown`` is what is left of the slice in its turn; of any other
    resting order ``shown`` is ``left``.
    """

    __slots__ = (
        "account",
        "age",
        "display",
        "expiry_s",
        "filled",
        "group",
        "held",
        "id",
        "is_buy",
        "label",
        "leaf",
        "left",
        "mandate",
        "max_fee",
        "nonce",
        "place",
        "post_only",
        "price",
        "reduce_only",
        "rfq",
        "self_trade",
        "series",
        "session",
        "shelter",
        "shown",
        "signed",
        "slides",
        "terms",
        "tif",
        "watch",
    )

    def __init__(self, order_id: int, account: Account, series: Series, auth: Authorisation) -> None:
        self.id = order_id
        self.account, self.series, self.is_buy = account, series, auth.is_buy
        self.signed = Signed(auth.signer, None)
        self.place: Any = None
        self.age = (0, 0)
        self.mandate: Any = None  # of a quote, with its leaf
        self.shelter: Any = None  # the group of quotes that protects it, of an order that is no quote
        self.leaf: Any = None
        self.label = ""
        self.watch = self.held = self.group = 0  # what it waits for; what is held back; whom it came with
        self.session = 0  # the connection that minds it
        self.rfq = 0  # the request that it answers, if it is a quote for one
        self.filled = self.shown = self.expiry_s = 0
        self.left = auth.qty
        self.say(auth)

    def say(self, auth: Authorisation) -> None:
        """The order says this from now on; what is left of it is another matter."""
        self.price, self.max_fee, self.nonce, self.tif = auth.price, auth.max_fee, auth.nonce, auth.tif
        self.post_only, self.reduce_only = auth.post_only, auth.reduce_only
        terms = self.terms = terms_of(auth)
        self.display, self.self_trade = terms.display, terms.self_trade
        self.slides = terms.slide and auth.post_only

    @property
    def group_of_quotes(self) -> Any:
        """The group for which its fills count, if there is one."""
        return self.mandate.group if self.mandate is not None else self.shelter

    def reducible(self) -> int:
        """How much of its account's position it can close."""
        position = self.account.positions.get(self.series.id, 0)
        closes = -position if self.is_buy else position
        return max(0, closes)


class Request:
    """A request for quotes: what was asked, what of it is left, why it is over, and the quotes that stand in it."""

    __slots__ = ("account", "asked", "ended", "id", "left", "quotes")

    def __init__(self, rfq_id: int, account: Account, asked: OpenRfq) -> None:
        self.id, self.account, self.asked = rfq_id, account, asked
        self.left = asked.qty
        self.ended: RfqEnd | None = None
        self.quotes: dict[int, Order] = {}

    def add(self, order: Order) -> None:
        """A quote stands here."""
        order.place = self
        self.quotes[order.id] = order

    def drop(self, order: Order) -> None:
        """It no longer does."""
        order.place = None
        del self.quotes[order.id]

    def least(self) -> int:
        """The least that may be quoted or accepted."""
        return min(self.left, max(self.asked.minimum, self.asked.step))
