"""What a state would come to under a shock: who fails, in which order, what it costs whom, and whom that drags along.

Only reads a state; prices, marks and requirements are those the machine would have at such a round. In each wave
whoever covers the smallest part of its risk is liquidated by the rules of ``liquidation``, all others standing by as
they are after that, until everybody covers. An oracle that is late tells a part of the move first: one wave at what it
tells, the next at the whole. Source: reference quant 4.3 and 5.3. Imports state, risk, oracle, liquidation*.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from exchange.core import risk
from exchange.core.commands import PostRound, Sheet, Spot
from exchange.core.liquidation import (
    Appraisal,
    Holder,
    LiquidationTerms,
    Priced,
    Provider,
    StandardAppraisal,
    Underlay,
    covers,
    equity_of,
    value_of,
)
from exchange.core.liquidation_checks import liquidate
from exchange.core.liquidation_waterfall import Outcome, Rival
from exchange.core.margin import Kind
from exchange.core.oracle import RoundView, implied_marks, term_of, view_of
from exchange.core.state import TREASURY, State
from exchange.core.units import WAD, Cash, Nanos, Qty, Wad, div_up, mul_div_down

FAILURES_MAX: Final = 4  # for each account: beyond that a wave is given up as endless


class Shock(NamedTuple):
    """Shares in wad: by how much index and forwards move, vols move, the stablecoin falls; and how much of the move
    of index and forwards a late oracle tells at first (all of it: not late).
    """

    spot: Wad = 0
    vol: Wad = 0
    depeg: Wad = 0
    told: Wad = WAD


class Backing(NamedTuple):
    """What stands behind accounts: the terms, the fund, and who has committed to take over for which haircut."""

    terms: LiquidationTerms
    insurance: Cash
    providers: Mapping[int, tuple[Wad, Nanos]]


class Failure(NamedTuple):
    """One liquidation: of whom, with how much equity for how much risk, and what came of it."""

    wave: int
    account: int
    equity: Cash
    risk: Cash
    outcome: Outcome


class Aftermath(NamedTuple):
    """Failures in their order, everybody at the end, and the fund. ``is_settled``: all cover their risk or are flat."""

    failures: tuple[Failure, ...]
    holders: Mapping[int, Holder]
    insurance: Cash
    is_settled: bool

    @property
    def uncovered(self) -> Cash:
        """Losses nobody bore: what flat accounts still owe."""
        return sum(-holder.cash for holder in self.holders.values() if not holder.positions and holder.cash < 0)


# -- the state under a shock ------------------------------------------------------------------------------------------


def shocked_view(state: State, shock: Shock) -> RoundView:
    """The round in force with its prices moved: marks follow from moved vols as those of any round do.

    Prices round down, at least one unit. A state needs a round.
    """
    assert state.round is not None
    told = mul_div_down(shock.spot, shock.told, WAD)
    spots = tuple(Spot(spot.underlying, _moved(spot.spot, told), spot.conf, spot.acc) for spot in state.round.spots)
    accs = {spot.underlying: spot.acc for spot in spots}
    sheets = []
    for sheet in state.round.sheets:
        expiry = state.expiries[sheet.expiry_id]
        vols = tuple(_moved(vol, shock.vol) for vol in sheet.vols)
        moved = Sheet(sheet.expiry_id, _moved(sheet.forward, told), sheet.conf, vols, ())
        priced = msgspec.structs.replace(expiry, series=expiry.series[: len(vols)])
        term = term_of(moved, expiry, state.round.time_s, accs[expiry.underlying], state.acc_at)
        marks = implied_marks(moved, term, priced, state.series, state.pricer)
        sheets.append(msgspec.structs.replace(moved, marks=marks))
    stable = max(state.round.stable - shock.depeg, 0)
    round_: PostRound = msgspec.structs.replace(state.round, stable=stable, spots=spots, sheets=tuple(sheets))
    return view_of(round_, state.expiries, state.series, risk.model_of(state), state.acc_at)


def _moved(value: int, share: Wad) -> int:
    return max(mul_div_down(value, WAD + share, WAD), 1)


def appraisal_of(state: State, view: RoundView) -> StandardAppraisal:
    """STANDARD at a view, for every series it prices."""
    series = {}
    for key, mark in view.marks.items():
        option = state.series[key]
        series[key] = Priced(option.expiry_id, option.strike, option.is_call, mark)
    expiries = {
        key: Underlay(view.spots[state.expiries[key].underlying], forward, view.confs[key])
        for key, forward in view.forwards.items()
    }
    return StandardAppraisal(risk.model_of(state), series, expiries, view.stable)


def holders_of(state: State) -> dict[int, Holder]:
    """Every account but the treasury, with the cash that counts as margin."""
    return {
        account.id: Holder(account.id, account.cash - account.held, dict(sorted(account.positions.items())))
        for _, account in sorted(state.accounts.items())
        if account.id != TREASURY
    }


def entries_of(state: State) -> dict[tuple[int, int], tuple[Qty, Cash]]:
    """What each account holds of a series and what that cost, for its unrealised profit."""
    return {
        (account.id, key): (qty, account.costs.get(key, 0))
        for _, account in sorted(state.accounts.items())
        for key, qty in sorted(account.positions.items())
    }


# -- contagion --------------------------------------------------------------------------------------------------------


def stress(state: State, shock: Shock, backing: Backing) -> Aftermath:
    """Everybody under a shock, with what follows. A late oracle gives two waves, any other one."""
    views = [shock] if shock.told == WAD else [shock, shock._replace(told=WAD)]
    appraisals = [appraisal_of(state, shocked_view(state, each)) for each in views]
    return contagion(appraisals, holders_of(state), entries_of(state), backing)


def contagion(
    appraisals: list[StandardAppraisal],
    holders: dict[int, Holder],
    entries: Mapping[tuple[int, int], tuple[Qty, Cash]],
    backing: Backing,
) -> Aftermath:
    """Wave by wave, each at its appraisal, the worst covered first; bounded, and told if it did not come to an end."""
    failures: list[Failure] = []
    now, insurance = dict(holders), backing.insurance
    for wave, appraisal in enumerate(appraisals, 1):
        for _ in range(FAILURES_MAX * len(holders)):
            failing = next_to_fail(appraisal, now)
            if failing is None:
                break
            outcome = _liquidated(appraisal, failing, now, entries, backing._replace(insurance=insurance))
            equity = equity_of(appraisal, failing)
            needed = appraisal.risk(failing.positions, Kind.MAINTENANCE)
            failures.append(Failure(wave, failing.id, equity, needed, outcome))
            now = {**now, **outcome.others, failing.id: outcome.account}
            insurance = outcome.insurance
    is_settled = next_to_fail(appraisals[-1], now) is None
    return Aftermath(tuple(failures), now, insurance, is_settled)


def next_to_fail(appraisal: Appraisal, holders: Mapping[int, Holder]) -> Holder | None:
    """Of those who do not cover their risk, the one who covers the smallest part of it; ties by number."""
    worst: tuple[int, int] | None = None
    for key, holder in holders.items():
        if not holder.positions or covers(appraisal, holder, Kind.MAINTENANCE):
            continue
        needed = max(appraisal.risk(holder.positions, Kind.MAINTENANCE), 1)
        place = (mul_div_down(equity_of(appraisal, holder), WAD, needed), key)
        worst = min(worst, place) if worst is not None else place
    return None if worst is None else holders[worst[1]]


def _liquidated(
    appraisal: Appraisal,
    failing: Holder,
    holders: Mapping[int, Holder],
    entries: Mapping[tuple[int, int], tuple[Qty, Cash]],
    backing: Backing,
) -> Outcome:
    others = [holder for key, holder in holders.items() if key != failing.id]
    rivals = tuple(Rival(holder, _profits(appraisal, holder, entries)) for holder in others)
    providers = tuple(
        Provider(holder, *backing.providers[holder.id]) for holder in others if holder.id in backing.providers
    )
    return liquidate(appraisal, backing.terms, failing, providers, rivals, backing.insurance)


def _profits(
    appraisal: Appraisal, holder: Holder, entries: Mapping[tuple[int, int], tuple[Qty, Cash]]
) -> dict[int, Cash]:
    """Unrealised profit of what is left of a holder's first positions, rounded down; taken-over ones have none."""
    profits = {}
    for key, qty in holder.positions.items():
        first, cost = entries.get((holder.id, key), (0, 0))
        if first * qty > 0:
            kept = min(abs(qty), abs(first)) * (1 if qty > 0 else -1)
            worth, paid = value_of(appraisal, {key: kept}), div_up(cost * abs(kept), abs(first))
            received = mul_div_down(cost, abs(kept), abs(first))
            profits[key] = worth - paid if kept > 0 else received + worth
    return profits
