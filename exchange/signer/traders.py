"""Clients as the signer knows them: whose key, which account, and how they ask the venue over HTTP.

Imports upstream, orders, keys.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from exchange.core.units import USDC_ONE
from exchange.dialect.errors import Code, DialectError
from exchange.shell.wallet import Nonces
from exchange.signer.catalogue import Ask, Catalogue
from exchange.signer.config import ClientSettings, Settings
from exchange.signer.keys import Key
from exchange.signer.orders import Desk
from exchange.signer.upstream import Upstream, logged_in, result_of
from exchange.signing import domain_separator, from_hex

SCOPES_MAX: Final = 16
Asking = Callable[[str], Awaitable[dict[str, Any]]]


class Trader:
    """One client id: its key, its account, and its logins at the venue, one for each scope it asked for."""

    def __init__(self, settings: ClientSettings, key: Key, upstream: Upstream) -> None:
        self.client_id = settings.client_id
        self.key = key
        self.account = settings.account
        self._upstream = upstream
        self._tokens: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def begin(self, catalogue: Catalogue, nonces: Nonces, settings: Settings) -> None:
        """Find out which account it is, and from which nonce on it may sign. Raises Refused, Unreachable."""
        where = {"currency": "USDC"} | ({"subaccount_id": self.account} if self.account is not None else {})
        summary = result_of(await self.ask("", "private/get_account_summary", where))
        self.account = int(summary["id"])
        nonces.start_at(self.account, summary["x_next_nonce"])
        venue = self._upstream.venue
        self.desk = Desk(
            self.key,
            domain_separator(venue.chain_id, from_hex(venue.clearing)),
            self.account,
            catalogue,
            nonces,
            self.result,
            slippage=Decimal(settings.slippage),
            max_fee=int(Decimal(settings.max_fee) * USDC_ONE) if settings.max_fee is not None else None,
        )

    async def result(self, method: str, params: Mapping[str, Any]) -> Any:
        """The result of a question of its own. Raises Refused, Unreachable, Untrusted."""
        return result_of(await self.ask("", method, params))

    async def ask(self, scope: str, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The venue's reply to a request under a scope."""
        return await self._with_token(scope, lambda token: self._upstream.ask(method, params, token))

    async def get(self, scope: str, method: str, query: Mapping[str, str]) -> dict[str, Any]:
        """The same for query text."""
        named = {"subaccount_id": str(self.account)} | dict(query)
        return await self._with_token(scope, lambda token: self._upstream.get(method, named, token))

    async def _with_token(self, scope: str, asking: Asking) -> dict[str, Any]:
        """Ask; once more with a new login when the venue does not know the old one, since it did nothing then."""
        token = self._tokens.get(scope) or await self._log_in(scope)
        reply = await asking(token)
        if reply.get("error", {}).get("code") != Code.UNAUTHORIZED.value[0]:
            return reply
        if self._tokens.get(scope) == token:
            del self._tokens[scope]
        return await asking(self._tokens.get(scope) or await self._log_in(scope))

    async def _log_in(self, scope: str) -> str:
        async with self._lock:
            if scope not in self._tokens:
                if len(self._tokens) >= SCOPES_MAX:
                    raise DialectError(Code.FORBIDDEN, reason="too_many_scopes", limit=SCOPES_MAX)
                grant = await logged_in(self._upstream.ask, self.key, scope)
                self._tokens[scope] = grant["access_token"]
            return self._tokens[scope]


def anonymous(upstream: Upstream) -> Ask:
    """Questions of nobody's: listings, prices."""

    async def ask(method: str, params: Mapping[str, Any]) -> Any:
        return await upstream.result(method, params)

    return ask
