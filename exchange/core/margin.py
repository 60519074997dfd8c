"""STANDARD margin: the requirement of a portfolio at a round, in exact integers.

Twin of ``contracts/risk/standard.vy``; both agree to the last unit on any portfolio (tests/contracts). Sums are kept in
risk units (1e-28 USDC) and rounded once, up, against the account, so the result does not depend on the order of legs.
Source of the rules: reference quant 3.1 (the published StandardManager rules). Imports units and commands.
"""

from enum import IntEnum
from typing import NamedTuple

from exchange.core.commands import StandardModel
from exchange.core.units import (
    QTY_ONE,
    RISK_ONE,
    WAD,
    Cash,
    Price,
    Qty,
    Risk,
    Wad,
    div_down,
    div_up,
    mul_div_up,
)


class Kind(IntEnum):
    """Initial margin opens a position, maintenance margin keeps it."""

    MAINTENANCE = 0
    INITIAL = 1


class Leg(NamedTuple):
    """One option position: signed quantity, terms and mark."""

    qty: Qty
    strike: Price
    is_call: bool
    mark: Price


class ExpiryBook(NamedTuple):
    """Everything an expiry contributes: prices of the round and the legs held."""

    spot: Price
    forward: Price
    conf: Wad
    legs: tuple[Leg, ...]


class ShortUnits(NamedTuple):
    """Isolated requirement of one short contract (risk units per 1e-4 contract), for both kinds."""

    maintenance: Risk
    initial: Risk


def short_units(model: StandardModel, spot: Price, leg: Leg) -> ShortUnits:
    """Requirement of being short one unit of this option with nothing to offset it."""
    value = leg.mark * WAD
    out_of_money = max(leg.strike - spot, 0) if leg.is_call else max(spot - leg.strike, 0)
    scaled = max(model.max_req * spot - out_of_money * WAD, model.min_req * spot)
    if leg.is_call:
        return ShortUnits(value + model.mm_call * spot, value + scaled)
    maintenance = value + max(model.mm_put * spot, model.mm_put_mtm * leg.mark)
    return ShortUnits(maintenance, max(value + scaled, mul_div_up(model.mm_offset, maintenance, WAD)))


def confidence_rate(threshold: Wad, factor: Wad, conf: Wad) -> Wad:
    """Share of a notional that initial margin adds while the oracle is less sure of its price; rounded up."""
    return mul_div_up(WAD - conf, factor, WAD) if conf < threshold else 0


def contingency_rate(model: StandardModel, conf: Wad, stable: Wad) -> Wad:
    """Extra initial margin per short contract as a share of spot, for a thin oracle and a stablecoin off its peg."""
    rate = confidence_rate(model.oc_threshold, model.oc_factor, conf)
    if stable < model.depeg_threshold:
        rate += mul_div_up(model.depeg_threshold - stable, model.depeg_factor, WAD)
    return rate


def max_loss(legs: tuple[Leg, ...]) -> int:
    """Largest loss of the legs over all settlement prices up to the highest strike; price x quantity, >= 0.

    The payoff is piecewise linear with kinks at the strikes held, so zero and the strikes suffice; beyond the highest
    strike only net calls move it, which the unpaired charge covers.
    """
    worst = 0
    for point in (0, *(leg.strike for leg in legs)):
        value = sum(leg.qty * max(point - leg.strike if leg.is_call else leg.strike - point, 0) for leg in legs)
        worst = min(worst, value)
    return -worst


def expiry_requirement(model: StandardModel, book: ExpiryBook, stable: Wad, kind: Kind) -> Risk:
    """Requirement of one expiry in risk units: the better of isolated shorts and maximum loss, plus contingencies."""
    shorts = [leg for leg in book.legs if leg.qty < 0]
    if not shorts:
        return 0
    isolated = sum(-leg.qty * short_units(model, book.spot, leg)[kind] for leg in shorts)
    loss = max_loss(book.legs) * WAD
    net_calls = sum(leg.qty for leg in book.legs if leg.is_call)
    if net_calls < 0:
        unpaired = model.unpaired_im if kind is Kind.INITIAL else model.unpaired_mm
        loss += unpaired * book.forward * -net_calls
    risk = min(isolated, loss)
    if kind is Kind.INITIAL:
        rate = contingency_rate(model, book.conf, stable)
        risk += rate * book.spot * -sum(leg.qty for leg in shorts)
    return risk


def requirement(model: StandardModel, books: tuple[ExpiryBook, ...], stable: Wad, kind: Kind) -> Cash:
    """Requirement of a portfolio in 1e-6 USDC, >= 0, rounded up once."""
    return div_up(sum(expiry_requirement(model, book, stable, kind) for book in books), RISK_ONE)


def settlement_value(legs: tuple[Leg, ...], price: Price) -> Cash:
    """What the legs of an expired expiry are worth at the settlement price; rounded down, against the account."""
    return div_down(payoff(legs, price), QTY_ONE)


def payoff(legs: tuple[Leg, ...], price: Price) -> int:
    """Exact payoff at a settlement price, in price x quantity."""
    return sum(leg.qty * max(price - leg.strike if leg.is_call else leg.strike - price, 0) for leg in legs)
