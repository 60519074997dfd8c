"""What limited session keys have left: each fill counts for the keys that signed both of its orders, as on chain.

A key counts from its registration on, and what it signed before and has yet to settle counts with it, because the
contract will count that then. Counts are exact, so what passes here passes there. A key whose notional or spend is
limited signs no combos. Imports state, combos, keylimits, events.
"""

from exchange.core import combos
from exchange.core.commands import SCOPE_QUOTE, Authorisation, ObserveKey
from exchange.core.events import Reject, Rejected
from exchange.core.keylimits import KeyLimits, KeyUse, is_limited, paid_by, refusal
from exchange.core.state import State
from exchange.core.state_types import Key, Trade
from exchange.core.units import CASH_MAX, QTY_ONE, Cash, Price, Qty, premium_of


def limited_key(state: State, auth: Authorisation) -> Key | None:
    """The key that signed, if there is one and it has limits."""
    account = state.accounts[auth.account]
    if not account.keys or auth.signer == account.owner:
        return None
    key = account.keys.get(auth.signer)
    return key if key is not None and is_limited(key.limits) else None


def refuse(state: State, auth: Authorisation) -> Rejected | None:
    """A key signs for the underlyings of its map, and while it has anything left; sales need no spend."""
    key = limited_key(state, auth)
    if key is None:
        return None
    underlying, limits = combos.underlying_of(state, auth.series), key.limits
    if refusal(limits, underlying, KeyUse()):
        return Rejected(Reject.KEY_MUST_ALLOW_UNDERLYING, underlying, limits.underlyings)
    if auth.legs and (limits.notional or limits.spend):
        return Rejected(Reject.KEY_MUST_ALLOW_COMBOS, limits.notional, limits.spend)
    if limits.notional and key.notional >= limits.notional:
        return Rejected(Reject.KEY_MUST_HAVE_NOTIONAL, key.notional, limits.notional)
    if limits.spend and auth.is_buy and key.spend >= limits.spend:
        return Rejected(Reject.KEY_MUST_HAVE_SPEND, key.spend, limits.spend)
    return None


class KeyRoom:
    """What limited keys will have used after the planned fills of one record."""

    __slots__ = ("planned", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self.planned: dict[tuple[int, bytes], KeyUse] = {}

    def allows(self, auth: Authorisation, price: Price, qty: Qty, fee: Cash) -> bool:
        """Whether the key that signed, if one with limits did, may fill so much more."""
        key = limited_key(self.state, auth)
        if key is None:
            return True
        underlying = self.state.series[auth.series].underlying
        return not refusal(key.limits, underlying, self._after(key, auth, price, qty, fee))

    def refuse(self, auth: Authorisation, price: Price, qty: Qty, fee: Cash) -> Rejected | None:
        """The limit that forbids the key that signed to fill so much more, with what it would have used."""
        key = limited_key(self.state, auth)
        if key is None or self.allows(auth, price, qty, fee):
            return None
        use, limits = self._after(key, auth, price, qty, fee), key.limits
        if limits.notional and use.notional > limits.notional * QTY_ONE:
            return Rejected(Reject.KEY_MUST_HAVE_NOTIONAL, min(use.notional // QTY_ONE, CASH_MAX), limits.notional)
        return Rejected(Reject.KEY_MUST_HAVE_SPEND, min(use.spend, CASH_MAX), limits.spend)

    def note(self, auth: Authorisation, price: Price, qty: Qty, fee: Cash) -> None:
        """One more fill is planned."""
        key = limited_key(self.state, auth)
        if key is not None:
            self.planned[auth.account, auth.signer] = self._after(key, auth, price, qty, fee)

    def _after(self, key: Key, auth: Authorisation, price: Price, qty: Qty, fee: Cash) -> KeyUse:
        use = self.planned.get((auth.account, auth.signer))
        return _more(self.state, use_of(key) if use is None else use, auth.series, price, qty, fee, is_buy=auth.is_buy)


def use_of(key: Key) -> KeyUse:
    """What a key has used of what bounds it."""
    return KeyUse(key.notional * QTY_ONE + key.rest, key.spend)


def _more(state: State, use: KeyUse, series: int, price: Price, qty: Qty, fee: Cash, *, is_buy: bool) -> KeyUse:
    # A rebate above a premium would give back what the contract, which adds up per order and batch, may not give back.
    paid = max(paid_by(is_buy=is_buy, premium=premium_of(price, qty), fee=fee), 0)
    return use.after(state.series[series].strike, qty, paid)


def _sides(trade: Trade) -> tuple[tuple[int, Cash, bool], tuple[int, Cash, bool]]:
    """Of maker and taker: the authorisation, the fee, and whether it buys."""
    maker = (trade.maker_auth, trade.maker_fee, not trade.taker_is_buy)
    return maker, (trade.taker_auth, trade.taker_fee, trade.taker_is_buy)


def count_trade(state: State, trade: Trade) -> None:
    """The keys that signed both orders of a fill have used so much more."""
    for auth_id, fee, is_buy in _sides(trade):
        key = limited_key(state, state.auths[auth_id].auth)
        if key is not None:
            _write(key, _more(state, use_of(key), trade.series, trade.price, trade.qty, fee, is_buy=is_buy))


def count_fill(state: State, auth: Authorisation, price: Price, qty: Qty, fee: Cash) -> None:
    """The key that signed, if one with limits did, has used so much more by what is no trade on its way."""
    key = limited_key(state, auth)
    if key is not None:
        _write(key, _more(state, use_of(key), auth.series, price, qty, fee, is_buy=auth.is_buy))


def _write(key: Key, use: KeyUse) -> None:
    """Only what is bounded is kept: that fits a journal integer, because it stays within its bound."""
    if key.limits.notional:
        key.notional, key.rest = use.notional // QTY_ONE, use.notional % QTY_ONE
    if key.limits.spend:
        key.spend = use.spend


def registered(state: State, command: ObserveKey) -> Key:
    """A key as of its registration. What it signed and the contract has yet to hear of is counted against it there.

    Quotes are not: a mandate has a budget of its own, and no key with limits may sign one.
    """
    limits = KeyLimits(command.underlyings, command.notional, command.spend)
    if not is_limited(limits):
        return Key(command.scopes, command.expiry_s)
    key = Key(command.scopes & ~SCOPE_QUOTE, command.expiry_s, limits)
    use = KeyUse()
    for trade in state.trades.values():
        for auth_id, fee, is_buy in _sides(trade):
            entry = state.auths[auth_id]
            if (entry.auth.account, entry.auth.signer, entry.mandate) == (command.account, command.key, 0):
                use = _more(state, use, trade.series, trade.price, trade.qty, fee, is_buy=is_buy)
    most = KeyUse((limits.notional + 1) * QTY_ONE - 1, limits.spend)
    _write(key, KeyUse(min(use.notional, most.notional), min(use.spend, most.spend)))
    return key
