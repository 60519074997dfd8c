"""``explain``: why an order, a fill or a refusal came about, link by link, each with the record that proves it.

Owns the chain and its sentences; figures are read off the state that re-execution gives before and after each record.
Imports the engine, core and the trail.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state import State
from exchange.core.state_types import entered
from exchange.dialect.errors import REFUSALS
from replay import cases, fill_words, trail, words
from replay.at import iso
from replay.cures import Cure, cures_of
from replay.engine import Replayer
from replay.findings import CannotRun
from replay.frames import Progress, rare_collections, read_frame, whole_frames
from replay.trail import Entry, Trail


class Link(msgspec.Struct, kw_only=True):
    """One step: the record that holds it, what it was, a sentence, figures in the units of the machine, and the seqs
    of the records that it rests on.
    """

    seq: int
    time: str
    role: str
    sentence: str
    facts: dict[str, Any] = {}
    because: list[int] = []


class Explanation(msgspec.Struct, kw_only=True):
    """The chain in the order in which it came about, and the answer in one sentence. ``cures`` are of a refusal."""

    what: str
    number: int
    answer: str
    links: list[Link]
    cures: list[Cure] = []


def explain(path: Path, what: str, number: int, progress: Progress | None = None) -> Explanation:
    """Explain an ``order`` or ``fill`` by its number, a ``reject`` or ``liquidation`` by the seq of its record.

    Raises CannotRun, Diverged.
    """
    if what == LIQUIDATION:
        return _liquidation(path, number, progress)
    found = _GATHER[what](path, number, progress)
    if not found.entries:
        raise CannotRun(f"the journal knows no {what} {number}")
    chain = _Chain(found)
    for entry, replayer in _visits(path, [entry.seq for entry in found.entries], progress):
        chain.follow(what, number, entry, replayer)
    told = chain.finish(what, number)
    told.links.sort(key=lambda link: link.seq)
    return told


def _visits(path: Path, seqs: list[int], progress: Progress | None) -> Iterator[tuple[Entry, Replayer]]:
    """Re-execute up to each of these records: the entry, and the replayer right before it. Going on executes it."""
    replayer, wanted = Replayer(), seqs
    with rare_collections():
        for frame in whole_frames(path):
            records = read_frame(frame)
            while wanted and wanted[0] <= frame.last_seq:
                place = bisect_left(records, wanted[0], key=lambda record: record.seq)
                replayer.run(records[:place])
                record, records = records[place], records[place + 1 :]
                yield trail.entry_of(record), replayer
                if replayer.state.seq < record.seq:
                    replayer.run((record,))
                wanted = wanted[1:]
            if not wanted:
                return
            replayer.run(records)
            if progress is not None:
                progress(frame.last_seq)


def _of_reject(path: Path, seq: int, progress: Progress | None) -> Trail:
    """The record that refuses, and the rounds before it."""
    found = Trail()
    for entry in trail.entries(path, progress):
        if entry.seq > seq:
            break
        found.rounds += [entry.seq] * any(isinstance(event, e.RoundAdopted) for event in entry.events)
        if entry.seq == seq:
            if not any(isinstance(event, e.Rejected | e.QuoteRefused) for event in entry.events):
                raise CannotRun(f"seq {seq} refuses nothing: it is a {type(entry.command).__name__}")
            found.entries.append(entry)
    return found


def _liquidation(path: Path, seq: int, progress: Progress | None) -> Explanation:
    """The case that a record tells of."""
    case, found = cases.gather(path, seq, progress)
    chain = _Chain(found)
    told = dict.fromkeys(entry.seq for entry in case.facts)
    for entry, replayer in _visits(path, [entry.seq for entry in found.entries], progress):
        if entry.seq in told:
            for step in case.steps(entry, replayer.state):
                chain.link(entry, step.role, step.sentence, step.because, **step.facts)
        else:
            replayer.run((entry.record,))
            case.note_round(entry, replayer.state)
    roles = {link.role: link for link in chain.links}
    answer = " ".join(f"{roles[role].sentence}." for role in ("margin", "flagged", "closed") if role in roles)
    return Explanation(what=LIQUIDATION, number=seq, answer=answer, links=chain.links)


LIQUIDATION: Final = "liquidation"
_GATHER: Final[dict[str, Callable[[Path, int, Progress | None], Trail]]] = {
    "order": trail.of_order,
    "fill": trail.of_trade,
    "reject": _of_reject,
}
SUBJECTS: Final = (*_GATHER, LIQUIDATION)


class _Chain:
    """The links so far."""

    def __init__(self, found: Trail) -> None:
        self._trail = found
        self.links: list[Link] = []
        self.cures: list[Cure] = []
        self.answer = ""

    def follow(self, what: str, number: int, entry: Entry, replayer: Replayer) -> None:
        """Everything that one record adds; it is executed here when figures after it are needed."""
        before = replayer.state
        if what == "reject":
            self._refusals(entry, before)
            return
        for order_id in dict.fromkeys(self._trail.orders):
            self._entered(entry, before, order_id)
        fills = [
            (event, taker)
            for event, taker in trail.takers(entry)
            if (number == event.trade_id if what == "fill" else number in (event.maker_order, taker))
        ]
        agreed = [event for event in entry.events if isinstance(event, e.BlockTraded) and event.trade_id == number]
        self._filled(entry, replayer, fills, agreed if what == "fill" else [])
        if what == "order" or not (fills or agreed):
            for order_id in self._trail.orders:
                self._happened(entry, order_id)

    def link(self, entry: Entry, role: str, sentence: str, because: list[int] | None = None, **facts: Any) -> None:
        """Add one."""
        based = [seq for seq in because or [] if seq and seq != entry.seq]
        time = iso(entry.time_ns)
        self.links.append(
            Link(
                seq=entry.seq, time=time, role=role, sentence=sentence, facts=facts, because=list(dict.fromkeys(based))
            )
        )

    # -- how an order came in -----------------------------------------------------------------------------------------

    def _entered(self, entry: Entry, before: State, order_id: int) -> None:
        if entered(order_id)[0] != entry.seq:
            return
        auth = trail.signed_for(entry, order_id)
        if auth is None:
            return
        round_seq = trail.round_before(self._trail, entry.seq)
        refused = next((event for event in entry.events if isinstance(event, e.Rejected)), None)
        sentence = f"{words.signer(before, auth)} asked to {words.order(before, auth)}"
        self.link(entry, "entered", sentence, [round_seq], order=order_id, account=auth.account, nonce=auth.nonce)
        book = before.books.get(auth.series)
        if book is not None:
            best = {"bid": book.bids.best(), "ask": book.asks.best()}
            self.link(entry, "market", fill_words.market(before, auth.series), [round_seq], **best)
        if refused is not None:
            self._refused(entry, before, refused, auth)

    # -- what became of it --------------------------------------------------------------------------------------------

    def _filled(
        self, entry: Entry, replayer: Replayer, fills: list[tuple[e.Traded, int]], agreed: list[e.BlockTraded]
    ) -> None:
        if not fills and not agreed:
            return
        told = [fill_words.of_fill(entry, replayer.state, event, taker) for event, taker in fills]
        told += [fill_words.of_block(entry, replayer.state, event) for event in agreed]
        accounts = sorted({account for fill in told for account in (fill.taker_account, fill.maker_account)})
        margins = {account: fill_words.margin(replayer.state, account) for account in accounts}
        replayer.run((entry.record,))
        round_seq = trail.round_before(self._trail, entry.seq)
        for fill in told:
            orders = [entered(order)[0] for order in (fill.maker_order, fill.taker_order) if order]
            for role, sentence in fill.sentences():
                self.link(entry, role, sentence, [*orders, round_seq], **(fill.facts() if role == "fill" else {}))
            self._settled(entry, fill.trade)
        for account in accounts:
            after = fill_words.margin(replayer.state, account)
            sentence = fill_words.margin_sentence(account, margins[account], after)
            self.link(entry, "margin", sentence, [round_seq], account=account, before=margins[account], after=after)

    def _settled(self, entry: Entry, trade: int) -> None:
        batch = trail.batch_of(self._trail, trade)
        if batch is None:
            self.link(entry, "settlement", f"trade {trade} waits for its batch to be sealed")
            return
        sealed = batch.entry
        first, last, number = batch.sealed.first_trade, batch.sealed.last_trade, batch.sealed.batch_id
        sentence = f"trade {trade} was sealed in batch {number} with trades {first} to {last}"
        self.link(sealed, "sealed", sentence, [entry.seq], batch=number, first_trade=first, last_trade=last)
        if batch.settled is None:
            self.link(sealed, "settlement", f"batch {number} is not final on chain in this journal", [sealed.seq])
            return
        said = batch.settled.command
        assert isinstance(said, c.ObserveBatch)
        sentence = f"batch {number} settled on chain in block {said.block}, transaction 0x{said.tx_hash.hex()}"
        facts = {"batch": number, "block": said.block, "tx_hash": said.tx_hash.hex(), "gas": said.gas}
        self.link(batch.settled, "settled", sentence, [sealed.seq], **facts)

    def _happened(self, entry: Entry, order_id: int) -> None:
        """What else a record did to the order."""
        for event in entry.events:
            if getattr(event, "order_id", None) != order_id:
                continue
            sentence = fill_words.event(entry, event)
            if sentence:
                cause = event.fact if isinstance(event, e.Triggered) else 0
                role = type(event).__name__.lower()
                self.link(entry, role, sentence, [entered(order_id)[0], cause])
        refused = next((event for event in entry.events if isinstance(event, e.Rejected)), None)
        if refused is not None and entered(order_id)[0] != entry.seq:
            sentence = f"a request about it ({type(entry.command).__name__}) was refused: {refused.reason.value}"
            self.link(entry, "refused", sentence, [entered(order_id)[0]])

    # -- refusals -----------------------------------------------------------------------------------------------------

    def _refusals(self, entry: Entry, before: State) -> None:
        for event in entry.events:
            if isinstance(event, e.Rejected):
                command = entry.command
                auth = command.auth if isinstance(command, c.Place | c.Amend | c.QuoteRfq | c.AcceptRfq) else None
                self._asked(entry, before, auth)
                self._refused(entry, before, event, auth)
            elif isinstance(event, e.QuoteRefused):
                self._refused(entry, before, e.Rejected(event.reason, event.value, event.limit), None, event.leaf)

    def _asked(self, entry: Entry, before: State, auth: c.Authorisation | None) -> None:
        round_seq = trail.round_before(self._trail, entry.seq)
        if auth is None:
            self.link(entry, "asked", f"the command was a {type(entry.command).__name__}", [round_seq])
            return
        sentence = f"{words.signer(before, auth)} asked to {words.order(before, auth)}"
        self.link(entry, "asked", sentence, [round_seq], account=auth.account, nonce=auth.nonce)
        if auth.series in before.books:
            self.link(entry, "market", fill_words.market(before, auth.series), [round_seq])

    def _refused(
        self, entry: Entry, before: State, refused: e.Rejected, auth: c.Authorisation | None, leaf: int | None = None
    ) -> None:
        row = REFUSALS[refused.reason]
        what = "" if leaf is None else f"quote {leaf} of the message: "
        sentence = f"{what}refused by the rule {refused.reason.value}: {row.rule}{fill_words.bounds(refused)}"
        facts = {"rule": refused.reason.value, "value": refused.value, "limit": refused.limit}
        self.link(entry, "refused", sentence, [trail.round_before(self._trail, entry.seq)], **facts)
        self.answer = f"{what}{row.rule}{fill_words.bounds(refused)}"
        if isinstance(entry.command, c.Place | c.Amend) and auth is entry.command.auth:
            self.cures = cures_of(before, entry.seq, entry.time_ns, entry.command, refused)
        for cure in self.cures:
            proof = "the machine then takes it" if cure.proved else f"then {cure.then} refuses it"
            self.link(entry, "cure", f"to have it taken: {cure.sentence} ({proof})", value=cure.value)
        if not self.cures:
            self.link(entry, "cure", f"to have it taken: {row.cure}")

    # -- the answer ---------------------------------------------------------------------------------------------------

    def finish(self, what: str, number: int) -> Explanation:
        """All links, and the one sentence that answers."""
        roles = {link.role: link for link in self.links}
        if what == "fill":
            self.answer = " ".join(roles[role].sentence for role in ("fill", "why") if role in roles)
        elif what == "order" and not self.answer:
            last = next((link for link in reversed(self.links) if link.role in _FATES), None)
            self.answer = f"order {number}: {last.sentence}" if last is not None else f"order {number} has done nothing"
        return Explanation(what=what, number=number, answer=self.answer, links=self.links, cures=self.cures)


_FATES: Final = ("cancelled", "fill", "rested", "parked", "quoted", "accepted", "amended", "held", "triggered")


def lines(told: Explanation) -> list[str]:
    """The chain for people."""
    shown = [f"{told.what} {told.number}: {told.answer}", ""]
    for link in told.links:
        based = f"  (rests on seq {', '.join(f'{seq:,}' for seq in link.because)})" if link.because else ""
        shown.append(f"seq {link.seq:<8,} {link.role:<10} {link.sentence}{based}")
    return shown
