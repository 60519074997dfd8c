"""Who quotes for a pool: a client with the pool's key that answers each round, and each fill, with its ladder.

What it says is ``core.pool_quotes`` of the state it says it about, so whoever has the journal can repeat it; it adds a
signature. It keeps nothing a restart would miss: nonces go on from those the machine has seen. Imports the
sequencer, core.pool_quotes and signing.
"""

import asyncio
from typing import Final, NamedTuple

import msgspec
import structlog

from exchange.core import commands as c
from exchange.core.events import Quoted, Rejected, RoundAdopted, Traded
from exchange.core.pool_quotes import Frozen, PoolQuote, freeze, quotes
from exchange.core.state import State
from exchange.core.units import Price, Qty, Seconds
from exchange.shell.sequencer import Outcome, Overloaded, Sequencer
from exchange.signing import Signer, address_of, mandate_digest, mandate_root

_UNBOUNDED: Final = c.Protection(0, 0, 0, 0, 0, 0)
_log = structlog.get_logger(__name__)


class NotAPool(Exception):
    """The account has not been made a pool, so that there are no terms to quote by."""


class _Wish(NamedTuple):
    """What is to be said about a state: the ladder, and with which nonce and until when it is signed."""

    ladder: PoolQuote
    nonce: int
    expiry_s: Seconds
    missing: tuple[str, ...]  # groups that are to be opened first
    over: tuple[str, ...]  # groups in which nothing is to stand any more


def level_name(place: int) -> str:
    """The group of quotes in which a level of the ladder stands."""
    return f"level {place + 1}"


class Quoter:
    """One pool's quotes. Calls of ``refresh`` do not overlap."""

    def __init__(self, sequencer: Sequencer, domain: bytes, key: bytes, account: int, max_fee: Price) -> None:
        """``max_fee`` is signed for a contract; ``domain`` is that of Clearing."""
        self._sequencer, self._domain, self._signer = sequencer, domain, Signer(key)
        self._address = address_of(key)
        self._account, self._max_fee = account, max_fee
        self._frozen: tuple[int, Frozen] | None = None  # of a round
        self._due = asyncio.Event()
        self.hedge: Qty = 0  # held elsewhere, 1e-4 underlying; whoever hedges says so

    def tap(self, _state: State, outcome: Outcome) -> None:
        """Hear a record: another round, or fills, call for another ladder."""
        if any(type(event) in (RoundAdopted, Traded) for event in outcome.events):
            self._due.set()

    async def run(self) -> None:
        """Answer whatever calls for it, until cancelled. While the venue is overloaded what stands is left as it is."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self.refresh()
            except Overloaded:
                _log.warning("pool_quotes_late", account=self._account)

    async def refresh(self) -> int:
        """Quote for the state as it is; how many quotes stand. Raises NotAPool."""
        wish = await self._sequencer.read(self._wish)
        for name in wish.missing:
            await self._sequencer.record(c.SetProtection(self._account, name, _UNBOUNDED))
        for name in wish.over:
            await self._sequencer.record(c.CancelQuotes(self._account, name))
        standing = 0
        for place, leaves in enumerate(wish.ladder.levels):
            if leaves:
                standing += await self._quote(wish, place, leaves)
        return standing

    async def _quote(self, wish: _Wish, place: int, leaves: tuple[c.QuoteLeaf, ...]) -> int:
        nonce, vega = wish.nonce + place, max(wish.ladder.vega, 1)
        bare = c.QuoteMandate(self._account, nonce, wish.expiry_s, self._max_fee, 0, 0, vega, 0, self._address, b"")
        signature = self._signer.sign(mandate_digest(self._domain, bare, mandate_root(leaves)))
        mandate = msgspec.structs.replace(bare, signature=signature)
        outcome = await self._sequencer.record(c.MassQuote(mandate, leaves, level_name(place), whole=True))
        refused = next((event for event in outcome.events if isinstance(event, Rejected)), None)
        if refused is not None:
            # Another round has come meanwhile, or a breaker: the record that brought it calls for the next ladder.
            _log.info("pool_quotes_refused", account=self._account, reason=refused.reason)
        return sum(isinstance(event, Quoted) for event in outcome.events)

    def _wish(self, state: State) -> _Wish:
        pool, view = state.pools.get(self._account), state.view
        if pool is None:
            raise NotAPool(f"account {self._account} is no pool")
        names = [level_name(place) for place in range(len(pool.rules.terms.sizes))]
        account = state.accounts[self._account]
        missing = tuple(name for name in names if name not in account.groups)
        if view is None:
            return _Wish(PoolQuote((), 0), 0, 0, missing, ())
        if self._frozen is None or self._frozen[0] != view.id:
            self._frozen = view.id, freeze(state, pool)
        ladder = quotes(state, pool, self._frozen[1], self.hedge)
        word = max(account.nonces, default=0)
        nonce = word * 64 + account.nonces.get(word, 0).bit_length()
        shown = [level_name(place) for place, leaves in enumerate(ladder.levels) if leaves]
        over = tuple(name for name in names if account.quotes.get(name) and name not in shown)
        return _Wish(ladder, nonce, view.time_s + pool.rules.terms.life_s, missing, over)
