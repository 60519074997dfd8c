"""Risk arrays that a call of Clearing needs: which of them, and the call as Portfolio passes it on.

Arrays are shown with a proof under the root that the round signed; where somebody has shown a wrong cell under it, each
is computed on chain first. Anyone may show them. Imports deploy, sender, rounds, core, risk_words.
"""

from collections.abc import Iterable
from typing import NamedTuple

import structlog

from exchange import calldata, risk_words
from exchange.core import budget, models
from exchange.core.state import State
from exchange.core.state_types import Batch
from exchange.shell.chain import Address
from exchange.shell.deploy import Contracts
from exchange.shell.rounds import Committed, chain_round, committed
from exchange.shell.sender import Sender

_log = structlog.get_logger(__name__)


class Arrays(NamedTuple):
    """A round with what it commits to, the hashes of all it says, and the series whose arrays are to be shown."""

    said: Committed
    hashes: bytes
    series: tuple[int, ...]


def arrays_for_batch(state: State, batch: Batch) -> Arrays | None:
    """Of the accounts of a batch that may be under PORTFOLIO, all series that they hold on chain before or after it.

    Those that hold the least come first, as long as there is room: the machine counted on STANDARD for the others.
    """
    trades = [state.trades[key] for key in range(batch.first_trade, batch.last_trade + 1)]
    parties = dict.fromkeys(key for trade in trades for key in (trade.maker_account, trade.taker_account))
    concerned = [key for key in parties if models.may_be_portfolio(state, state.accounts[key])]
    if not concerned:
        return None
    held = {key: dict.fromkeys(state.mirror.positions.get(key, ())) for key in concerned}
    for trade in state.trades.values():
        for key in (trade.maker_account, trade.taker_account):
            if key in held and trade.id <= batch.last_trade:
                held[key][trade.series] = None
    return _arrays(state, batch.round_id, held.values())


def arrays_of_account(state: State, account: int) -> Arrays | None:
    """Of the round in force, all that an account holds here or on chain; nothing if it chose nothing."""
    assert state.round is not None
    if not models.may_be_portfolio(state, state.accounts[account]):
        return None
    held = dict.fromkeys((*state.accounts[account].positions, *state.mirror.positions.get(account, ())))
    said = committed(state, state.round)
    return _chosen(said, calldata.sheet_hashes(chain_round(state, state.round)), [held]) if said is not None else None


def _arrays(state: State, round_id: int, held: Iterable[dict[int, None]]) -> Arrays | None:
    said = committed(state, state.rounds[round_id])
    if said is None:
        return None
    return _chosen(said, calldata.sheet_hashes(chain_round(state, state.rounds[round_id])), held)


def _chosen(said: Committed, hashes: bytes, held: Iterable[dict[int, None]]) -> Arrays | None:
    shown: dict[int, None] = {}
    for each in sorted(held, key=lambda item: (len(item), *sorted(item))):
        more = shown | {series: None for series in each if series in said.view.vols}
        if len(more) <= budget.ARRAYS_MAX:
            shown = more
    return Arrays(said, hashes, tuple(sorted(shown))) if shown else None


async def passed_on(contracts: Contracts, sender: Sender, arrays: Arrays | None, call: bytes) -> tuple[Address, bytes]:
    """Where a call of Clearing is to be sent, and its data, with the arrays behind it."""
    clearing = contracts.clearing.address
    if arrays is None:
        return clearing, call
    shown, is_void = arrays.said.shown(arrays.hashes), bool(await contracts.arrays.call("voided", arrays.said.digest))
    if is_void:
        await _compute(contracts, sender, arrays)
    return contracts.portfolio.address, risk_words.with_arrays(call, clearing, shown, arrays.series, computed=is_void)


async def _compute(contracts: Contracts, sender: Sender, arrays: Arrays) -> None:
    """Have what is needed computed on chain, where nobody had yet."""
    record = arrays.said.digest
    _log.warning("commitment_void", round_id=arrays.said.round_.round_id, arrays=len(arrays.series))
    for series in arrays.series:
        if not any(await contracts.arrays.call("leaf_of", record, series)):
            source = arrays.said.source(arrays.hashes, series)
            data = contracts.arrays.encode("compute", source, series)
            await sender.included(await sender.submit(contracts.arrays.address, data))
