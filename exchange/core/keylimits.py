"""What a limited session key may do in all its life, in the integers that the contract counts.

A key with limits has them until it is registered anew. ``notional`` bounds quantity times strike of all that it fills,
``spend`` what it pays for what it buys, fees included; both only ever grow, so the order of fills does not matter. Zero
is no limit. Reasons are those of the contract (docs/adr, key limits). Imports units.
"""

from typing import Final

import msgspec

from exchange.core.units import QTY_ONE, Cash, Price, Qty

UNDERLYINGS_MAX: Final = 63  # bits of the map; an underlying with a higher number is in no map but the empty one


class KeyLimits(msgspec.Struct, frozen=True, gc=False):
    """``underlyings`` is a map of bits, ``notional`` and ``spend`` are in 1e-6 USDC."""

    underlyings: int = 0
    notional: Cash = 0
    spend: Cash = 0


class KeyUse(msgspec.Struct, frozen=True, gc=False):
    """What a key has used: notional in 1e-10 USDC, which no fill rounds, and spend in 1e-6 USDC."""

    notional: int = 0
    spend: Cash = 0

    def after(self, strike: Price, qty: Qty, paid: Cash) -> "KeyUse":
        """With one more fill; ``paid`` as of ``paid_by``."""
        return KeyUse(self.notional + strike * qty, self.spend + paid)


def paid_by(*, is_buy: bool, premium: Cash, fee: Cash) -> Cash:
    """What a fill spends: premium and fee of a purchase. A sale spends nothing, for what it brings is a debt."""
    return premium + fee if is_buy else 0


def is_limited(limits: KeyLimits) -> bool:
    """Whether anything is bounded at all."""
    return limits != KeyLimits()


def refusal(limits: KeyLimits, underlying: int, use: KeyUse) -> str:
    """Why the contract would not take a fill that brings a key to ``use``; empty when it would."""
    if limits.underlyings and not limits.underlyings >> underlying & 1:
        return "key_underlying"
    if limits.notional and use.notional > limits.notional * QTY_ONE:
        return "key_notional"
    if limits.spend and use.spend > limits.spend:
        return "key_spend"
    return ""
