"""Fast exit: an account that no longer covers its risk hands a pro-rata slice of it to backstop providers.

Owns how large the slice is, what is paid for it and who takes it. The price of a transfer follows from the risk it
removes, never from what the positions happen to be worth: a haircut of ``h`` times the requirement that goes. Nothing
here chooses positions: a slice takes the same share of every leg. What is left after the providers belongs to
``liquidation_waterfall``; ``liquidation_checks`` says what must hold of every outcome. Generic over the model: whatever
tells worth and risk of positions at one committed round is an ``Appraisal``.
Source of the rules: reference quant 4.3. Imports margin, units, the words of commands.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol, TypeAlias

from exchange.core.commands import StandardModel
from exchange.core.margin import ExpiryBook, Kind, Leg, requirement
from exchange.core.units import QTY_ONE, WAD, Cash, Nanos, Price, Qty, Wad, div_down, div_up, mul_div_down, mul_div_up

Positions: TypeAlias = dict[int, Qty]
Ppm: TypeAlias = int  # 1e-6 of a whole
FieldOf: TypeAlias = Callable[[int], int]  # the field of a series: its underlying, where pools are ring-fenced

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
    """A backstop provider: the haircut it has committed to, since when, and the only field whose risk it takes."""

    holder: Holder
    haircut: Wad
    since: Nanos
    field: int = 0


class Slice(NamedTuple):
    """The same share of every leg, each rounded up to 1e-4 contract; ``tried`` is the last share that did not do, and
    ``steps`` how often the first one grew.
    """

    share: Ppm
    tried: Ppm
    positions: Positions
    steps: int = 0


class Transfer(NamedTuple):
    """What one provider took: ``worth`` of it at the marks (down), less its haircut, went to the account."""

    provider: int
    needed: Slice
    positions: Positions
    worth: Cash
    haircut: Cash
    rate: Wad


class Ask(NamedTuple):
    """What a provider was asked, in the words of the contracts: steps of the share, and what it bears of the slice."""

    provider: int
    steps: int
    part: Ppm


class Exit(NamedTuple):
    """The account and the providers after all transfers. ``cash`` of a flat account may be negative: see waterfall."""

    account: Holder
    providers: tuple[Provider, ...]
    transfers: tuple[Transfer, ...]
    asks: tuple[Ask, ...] = ()


def one_field(_series: int) -> int:
    """Everything is one field: providers stand for whatever the account holds."""
    return 0


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


def first_share(equity: Cash, risk: Cash, haircut: Wad, buffer: Wad, part: Cash | None = None) -> Ppm:
    """The share of positions that carry ``part`` of the risk (all of it, unless told) which leaves equity at 1 + buffer
    times what is left of the requirement, were quantities divisible; rounded up.

    Everything at once where the haircut would eat equity faster than risk: equity <= haircut * risk.
    """
    carried = risk if part is None else part
    if carried <= 0 or equity * WAD <= haircut * risk:
        return PPM
    missing = (WAD + buffer) * risk - equity * WAD
    return min(div_up(missing * PPM, (WAD + buffer - haircut) * carried), PPM)


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


def needed_slice(
    appraisal: Appraisal, holder: Holder, haircut: Wad, buffer: Wad, legs: Positions | None = None
) -> Slice | None:
    """What has to go of some legs (all of them, unless told) so that the account is cured or they are gone.

    None if it is cured already.

    Rounding of legs may make the first share too small; it grows by 1/256 of itself until it does. At a share of one
    none of the legs is left, so the search ends.
    """
    if is_cured(appraisal, holder, buffer):
        return None
    going = holder.positions if legs is None else legs
    equity, risk = equity_of(appraisal, holder), appraisal.risk(holder.positions, Kind.MAINTENANCE)
    share, tried = first_share(equity, risk, haircut, buffer, appraisal.risk(going, Kind.MAINTENANCE)), 0
    steps = 0
    while True:
        positions = share_of(going, share)
        if share == PPM or is_cured(appraisal, sold(appraisal, holder, positions, haircut), buffer):
            return Slice(share, tried, positions, steps)
        share, tried, steps = min(share + max(1, div_down(share, 256)), PPM), share, steps + 1


# -- who takes it -----------------------------------------------------------------------------------------------------


def ranked(terms: LiquidationTerms, providers: Iterable[Provider]) -> list[Provider]:
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


def taken_by(appraisal: Appraisal, account: Holder, provider: Provider, needed: Slice, buffer: Wad) -> Ppm:
    """The largest part of the needed slice with which the provider passes its own initial margin, and which helps.

    Found by bisection over shares of the slice, each looked at as it would be: largest where what the provider can
    bear has no gaps (any convex requirement), and borne in any case.
    """
    if _bears(appraisal, account, provider, needed.positions, buffer):
        return PPM
    low, high = 0, PPM
    while high - low > 1:
        middle = div_down(low + high, 2)
        part = share_of(needed.positions, middle)
        if _bears(appraisal, account, provider, part, buffer):
            low = middle
        else:
            high = middle
    return low


def _bears(appraisal: Appraisal, account: Holder, provider: Provider, part: Positions, buffer: Wad) -> bool:
    """Whether the provider passes initial margin with the part at its worth, for it may have to give up its haircut;
    and whether the part cures the account or helps it by itself.
    """
    held = provider.holder
    grown = Holder(held.id, held.cash - value_of(appraisal, part), merged(held.positions, part))
    if not covers(appraisal, grown, Kind.INITIAL):
        return False
    after = sold(appraisal, account, part, provider.haircut)
    return is_cured(appraisal, after, buffer) or improves(appraisal, account, after, provider.haircut)


def legs_in(positions: Positions, field: int, field_of: FieldOf) -> Positions:
    """The positions of one field."""
    return {key: qty for key, qty in positions.items() if field_of(key) == field}


def riskiest(appraisal: Appraisal, positions: Positions, fields: Iterable[int], field_of: FieldOf) -> int:
    """Of some fields the one whose positions carry the most risk; of equals the lowest."""
    risks = {field: appraisal.risk(legs_in(positions, field, field_of), Kind.MAINTENANCE) for field in fields}
    return min(risks, key=lambda field: (-risks[field], field))


def fast_exit(
    appraisal: Appraisal,
    terms: LiquidationTerms,
    account: Holder,
    providers: tuple[Provider, ...],
    field_of: FieldOf = one_field,
) -> Exit:
    """Hand the account's risk to providers in their order until it is cured or flat, or none can bear more.

    An account that covers its risk is left as it is; once the exit has begun it goes on until the buffer is there.
    Field by field, the riskiest first, for a provider takes nothing of another field than its own. Each is offered
    what is needed at its own haircut and takes what its own initial margin bears; the next is offered what is then
    needed.
    """
    if covers(appraisal, account, Kind.MAINTENANCE):
        return Exit(account, providers, ())
    transfers: list[Transfer] = []
    asks: list[Ask] = []
    after = {provider.holder.id: provider for provider in providers}
    left = dict.fromkeys(map(field_of, account.positions))
    while left:
        field = riskiest(appraisal, account.positions, left, field_of)
        del left[field]
        for provider in ranked(terms, (each for each in providers if each.field == field)):
            legs = legs_in(account.positions, field, field_of)
            if provider.holder.id == account.id or not legs:
                continue
            needed = needed_slice(appraisal, account, provider.haircut, terms.buffer, legs)
            if needed is None:
                continue
            part = taken_by(appraisal, account, provider, needed, terms.buffer)
            asks.append(Ask(provider.holder.id, needed.steps, part))
            if part:
                transfer, account, held = _handed_over(appraisal, account, provider, needed, part)
                transfers.append(transfer)
                after[held.id] = provider._replace(holder=held)
    return Exit(account, tuple(after.values()), tuple(transfers), tuple(asks))


def _handed_over(
    appraisal: Appraisal, account: Holder, provider: Provider, needed: Slice, part: Ppm
) -> tuple[Transfer, Holder, Holder]:
    """A part of a slice goes to a provider: what it took, and both after that."""
    positions = share_of(needed.positions, part)
    left = sold(appraisal, account, positions, provider.haircut)
    paid, worth = left.cash - account.cash, value_of(appraisal, positions)
    held = provider.holder
    grown = Holder(held.id, held.cash - paid, merged(held.positions, positions))
    return Transfer(held.id, needed, positions, worth, worth - paid, provider.haircut), left, grown
