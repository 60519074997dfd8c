"""Who may act for which account: wallets and session keys, looked up by address. Imports core."""

from typing import Final

from exchange.core import commands as c
from exchange.core.commands import SCOPE_CANCEL, SCOPE_QUOTE, SCOPE_READ, SCOPE_RFQ, SCOPE_TRADE
from exchange.core.state import State
from exchange.core.units import Seconds

ALL_SCOPES: Final = SCOPE_TRADE | SCOPE_CANCEL | SCOPE_QUOTE | SCOPE_RFQ | SCOPE_READ

DROP_COPY: Final = 1 << 16
"""What a token may be for beside the scopes that keys have on chain: whoever may read may hear the drop copy."""


class Directory:
    """An index over the accounts of the state, kept current record by record."""

    def __init__(self) -> None:
        self._owned: dict[bytes, dict[int, None]] = {}
        self._delegated: dict[bytes, dict[int, c.ObserveKey]] = {}

    def rebuild(self, state: State) -> None:
        """From the accounts of the state."""
        self._owned, self._delegated = {}, {}
        for account in state.accounts.values():
            if account.id:
                self._owned.setdefault(account.owner, {})[account.id] = None
            for address, key in account.keys.items():
                grant = c.ObserveKey(0, account.id, address, key.scopes, key.expiry_s)
                self._delegated.setdefault(address, {})[account.id] = grant

    def note(self, command: c.AnyCommand) -> None:
        """Follow one applied command."""
        match command:
            case c.ObserveAccount():
                self._owned.setdefault(command.owner, {})[command.account] = None
            case c.ObserveKey():
                self._delegated.setdefault(command.key, {})[command.account] = command
            case c.ObserveRevocation():
                self._delegated.get(command.key, {}).pop(command.account, None)
            case _:
                pass

    def accounts_of(self, address: bytes, now_s: Seconds) -> dict[int, int]:
        """Accounts an address acts for at a moment, each with its scopes: its own first, either in ascending order."""
        found = dict.fromkeys(sorted(self._owned.get(address, ())), ALL_SCOPES)
        for account, key in sorted(self._delegated.get(address, {}).items()):
            if key.expiry_s > now_s and account not in found:
                found[account] = key.scopes
        return found

    def default_of(self, address: bytes, now_s: Seconds) -> int | None:
        """The account meant when none is named: the first it owns, else the only one it acts for.

        Anyone may delegate to anyone unasked, so a key that acts for several accounts has to say which it means.
        """
        owned = self._owned.get(address)
        if owned:
            return min(owned)
        delegated = self.accounts_of(address, now_s)
        return next(iter(delegated)) if len(delegated) == 1 else None
