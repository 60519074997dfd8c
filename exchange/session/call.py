"""One request being answered: who asks, what for, and when. Imports publisher, dialect."""

from typing import NamedTuple

from exchange.core.commands import SCOPE_READ
from exchange.core.state import State
from exchange.core.state_types import Account
from exchange.core.units import U32_MAX, Nanos
from exchange.dialect.channels import COMBO, OPTION
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.listed import Listed
from exchange.publisher import Publisher
from exchange.session.access import Grant
from exchange.session.requests import Params
from exchange.session.work import Envelope

CURRENCY_CHARS_MAX = 32


class Access(NamedTuple):
    """A live login: the accounts it acts for, each with the scopes left after the token's own, and the one it means."""

    grant: Grant
    accounts: dict[int, int]
    default: int | None

    def require(self, account: int, right: int) -> None:
        """Raise forbidden unless the login may do this for the account."""
        if account not in self.accounts:
            raise DialectError(Code.FORBIDDEN, reason="account_must_belong_to_login", value=account)
        if not self.accounts[account] & right:
            raise DialectError(Code.FORBIDDEN, reason="scope_must_allow", value=self.accounts[account], limit=right)

    def readable(self, right: int = SCOPE_READ) -> tuple[int, ...]:
        """Accounts whose data the login may see, or whose drop copy."""
        return tuple(account for account, rights in self.accounts.items() if rights & right)


class Call(NamedTuple):
    """A request with everything its handler needs. ``access`` is None for public methods without a login."""

    desk: Publisher
    params: Params
    envelope: Envelope
    now_ns: Nanos
    access: Access | None
    connection: int | None = None  # over a WebSocket its number in the journal, 0 before it has one

    def login(self) -> Access:
        """Who asks. Raises unauthorized."""
        if self.access is None:
            raise DialectError(Code.UNAUTHORIZED, reason="login_required")
        return self.access

    def account(self, right: int = SCOPE_READ) -> int:
        """The account meant: ``subaccount_id``, else the login's own. Raises when it has several and none is named."""
        access = self.login()
        if access.default is None and not self.params.given("subaccount_id"):
            raise DialectError(Code.INVALID_PARAMS, param="subaccount_id", reason="account_must_be_named")
        account = self.params.whole("subaccount_id", access.default or 0, high=U32_MAX)
        access.require(account, right)
        return account

    def instrument(self) -> Listed:
        """The instrument named. Raises invalid_or_unsupported_instrument."""
        name = self.params.text("instrument_name")
        listed = self.desk.listed.get(name)
        if listed is None:
            raise DialectError(Code.INVALID_INSTRUMENT, reason="series_must_exist", param="instrument_name")
        return listed

    def option(self) -> Listed:
        """The instrument named, which must be an option itself. Raises invalid_or_unsupported_instrument."""
        listed = self.instrument()
        if listed.legs:
            raise DialectError(Code.INVALID_INSTRUMENT, reason="series_must_exist", param="instrument_name")
        return listed

    def order_id(self) -> int:
        """The order meant; unknown ids are order_not_found, not malformed, for other venues' ids have other forms."""
        text = self.params.text("order_id", chars_max=64)
        if not text.isascii() or not text.isdigit() or len(text) > 19:
            raise DialectError(Code.ORDER_NOT_FOUND, reason="order_must_exist")
        return int(text)

    def currency_matches(self, listed: Listed) -> bool:
        """Whether an instrument answers to the ``currency`` asked for: any, USDC, its base, or absent."""
        currency = self.params.text("currency", "any", chars_max=CURRENCY_CHARS_MAX).upper()
        return currency in {"ANY", "USDC", listed.base.upper(), f"{listed.base}_USDC".upper()}

    def kind_matches(self, listed: Listed | None = None) -> bool:
        """Whether ``kind`` includes options, which are all that is held here, or this instrument."""
        kinds = ("any", "option", "future", "spot", "future_combo", "option_combo", "combo")
        wanted = ("any", OPTION) if listed is None or not listed.legs else ("any", COMBO, "combo")
        return self.params.choice("kind", kinds, "any") in wanted


def account_of(state: State, account: int) -> Account:
    """The account in the state. Raises user_not_found."""
    found = state.accounts.get(account)
    if found is None:
        raise DialectError(Code.USER_NOT_FOUND, reason="account_must_exist", value=account)
    return found
