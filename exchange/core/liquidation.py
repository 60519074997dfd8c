"""Fast exit: an account that no longer covers its risk hands a pro-rata slice of it to backstop providers.

Owns how large the slice is, what is paid for it and who takes it. The price of a transfer follows from the risk it
removes, never from what the positions happen to be worth: a haircut of ``h`` times the requirement that goes. Nothing
here chooses positions: a slice takes the same share of every leg. What is left after the providers belongs to
``liquidation_waterfall``; ``liquidation_checks`` says what must hold of every outcome. Generic over the model: whatever
tells worth and risk of positions at one committed round is an ``Appraisal``.
Source of the rules: reference quant 4.3. Imports margin, units, the words of commands.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol, TypeAlias

from exchange.core.commands import StandardModel
from exchange.core.margin import ExpiryBook, Kind, Leg, requirement
from exchange.core.units import QTY_ONE, WAD, Cash, Nanos, Price, Qty, Wad, div_down, div_up, mul_div_down, mul_div_up

Positions: TypeAlias = dict[int, Qty]
Ppm: TypeAlias = int  # 1e-6 of a whole

PPM: Final = 10**6


class Appraisal(Protocol):
    """What positions are worth and how much equity they need, at one committed round and by one margin model."""

    def worth(self, positions: Positions) -> int:
        """Signed value at the marks of the round, exact, in price x quantity."""

    def risk(self, positions: Positions, kind: Kind) -> Cash:
        """Equity that the positions need, rounded up; homogeneous up to rounding, and 0 for no positions."""


class Priced(NamedTuple):
    """An option as STANDARD sees it: its expiry, terms and mark."""

    expiry: int
    strike: Price
    is_call: bool
    mark: Price


class Underlay(NamedTuple):
    """What a round says of an expiry beside its marks."""

    spot: Price
    forward: Price
    conf: Wad


class StandardAppraisal(NamedTuple):
    """STANDARD as an ``Appraisal``. Its requirement counts what shorts would cost and gives longs no credit, so the
    risk that equity must cover is that requirement plus the worth of the positions: equity covers the risk exactly
    when cash covers the requirement.
    """

    model: StandardModel
    series: Mapping[int, Priced]
    expiries: Mapping[int, Underlay]
    stable: Wad

    def worth(self, positions: Positions) -> int:
        """Sum of mark times quantity."""
        return sum(self.series[key].mark * qty for key, qty in positions.items())

    def risk(self, positions: Positions, kind: Kind) -> Cash:
        """Requirement (up) plus worth (down, as equity has it)."""
        legs: dict[int, list[Leg]] = {}
        for key, qty in sorted(positions.items()):
            option = self.series[key]
            legs.setdefault(option.expiry, []).append(Leg(qty, option.strike, option.is_call, option.mark))
        books = tuple(ExpiryBook(*self.expiries[expiry], tuple(held)) for expiry, held in legs.items())
        return requirement(self.model, books, self.stable, kind) + value_of(self, positions)


class LiquidationTerms(NamedTuple):
    """Parameters of a fast exit; ``buffer > haircut - 1`` and ``haircut < 1``, in wad. The rest: quant 4.3, step 9."""

    haircut: Wad  # most of the requirement removed that a provider may earn
    buffer: Wad  # an account leaves with equity of 1 + buffer times its requirement
    insurance_share: Wad  # of the haircuts, to the insurance fund
    keeper_reward: Cash  # to whoever asked, out of that share and never more than it


class Holder(NamedTuple):
    """Cash and open positions of an account; no position is zero."""

    id: int
    cash: Cash
    positions: Positions


class Provider(NamedTuple):
    """A backstop provider: the haircut it has committed to, and since when."""

    holder: Holder
    haircut: Wad
    since: Nanos


class Slice(NamedTuple):
    """The same share of every leg, each rounded up to 1e-4 contract; ``tried`` is the last share that did not do."""

    share: Ppm
    tried: Ppm
    positions: Positions


class Transfer(NamedTuple):
    """What one provider took: ``worth`` of it at the marks (down), less its haircut, went to the account."""

    provider: int
    needed: Slice
    positions: Positions
    worth: Cash
    haircut: Cash
    rate: Wad


class Exit(NamedTuple):
    """The account and the providers after all transfers. ``cash`` of a flat account may be negative: see waterfall."""

    account: Holder
    providers: tuple[Provider, ...]
    transfers: tuple[Transfer, ...]


# -- measures ---------------------------------------------------------------------------------------------------------


def value_of(appraisal: Appraisal, positions: Positions) -> Cash:
    """Worth of positions, rounded down."""
    return div_down(appraisal.worth(positions), QTY_ONE)


def equity_of(appraisal: Appraisal, holder: Holder) -> Cash:
    """Cash plus what the positions are worth, rounded down."""
    return holder.cash + value_of(appraisal, holder.positions)


def covers(appraisal: Appraisal, holder: Holder, kind: Kind) -> bool:
    """Whether equity covers the risk of the positions."""
    return equity_of(appraisal, holder) >= appraisal.risk(holder.positions, kind)


def merged(positions: Positions, more: Positions, sign: int = 1) -> Positions:
    """Positions after adding others (or taking them away); what comes to nothing is not kept."""
    total = dict(positions)
    for key, qty in more.items():
        total[key] = total.get(key, 0) + sign * qty
    return {key: qty for key, qty in total.items() if qty}


def share_of(positions: Positions, share: Ppm) -> Positions:
    """A share of every leg with its sign, each rounded up to a unit of 1e-4 contract and at most the leg."""
    taken = {key: min(abs(qty), mul_div_up(abs(qty), share, PPM)) for key, qty in positions.items()}
    return {key: qty if positions[key] > 0 else -qty for key, qty in taken.items() if qty}


# -- how much ---------------------------------------------------------------------------------------------------------


def first_share(equity: Cash, risk: Cash, haircut: Wad, buffer: Wad) -> Ppm:
    """The share that leaves equity at (1 + buffer) times the requirement, were quantities divisible; rounded up.

    Everything at once where the haircut would eat equity faster than risk: equity <= haircut * risk.
    """
    if equity * WAD <= haircut * risk:
        return PPM
    missing = (WAD + buffer) * risk - equity * WAD
    return min(div_up(missing * PPM, (WAD + buffer - haircut) * risk), PPM)


def haircut_of(appraisal: Appraisal, before: Positions, after: Positions, rate: Wad) -> Cash:
    """The haircut for the risk that went with a slice, rounded down: the bound is the provider's."""
    removed = appraisal.risk(before, Kind.MAINTENANCE) - appraisal.risk(after, Kind.MAINTENANCE)
    return mul_div_down(rate, max(removed, 0), WAD)


def sold(appraisal: Appraisal, holder: Holder, positions: Positions, rate: Wad) -> Holder:
    """The account after handing over positions at their worth less the haircut."""
    rest = merged(holder.positions, positions, -1)
    paid = value_of(appraisal, positions) - haircut_of(appraisal, holder.positions, rest, rate)
    return Holder(holder.id, holder.cash + paid, rest)


def is_cured(appraisal: Appraisal, holder: Holder, buffer: Wad) -> bool:
    """Whether the account is flat, or covers its risk with the buffer."""
    if not holder.positions:
        return True
    needed = (WAD + buffer) * appraisal.risk(holder.positions, Kind.MAINTENANCE)
    return equity_of(appraisal, holder) * WAD >= needed


def needed_slice(appraisal: Appraisal, holder: Holder, haircut: Wad, buffer: Wad) -> Slice | None:
    """What has to go so that the account is cured or flat; None if it is.

    Rounding of legs may make the first share too small; it grows by 1/256 of itself until it does. At a share of one
    nothing is left, so the search ends.
    """
    if is_cured(appraisal, holder, buffer):
        return None
    equity, risk = equity_of(appraisal, holder), appraisal.risk(holder.positions, Kind.MAINTENANCE)
    share, tried = first_share(equity, risk, haircut, buffer), 0
    while True:
        positions = share_of(holder.positions, share)
        if is_cured(appraisal, sold(appraisal, holder, positions, haircut), buffer):
            return Slice(share, tried, positions)
        share, tried = min(share + max(1, div_down(share, 256)), PPM), share


# -- who takes it -----------------------------------------------------------------------------------------------------


def ranked(terms: LiquidationTerms, providers: tuple[Provider, ...]) -> list[Provider]:
    """Providers whose haircut the terms allow: the cheapest first, then who committed first, then by number."""
    allowed = [provider for provider in providers if 0 <= provider.haircut <= terms.haircut]
    return sorted(allowed, key=lambda provider: (provider.haircut, provider.since, provider.holder.id))


def improves(appraisal: Appraisal, before: Holder, after: Holder, rate: Wad) -> bool:
    """Whether a part of the slice helps by itself: risk does not rise, and equity covers no smaller share of it.

    Where the haircut is all that equity could pay, only risk counts: the whole account is on its way out. The worth of
    the slice was rounded down, hence the unit.
    """
    risk, left = (appraisal.risk(held.positions, Kind.MAINTENANCE) for held in (before, after))
    equity = equity_of(appraisal, before)
    if left > risk:
        return False
    return equity * WAD <= rate * risk or (equity_of(appraisal, after) + 1) * risk >= equity * left


def taken_by(appraisal: Appraisal, account: Holder, provider: Provider, needed: Slice) -> Positions:
    """The largest part of the needed slice with which the provider passes its own initial margin.

    Found by bisection over shares of the slice, each looked at as it would be: largest where what the provider can
    bear has no gaps (any convex requirement), and borne in any case.
    """
    if _bears(appraisal, account, provider, needed.positions, is_whole=True):
        return needed.positions
    low, high = 0, PPM
    while high - low > 1:
        middle = div_down(low + high, 2)
        part = share_of(needed.positions, middle)
        if _bears(appraisal, account, provider, part, is_whole=False):
            low = middle
        else:
            high = middle
    return share_of(needed.positions, low)


def _bears(appraisal: Appraisal, account: Holder, provider: Provider, part: Positions, *, is_whole: bool) -> bool:
    """Whether the provider passes initial margin with the part at its worth: it may yet have to give up its haircut."""
    held = provider.holder
    grown = Holder(held.id, held.cash - value_of(appraisal, part), merged(held.positions, part))
    if not covers(appraisal, grown, Kind.INITIAL):
        return False
    after = sold(appraisal, account, part, provider.haircut)
    return is_whole or improves(appraisal, account, after, provider.haircut)


def fast_exit(appraisal: Appraisal, terms: LiquidationTerms, account: Holder, providers: tuple[Provider, ...]) -> Exit:
    """Hand the account's risk to providers in their order until it is cured or flat, or none can bear more.

    An account that covers its risk is left as it is; once the exit has begun it goes on until the buffer is there.
    Each provider is offered what is needed at its own haircut and takes what its own initial margin bears; the next is
    offered what is then needed.
    """
    if covers(appraisal, account, Kind.MAINTENANCE):
        return Exit(account, providers, ())
    transfers: list[Transfer] = []
    after = {provider.holder.id: provider for provider in providers}
    for provider in ranked(terms, providers):
        needed = needed_slice(appraisal, account, provider.haircut, terms.buffer)
        if needed is None:
            break
        if provider.holder.id == account.id:
            continue
        part = taken_by(appraisal, account, provider, needed)
        if not part:
            continue
        left = sold(appraisal, account, part, provider.haircut)
        paid, worth = left.cash - account.cash, value_of(appraisal, part)
        transfers.append(Transfer(provider.holder.id, needed, part, worth, worth - paid, provider.haircut))
        held = provider.holder
        grown = Holder(held.id, held.cash - paid, merged(held.positions, part))
        after[held.id] = provider._replace(holder=grown)
        account = left
    return Exit(account, tuple(after.values()), tuple(transfers))
