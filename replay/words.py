"""Figures and facts of the machine in words that somebody reads who has never seen a journal.

Amounts become decimals with their unit, series their names, codes what they mean. Imports core and ``replay.at``.
"""

from typing import Final

from exchange.core import commands as c
from exchange.core.events import CancelReason
from exchange.core.state import State
from exchange.core.units import WAD, Cash, Price, Qty, Wad
from replay.at import name_of

TIF: Final = {c.GTC: "good until cancelled", c.IOC: "immediate or cancel", c.FOK: "fill or kill"}
CANCELS: Final = {
    CancelReason.BY_OWNER: "its owner cancelled it",
    CancelReason.ON_CHAIN: "its owner cancelled it on the contracts",
    CancelReason.IMMEDIATE_REMAINDER: "it was to trade at once, and this much found nobody",
    CancelReason.SELF_TRADE: "it met an order of the same owner, and nobody trades with himself",
    CancelReason.FEE: "the fee of its next fill was more than its owner signed",
    CancelReason.MARGIN: "its next fill would have left the account without the margin it needs",
    CancelReason.REDUCE_ONLY: "it may only reduce a position, and there was nothing left to reduce",
    CancelReason.EXPIRED: "the time its owner signed for was over",
    CancelReason.SERIES_EXPIRED: "the option expired",
    CancelReason.KEY_REVOKED: "the session key that signed it was revoked",
    CancelReason.ACCOUNT_EXITING: "its account is leaving the venue",
    CancelReason.SWEEP_BOUND: "one order met as many others as one record may hold",
    CancelReason.POSITIONS_BOUND: "the account has as many positions as the contracts can settle at once",
    CancelReason.VOLATILITY: "a fill would have been too far from the mark, and an auction began instead",
    CancelReason.QUOTE_REPLACED: "its maker sent a new quote",
    CancelReason.QUOTE_BUDGET: "the budget that its maker signed was used up",
    CancelReason.QUOTE_PROTECTION: "fills reached a bound of its maker's protection",
    CancelReason.DISCONNECTED: "the connection that minded it was lost",
    CancelReason.DEAD_MAN: "the dead man's timer of its account ran out",
    CancelReason.KILL_SWITCH: "a kill switch was pulled",
    CancelReason.POST_ONLY: "it may only make, and would have taken",
    CancelReason.LINKED: "an order it was linked to traded or left",
    CancelReason.AT_TRIGGER: "its trigger was reached, and by then it could not enter",
    CancelReason.KEY_LIMIT: "the session key that signed it has used up its limits",
    CancelReason.BLOCK_QUEUED: "its account is party to a block that is queued on the contracts",
    CancelReason.RFQ_ENDED: "the request for quotes it answered is over",
    CancelReason.ACCOUNT_FLAGGED: "its account was flagged on the contracts: it does not cover its risk",
    CancelReason.POOL_ROUND: "it was a pool's for a round that is over",
}


def scaled(value: int, digits: int) -> str:
    """An integer of 10**-digits as decimal text, without a float on the way."""
    whole, fraction = divmod(abs(value), 10**digits)
    text = f"{whole:,}.{fraction:0{digits}d}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text


def usdc(value: Cash | Price) -> str:
    """An amount or price."""
    return f"{scaled(value, 6)} USDC"


def contracts(value: Qty) -> str:
    """A quantity."""
    return f"{scaled(value, 4)} contract{'' if value == 10**4 else 's'}"


def percent(value: Wad) -> str:
    """A fraction in wad."""
    return f"{scaled(value * 100, 18)}%" if value < WAD else f"{scaled(value, 18)} times"


def side(*, is_buy: bool) -> str:
    """What an order does."""
    return "buy" if is_buy else "sell"


def title(state: State, series: int) -> str:
    """The name of a series, or the number and legs of a combo."""
    option = state.series.get(series)
    if option is not None:
        return name_of(state, option)
    combo = state.combos.get(series)
    if combo is None:
        return f"series {series}"
    legs = " ".join(f"{leg.ratio:+d} {name_of(state, state.series[leg.series])}" for leg in combo.legs)
    return f"combo {series} ({legs})"


def order(state: State, auth: c.Authorisation) -> str:
    """What was signed."""
    terms = c.terms_of(auth)
    kind = "at any price up to" if terms.market and auth.is_buy else "at any price down to" if terms.market else "at"
    extras = [
        word
        for word, holds in (
            (TIF.get(auth.tif, f"time in force {auth.tif}"), auth.tif != c.GTC),
            ("post-only", auth.post_only),
            ("reduce-only", auth.reduce_only),
            (f"showing {contracts(terms.display)} at a time", terms.display > 0),
            (f"waiting for {usdc(terms.trigger_price)}", terms.trigger != c.UNTRIGGERED),
            ("for a request for quotes", terms.rfq > 0),
        )
        if holds
    ]
    what = f"{side(is_buy=auth.is_buy)} {contracts(auth.qty)} of {title(state, auth.series)} {kind} {usdc(auth.price)}"
    return f"{what}, {', '.join(extras)}" if extras else what


def signer(state: State, auth: c.Authorisation) -> str:
    """Who signed, for whom."""
    account = state.accounts.get(auth.account)
    by_owner = account is not None and account.owner == auth.signer
    return f"account {auth.account} (signed by {'its owner' if by_owner else f'key 0x{auth.signer.hex()[:8]}'})"
