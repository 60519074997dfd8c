"""``at``: the venue as it stood after a record or at a moment.

Owns the moment's spelling and the view of a state that people and programs read. Everything in a view is an integer in
the units of the machine, or a name; views of equal states are equal. Imports the engine and core.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from exchange import codec
from exchange.core import risk
from exchange.core.commands import ObserveBlock
from exchange.core.events import Rejected
from exchange.core.images import digest
from exchange.core.margin import Kind as MarginKind
from exchange.core.phases import phase_of
from exchange.core.state import State
from exchange.core.state_types import Account, Batch, Entry, Identity, Order, Reading, Series, Trade
from exchange.core.units import USDC_ONE, Cash, Nanos, Price, Qty
from replay.engine import END, Moment, replay
from replay.findings import CannotRun
from replay.frames import Progress, read_frame, whole_frames
from replay.limits import LimitsView, limits_of
from replay.margins import MarginView, margin_of

DEPTH: Final = 10
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS_FROM: Final = 10**15
"""A bare number this large is a time in nanoseconds (from January 1970, eleven days in), a smaller one a seq."""
_BLOCK: Final = "block:"
_BLOCK_TAG: Final = codec.encode_command(ObserveBlock(0, 0, b""))[1]
"""The second byte of an encoded command is its tag: other commands need not be decoded."""
PHASES: Final = ("continuous", "auction", "uncrossing", "halted", "closed")


class BookView(msgspec.Struct, kw_only=True):
    """One series: depth as (price, quantity) from the best on, and its public statistics."""

    series: int
    name: str
    bids: list[tuple[Price, Qty]]
    asks: list[tuple[Price, Qty]]
    mark: Price | None
    open_interest: Qty
    volume: Qty
    last_price: Price
    phase: str = PHASES[0]


class AccountView(msgspec.Struct, kw_only=True):
    """One account. Requirements at the round in force, None before the first; ``open_orders`` are ids."""

    account: int
    owner: str
    cash: Cash
    held: Cash
    exiting: bool
    initial_margin: Cash | None
    maintenance_margin: Cash | None
    positions: dict[str, Qty]
    open_orders: list[int]
    margin: MarginView | None = None  # this and the next only where one account was asked for
    limits: LimitsView | None = None


class MirrorView(msgspec.Struct, kw_only=True):
    """What the contracts should hold: the facts they reported, and nothing else."""

    action_id: int
    batch_id: int
    vault: Cash
    cash: dict[int, Cash]
    positions: dict[int, dict[str, Qty]]
    fixings: dict[int, Price]


class StateView(msgspec.Struct, kw_only=True):
    """The venue at a moment. ``time`` is ISO 8601 in UTC; ``digest`` covers the whole state, not only what is shown.

    ``block`` is the last block of the chain whose facts are in it, None before the first. Of settlement: ``unsettled``
    trades are not final on chain, those below ``first_unsealed`` are in one of the ``batches``, and ``fixings`` maps an
    expiry that is fixed here, not yet on chain, to its round.
    """

    seq: int
    time_ns: Nanos
    time: str
    digest: str
    is_open: bool
    round_id: int | None
    books: list[BookView]
    accounts: list[AccountView]
    orders: list[Order]
    unsettled: list[Trade]
    batches: list[Batch]
    mirror: MirrorView
    block: int | None = None
    first_unsealed: int = 1
    fixings: dict[int, int] = {}
    references: list[Entry] = []  # every entry, those that were corrected since included
    identities: list[Identity] = []
    clock: Reading | None = None  # the last reading


def moment_of(path: Path, text: str) -> Moment:
    """The moment that a text names in a journal: as ``parse_moment``, or the end, or what was known at a block.

    At a block the journal stands as after the last record that says that the chain was in sight up to that block or
    one before it: by then every fact up to there is in, and none after it. Raises CannotRun, Diverged.
    """
    if text == "end":
        return END
    return _at_block(path, text) if text.startswith(_BLOCK) else parse_moment(text)


def _at_block(path: Path, text: str) -> Moment:
    number = text.removeprefix(_BLOCK)
    if not (number.isascii() and number.isdigit()):
        raise CannotRun(f"{text!r} names no block: write block:123")
    wanted, found, newest = int(number), None, -1
    for seq, block in _blocks(path):
        newest = max(newest, block)
        if block > wanted:
            break
        found = seq
    if found is None or newest < wanted:
        known = f"it was in sight up to block {newest}" if newest >= 0 else "the chain was never in sight"
        first = ", from a later one on" if newest >= wanted else ""
        raise CannotRun(f"the journal does not reach block {wanted} of the chain: {known}{first}")
    return Moment(seq=found)


def _blocks(path: Path) -> Iterator[tuple[int, int]]:
    """Records that say how far the chain was in sight: seq and block, in order. A refused one says nothing."""
    for frame in whole_frames(path):
        for record in read_frame(frame):
            if len(record.command) > 1 and record.command[1] == _BLOCK_TAG:
                command, (event, *_) = codec.decode_command(record.command), codec.decode_events(record.events)
                if isinstance(command, ObserveBlock) and not isinstance(event, Rejected):
                    yield record.seq, command.number


def parse_moment(text: str) -> Moment:
    """A seq, a time in nanoseconds, or an ISO 8601 time (UTC unless it says otherwise). Raises CannotRun."""
    if text.isascii() and text.isdigit():
        number = int(text)
        return Moment(time_ns=number) if number >= _NANOS_FROM else Moment(seq=number)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CannotRun(f"{text!r} is neither a seq nor a time: {error}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Moment(time_ns=(moment - _EPOCH) // timedelta(microseconds=1) * 1000)


def state_at(path: Path, moment: Moment, progress: Progress | None = None) -> State:
    """The state at a moment. Raises Diverged, or CannotRun when the journal ends before the seq asked for."""
    state = replay(path, moment, progress)
    if moment.seq is not None and state.seq < moment.seq:
        raise CannotRun(f"the journal ends at seq {state.seq}, before {moment.seq}")
    return state


def view(state: State, *, account: int | None = None, series: str | None = None, depth: int = DEPTH) -> StateView:
    """What a state holds, or what of it concerns one account or one series (by name or number). Raises CannotRun."""
    if account is not None and account not in state.accounts:
        raise CannotRun(f"there is no account {account} at seq {state.seq}")
    only = None if series is None else find_series(state, series)
    return StateView(
        seq=state.seq,
        time_ns=state.time_ns,
        time=iso(state.time_ns),
        digest=digest(state).hex(),
        is_open=state.is_open,
        round_id=None if state.round is None else state.round.round_id,
        books=[book_view(state, each, depth) for key, each in state.series.items() if only in (None, key)],
        accounts=[
            account_view(state, each, in_full=account is not None)
            for key, each in sorted(state.accounts.items())
            if account in (None, key)
        ],
        orders=[
            each for each in state.orders.values() if account in (None, each.account) and only in (None, each.series)
        ],
        unsettled=[each for each in state.trades.values() if _concerns(each, account) and only in (None, each.series)],
        batches=list(state.batches.values()),
        mirror=_mirror(state, account, only),
        block=None if state.block is None else state.block.number,
        first_unsealed=state.first_unsealed,
        fixings=dict(sorted(state.fixings.items())),
        references=[entry for key in sorted(state.references) for entry in state.references[key]],
        identities=[each for key, each in sorted(state.identities.items()) if account in (None, key[0])],
        clock=state.reading,
    )


def _concerns(trade: Trade, account: int | None) -> bool:
    return account in (None, trade.taker_account, trade.maker_account)


def find_series(state: State, text: str) -> int:
    """The number of a series from its name or number. Raises CannotRun."""
    for key, series in state.series.items():
        if text in (str(key), name_of(state, series)):
            return key
    raise CannotRun(f"no series {text} is listed at seq {state.seq}")


def name_of(state: State, series: Series) -> str:
    """The wire name of a series: underlying, expiry day, strike, C or P."""
    day = _EPOCH + timedelta(seconds=series.expiry_s)
    whole, fraction = divmod(series.strike, USDC_ONE)
    strike = f"{whole}d{fraction:06d}".rstrip("0") if fraction else str(whole)
    month = _MONTHS[day.month - 1]
    kind = "C" if series.is_call else "P"
    return f"{state.underlyings[series.underlying].name}-{day.day}{month}{day.year % 100:02d}-{strike}-{kind}"


_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def iso(time_ns: Nanos) -> str:
    """A time in UTC with all nine digits of its fraction."""
    seconds, nanos = divmod(time_ns, 10**9)
    return f"{_iso_second(seconds)}.{nanos:09d}Z"


@lru_cache(maxsize=1_000)
def _iso_second(seconds: int) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def book_view(state: State, series: Series, depth: int) -> BookView:
    """One series, so many levels of each side."""
    book = state.books[series.id]
    return BookView(
        series=series.id,
        name=name_of(state, series),
        bids=book.bids.depth(depth),
        asks=book.asks.depth(depth),
        mark=None if state.view is None else state.view.marks.get(series.id),
        open_interest=series.open_interest,
        volume=series.volume,
        last_price=series.last_price,
        phase=PHASES[phase_of(state, series.id)],
    )


def account_view(state: State, account: Account, *, in_full: bool) -> AccountView:
    """One account; ``in_full`` with what margin says of it and what bounds it."""
    names = {key: name_of(state, state.series[key]) for key in account.positions}
    return AccountView(
        account=account.id,
        owner=account.owner.hex(),
        cash=account.cash,
        held=account.held,
        exiting=account.exiting,
        initial_margin=_requirement(state, account, MarginKind.INITIAL),
        maintenance_margin=_requirement(state, account, MarginKind.MAINTENANCE),
        positions=_named(state, account.positions),
        open_orders=sorted(account.orders),
        margin=margin_of(state, account, names) if in_full else None,
        limits=limits_of(state, account) if in_full else None,
    )


def _requirement(state: State, account: Account, kind: MarginKind) -> Cash | None:
    if state.view is None:
        return None
    return risk.requirement_of(state, state.view, account.positions, kind)


def _named(state: State, positions: dict[int, Qty]) -> dict[str, Qty]:
    return {name_of(state, state.series[key]): positions[key] for key in sorted(positions)}


def _mirror(state: State, account: int | None, series: int | None) -> MirrorView:
    mirror = state.mirror
    positions = {
        key: _named(state, {each: qty for each, qty in held.items() if series in (None, each)})
        for key, held in sorted(mirror.positions.items())
        if account in (None, key)
    }
    return MirrorView(
        action_id=mirror.action_id,
        batch_id=mirror.batch_id,
        vault=mirror.vault,
        cash={key: value for key, value in sorted(mirror.cash.items()) if account in (None, key)},
        positions={key: held for key, held in positions.items() if held},
        fixings=dict(sorted(mirror.fixings.items())),
    )
