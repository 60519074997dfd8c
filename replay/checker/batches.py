"""Trades on their way to the contracts: batches are due when the rule says so, follow one another, and leave none out.

Imports the words of the journal and the ledger.
"""

from collections.abc import Sequence
from typing import Final

from exchange.core.commands import BatchRefused, SealBatch
from exchange.core.events import Applied, BatchSealed, Event, Reject, Rejected
from replay.checker import breakers
from replay.checker.bounds import BATCHES_MIN, BLOCK_S
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Taken

NANOS: Final = 10**9


def sealed_first(ledger: Ledger, events: Sequence[Event]) -> Sequence[Event]:
    """What remains of a record's events after the batches it begins with, which must be there when one is full."""
    due = full(ledger)
    if due or (events and type(events[0]) is BatchSealed):
        return sealed(ledger, events, due=due, free=False)
    return events


def sealed(ledger: Ledger, events: Sequence[Event], *, due: bool, free: bool) -> Sequence[Event]:
    """The same when batches are ``due`` for a reason of the caller's, or may be sealed at will (``free``)."""
    count = 0
    while count < len(events) and type(events[count]) is BatchSealed:
        count += 1
    if count and not due and not free:
        ledger.note(Rule.BATCH_MUST_BE_DUE, "a batch is sealed that is neither full nor old")
    if due and not count:
        sentence = f"{len(ledger.unsealed)} trades are due for a batch and stay where they are"
        ledger.note(Rule.BATCH_MUST_BE_DUE, sentence)
    for event in events[:count]:
        _seal(ledger, event)  # type: ignore[arg-type]
    if count and ledger.unsealed:
        sentence = f"{len(ledger.unsealed)} trades are left out of the batches that close"
        ledger.note(Rule.BATCH_MUST_BE_COMPLETE, sentence, expected=0, actual=len(ledger.unsealed))
    if count > 1:
        ledger.take(Taken.BATCH_CUT)
    return events[count:]


def sealed_block(ledger: Ledger, event: BatchSealed, legs: int) -> None:
    """A block is a batch of its own: all its trades, and no other."""
    ledger.deals[event.batch_id] = None
    _seal(ledger, event, legs)
    if ledger.unsealed:
        ledger.note(Rule.BATCH_MUST_BE_COMPLETE, "a block is not sealed whole", expected=0, actual=len(ledger.unsealed))


def deals_max(ledger: Ledger) -> int:
    """Block trades that may wait: a quarter of the batches that may."""
    assert ledger.config is not None
    return max(BATCHES_MIN, ledger.config.settlement_window_s // (2 * BLOCK_S)) // 4


def _seal(ledger: Ledger, event: BatchSealed, most: int = 0) -> None:
    first = ledger.next_trade - len(ledger.unsealed)
    expected = (ledger.next_batch, first, ledger.round.id if ledger.round is not None else None)
    if (event.batch_id, event.first_trade, event.round_id) != expected:
        sentence = "a batch does not follow the one before, or names another round than that in force"
        ledger.note(
            Rule.BATCH_MUST_FOLLOW,
            sentence,
            expected=expected,
            actual=(event.batch_id, event.first_trade, event.round_id),
        )
    count = event.last_trade + 1 - first
    config = ledger.config
    if (
        not 0 <= count <= len(ledger.unsealed)
        or config is None
        or _begun(ledger, count) > (most or config.batch_trades_max)
    ):
        sentence = "a batch holds trades that are not there, or more than it may"
        ledger.note(Rule.BATCH_MUST_BE_COMPLETE, sentence, expected=len(ledger.unsealed), actual=count)
    count = max(count, 0)
    if any(ledger.parts[count : count + 1]):
        ledger.note(Rule.COMBO_MUST_FILL_WHOLE, "a batch parts the legs of a combo", actual=event.last_trade)
    for pair in ledger.unsealed[:count]:
        for link in (one for signed in pair for one in signed.lineage()):
            link.named, link.parent = True, None
    del ledger.unsealed[:count], ledger.parts[:count]
    ledger.next_batch = event.batch_id + 1
    ledger.pending[event.batch_id] = (ledger.time_ns, count)
    ledger.open_since_ns = ledger.time_ns


def _begun(ledger: Ledger, count: int) -> int:
    """So many trades, where the legs of a combo that are the last of them count for one."""
    while count > 1 and any(ledger.parts[count - 1 : count]):
        count -= 1
    return count


def old(ledger: Ledger) -> bool:
    """Whether the open batch has waited as long as it may."""
    config = ledger.config
    if config is None or not ledger.unsealed:
        return False
    return (ledger.time_ns - ledger.open_since_ns) // NANOS >= config.batch_age_max_s


def full(ledger: Ledger) -> bool:
    """Whether the open batch holds as many trades as a batch may."""
    config = ledger.config
    return config is not None and len(ledger.unsealed) >= config.batch_trades_max


def seal(ledger: Ledger, command: SealBatch, events: Sequence[Event]) -> None:
    """A batch is closed on request; an empty one only to show that the operator is alive."""
    if len(events) == 1 and type(events[0]) is Rejected:
        reason = events[0].reason
        holds = ledger.round is None if reason is Reject.ORACLE_MUST_BE_FRESH else not ledger.unsealed
        if not holds or (reason is Reject.NOTHING_TO_SEAL and command.heartbeat):
            ledger.note(Rule.REFUSAL_MUST_HOLD, f"a batch is not sealed for {reason}, and that does not hold")
        return
    rest = sealed(ledger, events, due=True, free=True)
    if rest:
        ledger.note(Rule.EVENTS_MUST_FIT, "a sealed batch causes nothing else")


def refused(ledger: Ledger, command: BatchRefused, events: Sequence[Event]) -> None:
    """The contract refused a batch: the venue halts."""
    if events == (Applied(),):
        breakers.switched(ledger, is_open=False)
        if command.batch_id not in ledger.pending:
            ledger.note(Rule.EVENTS_MUST_FIT, "a batch is refused that is not pending")
    elif command.batch_id in ledger.pending:
        ledger.note(Rule.REFUSAL_MUST_HOLD, "a batch that is pending is said not to be")


def settled(ledger: Ledger, batch_id: int) -> None:
    """A batch is final: its trades no longer wait."""
    _, count = ledger.pending.pop(batch_id, (0, 0))
    ledger.deals.pop(batch_id, None)
    ledger.waiting -= count
    for _ in range(min(count, len(ledger.unsettled))):
        ledger.unsettled.popleft()
