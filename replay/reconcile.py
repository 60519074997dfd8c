"""``reconcile``: does the chain hold what the journal says it holds.

Owns the comparison of the mirror, which the machine derives from finalised facts alone, with the contracts themselves.
Both are exact, so there is no tolerance: every item is equal, explained by facts still on their way, or wrong. Reads
the contracts through ``ContractView``. Imports core and msgspec; knows no node.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from exchange.core.state import TREASURY, State
from exchange.core.units import Cash, Price, Qty


class ContractView(Protocol):
    """The clearing contracts as of one block. Cash in 1e-6 USDC, quantities in 1e-4 contract."""

    async def head(self) -> int:
        """The block that is read."""
        ...

    async def action_id(self) -> int:
        """The contract's number of its newest action."""
        ...

    async def batch_id(self) -> int:
        """The newest batch settled."""
        ...

    async def vault_held(self) -> Cash:
        """Tokens the vault took in by deposits and has not paid out."""
        ...

    async def vault_balance(self) -> Cash:
        """Tokens the vault has, gifts included."""
        ...

    async def account_cash(self, account: int) -> Cash:
        """Cash of an account; account 0 is the treasury."""
        ...

    async def positions(self, account: int) -> dict[int, Qty]:
        """Positions of an account by series, those that are not zero."""
        ...

    async def fixing(self, expiry_id: int) -> Price | None:
        """Settlement price of an expiry; None while it is not fixed."""
        ...

    async def anchor(self, batch_id: int) -> bytes:
        """Journal root that a settled batch anchored."""
        ...


class Verdict(StrEnum):
    """What became of one item. Only the first two are in order, and the second must not last."""

    MATCHED = "matched"
    LATE = "late"
    MISSING = "missing"
    MISMATCH = "mismatch"
    REORGED = "reorged"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison: what, of whom (account, expiry, batch; 0 where it is the venue's), both values, the verdict.

    ``series`` is given for positions. None stands for a value that one side does not have; roots are hex.
    """

    what: str
    key: int
    journal: int | str | None
    chain: int | str | None
    verdict: Verdict
    sentence: str = ""
    series: int = -1


class Report(msgspec.Struct, kw_only=True):
    """All items; ``block`` is the block read, ``seq`` the record the journal's side is as of."""

    seq: int
    block: int
    journal_action: int
    chain_action: int
    items: list[Item]

    @property
    def ok(self) -> bool:
        """Whether every difference is explained by facts on their way."""
        return all(item.verdict in (Verdict.MATCHED, Verdict.LATE) for item in self.items)

    @property
    def settled(self) -> bool:
        """Whether there is no difference at all, and nothing on its way."""
        return all(item.verdict is Verdict.MATCHED for item in self.items)

    def count(self, verdict: Verdict) -> int:
        """Items with this verdict."""
        return sum(item.verdict is verdict for item in self.items)


async def reconcile(state: State, view: ContractView, roots: Mapping[int, bytes] | None = None) -> Report:
    """Compare the state at the end of a journal with the contracts; ``roots`` are journal roots by sealed batch.

    The action number decides how a difference reads. Equal: both sides speak of the same facts, so it is wrong. Chain
    ahead: the facts are not final or not journaled yet. Journal ahead: the chain has lost what was taken as final.
    """
    chain_action = await view.action_id()
    judge = _Judge(state.mirror.action_id, chain_action)
    judge.value("action_id", 0, state.mirror.action_id, chain_action)
    judge.value("batch_id", 0, state.mirror.batch_id, await view.batch_id())
    held = await view.vault_held()
    judge.value("vault", 0, state.mirror.vault, held)
    judge.tokens(held, await view.vault_balance())
    for account in sorted(state.accounts.keys() | state.mirror.cash.keys() | {TREASURY}):
        judge.value("cash", account, state.mirror.cash.get(account, 0), await view.account_cash(account))
        judge.positions(account, state.mirror.positions.get(account, {}), await view.positions(account))
    for expiry_id in state.expiries:
        judge.value("fixing", expiry_id, state.mirror.fixings.get(expiry_id), await view.fixing(expiry_id))
    for batch_id, root in sorted((roots or {}).items()):
        if batch_id <= state.mirror.batch_id:
            judge.value("anchor", batch_id, root.hex(), (await view.anchor(batch_id)).hex())
    judge.items += _under_way(state)
    return Report(
        seq=state.seq,
        block=await view.head(),
        journal_action=state.mirror.action_id,
        chain_action=chain_action,
        items=judge.items,
    )


class _Judge:
    """Collects items and their verdicts."""

    def __init__(self, journal_action: int, chain_action: int) -> None:
        self._ahead = chain_action - journal_action
        self.items: list[Item] = []

    def value(self, what: str, key: int, journal: int | str | None, chain: int | str | None, series: int = -1) -> None:
        """Compare one value; None is a value that is not there."""
        verdict, sentence = self._judged(journal, chain)
        self.items.append(
            Item(what=what, key=key, journal=journal, chain=chain, verdict=verdict, sentence=sentence, series=series)
        )

    def tokens(self, held: Cash, balance: Cash) -> None:
        """The vault has at least the tokens its books say; what came without a deposit is the treasury's."""
        verdict, sentence = Verdict.MATCHED, ""
        if balance < held:
            verdict, sentence = Verdict.MISMATCH, f"the token took {held - balance} from the vault that accounts own"
        elif balance > held:
            sentence = f"{balance - held} came without a deposit; skim() sends it to the treasury"
        self.items.append(Item(what="tokens", key=0, journal=held, chain=balance, verdict=verdict, sentence=sentence))

    def positions(self, account: int, journal: dict[int, Qty], chain: dict[int, Qty]) -> None:
        """Compare an account's positions, series by series; one item says that there are none on either side."""
        for series in sorted(journal.keys() | chain.keys()):
            self.value("position", account, journal.get(series), chain.get(series), series)
        if not journal and not chain:
            self.items.append(Item(what="positions", key=account, journal=0, chain=0, verdict=Verdict.MATCHED))

    def _judged(self, journal: int | str | None, chain: int | str | None) -> tuple[Verdict, str]:
        if journal == chain:
            return Verdict.MATCHED, ""
        if self._ahead > 0:
            return Verdict.LATE, f"the chain is {self._ahead} action(s) ahead, not final or not journaled yet"
        if self._ahead < 0:
            return Verdict.REORGED, f"the chain has lost {-self._ahead} action(s) that the journal took as final"
        if journal is None:
            return Verdict.MISSING, "the journal does not have what the chain holds"
        if chain is None:
            return Verdict.MISSING, "the chain does not hold what the journal has"
        by = f" by {chain - journal}" if isinstance(chain, int) and isinstance(journal, int) else ""
        return Verdict.MISMATCH, f"the chain differs{by}, and both sides speak of the same actions"


def _under_way(state: State) -> Iterator[Item]:
    """Fills and fixings of the venue that the contracts have not confirmed: in order, but not to last."""
    for batch in state.batches.values():
        trades = batch.last_trade - batch.first_trade + 1
        sentence = f"sealed at seq {batch.sealed_seq} with {trades} trade(s), not yet final on chain"
        yield Item(what="batch", key=batch.id, journal=trades, chain=None, verdict=Verdict.LATE, sentence=sentence)
    unsealed = state.next_trade - state.first_unsealed
    if unsealed:
        sentence = f"{unsealed} trade(s) wait for their batch to be sealed"
        yield Item(what="unsealed", key=0, journal=unsealed, chain=None, verdict=Verdict.LATE, sentence=sentence)
    for expiry_id in state.fixings:
        price = state.expiries[expiry_id].fixing
        sentence = f"expiry {expiry_id} is fixed here, not yet on chain"
        yield Item(what="fixing", key=expiry_id, journal=price, chain=None, verdict=Verdict.LATE, sentence=sentence)
