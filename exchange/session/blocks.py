"""Block trades: what two have agreed, rebuilt from the request, with both signatures; anybody who holds them may ask.

The request tells of the trades from the maker's side, as the dialect has it, and of the two accounts from the side of
whoever calls. Imports asking, call, dialect, signing.
"""

from typing import Any, Final, NamedTuple

from exchange.core import blocks
from exchange.core.commands import SCOPE_CANCEL, SCOPE_RFQ, Block, BlockLeg, ExecuteBlock, InvalidateBlock
from exchange.core.events import Rejected
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, U32_MAX, U63_MAX, U64_MAX
from exchange.dialect.errors import Code, DialectError, refuse
from exchange.dialect.numbers import millis
from exchange.dialect.orders import BLOCK_NAME, Fill, block_name, leg_trade_object, trade_object
from exchange.publisher.blocks import Agreed
from exchange.publisher.notes import Outcome
from exchange.session.asking import price_of, qty_of
from exchange.session.call import Call, account_of
from exchange.session.requests import Params, wrong
from exchange.session.work import Read, Submit, Work
from exchange.signing import SigningError, block_digest, recover

MAKER: Final = "maker"
_ROLES: Final = (MAKER, "taker")
LISTED_MAX: Final = 1_000


class Asked(NamedTuple):
    """A block as a request tells it, from one side, and what both sign."""

    block: Block
    is_maker: bool
    digest: bytes

    @property
    def own(self) -> int:
        """The account of whoever asks."""
        return self.block.maker if self.is_maker else self.block.taker

    @property
    def other(self) -> int:
        """The other account."""
        return self.block.taker if self.is_maker else self.block.maker


def _asked(call: Call) -> Asked:
    """The block of a request. Raises invalid_params, or authorization_required without the terms both sign."""
    params = call.params
    if not params.given("authorization"):
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason="block_must_be_signed", param="authorization")
    given, is_maker = params.object("authorization"), params.choice("role", _ROLES) == MAKER
    own, other = given.whole("account", high=U32_MAX), given.whole("counterparty", high=U32_MAX)
    block = Block(
        maker=own if is_maker else other,
        taker=other if is_maker else own,
        legs=_legs(call),
        maker_max_fee=given.whole("maker_max_fee", high=U63_MAX),
        taker_max_fee=given.whole("taker_max_fee", high=U63_MAX),
        nonce=given.whole("nonce", high=U64_MAX),
        expiry_s=given.whole("expiry", high=U32_MAX),
        queueable=given.flag("queueable"),
    )
    venue = call.desk.venue
    if venue is None:
        raise DialectError(Code.MAINTENANCE, reason="venue_must_be_configured")
    return Asked(block, is_maker, block_digest(venue.domain, block))


def _legs(call: Call) -> tuple[BlockLeg, ...]:
    """The trades in the order in which they are signed; their direction is the maker's."""
    legs = []
    for trade in call.params.objects("trades", count_max=blocks.LEGS_MAX):
        listed = call.desk.listed.get(trade.text("instrument_name"))
        if listed is None:
            raise DialectError(Code.INVALID_INSTRUMENT, reason="series_must_exist", param="instrument_name")
        is_buy = trade.choice("direction", ("buy", "sell")) == "sell"
        legs.append(BlockLeg(listed.series, is_buy, qty_of(trade, listed), price_of(trade, listed)))
    return tuple(sorted(legs, key=lambda leg: leg.series))


def _signer(digest: bytes, given: Params, name: str) -> tuple[bytes, bytes]:
    """Who signed, and the signature. Raises authorization_required for one that proves nothing."""
    signature = given.blob(name, bytes_max=65)
    try:
        return recover(digest, signature), signature
    except SigningError as error:
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason=error.fault.value, param=name) from error


def _signed(call: Call, asked: Asked) -> ExecuteBlock:
    """The command, by both signatures of the request."""
    own = _signer(asked.digest, call.params.object("authorization"), "signature")
    other = _signer(asked.digest, call.params, "counterparty_signature")
    maker, taker = (own, other) if asked.is_maker else (other, own)
    return ExecuteBlock(asked.block, *maker, *taker)


# -- before it is signed by both --------------------------------------------------------------------------------------


def verify_block_trade(call: Call) -> Work:
    """Check what was agreed, with a signature of one's own: it would trade now, if the counterparty signed it too."""
    asked = _asked(call)
    call.login().require(asked.own, SCOPE_RFQ)
    signer, signature = _signer(asked.digest, call.params.object("authorization"), "signature")

    def query(state: State) -> dict[str, Any]:
        _require_tradable(state, asked, signer)
        return {"signature": "0x" + signature.hex(), "x_block_hash": "0x" + asked.digest.hex()}

    return Read(call.envelope, query)


def simulate_block_trade(call: Call) -> Work:
    """Whether what is being agreed would trade now, if both owners signed it."""
    asked = _asked(call)
    call.login().require(asked.own, SCOPE_RFQ)

    def query(state: State) -> bool:
        _require_tradable(state, asked, account_of(state, asked.own).owner)
        return True

    return Read(call.envelope, query)


def _require_tradable(state: State, asked: Asked, signer: bytes) -> None:
    """Raise the refusal that it would meet with this signature, and the counterparty's owner's."""
    own, other = (signer, b""), (account_of(state, asked.other).owner, b"")
    maker, taker = (own, other) if asked.is_maker else (other, own)
    refused = blocks.check(state, ExecuteBlock(asked.block, *maker, *taker))
    if refused is not None:
        raise refuse(refused)


def invalidate_block_trade_signature(call: Call) -> Work:
    """The account no longer stands by what it signed under a nonce, here; on the contracts it cancels the nonce."""
    account = call.account(SCOPE_RFQ | SCOPE_CANCEL)
    command = InvalidateBlock(account, call.params.whole("nonce", high=U64_MAX))
    return Submit(call.envelope, command, lambda _, outcome: _refusal(outcome) or "ok")


# -- with both signatures ---------------------------------------------------------------------------------------------


def execute_block_trade(call: Call) -> Work:
    """Trade a block that both have signed, as one of them."""
    asked = _asked(call)
    call.login().require(asked.own, SCOPE_RFQ)
    return _execute(call, asked, asked.own)


def submit_block_trade(call: Call) -> Work:
    """The same by anybody who holds both signatures; strangers are turned away before anything is sequenced."""
    asked = _asked(call)
    signed, now_s = _signed(call, asked), call.now_ns // NANOS_PER_SECOND
    for party in (blocks.maker_of(signed), blocks.taker_of(signed)):
        if party.account not in call.desk.directory.accounts_of(party.signer, now_s):
            raise DialectError(Code.AUTHORIZATION_REQUIRED, reason="signer_must_be_authorised", value=party.account)
    return _execute(call, asked, 0)


def _execute(call: Call, asked: Asked, account: int) -> Work:
    desk = call.desk

    def render(_state: State, outcome: Outcome) -> Any:
        return _refusal(outcome) or _object(desk.blocks.traded[outcome.seq], account) | {
            "x_block_hash": "0x" + asked.digest.hex()
        }

    return Submit(call.envelope, _signed(call, asked), render)


def _refusal(outcome: Outcome) -> DialectError | None:
    return next((refuse(event) for event in outcome.events if type(event) is Rejected), None)


# -- afterwards -------------------------------------------------------------------------------------------------------


def _object(agreed: Agreed, account: int) -> dict[str, Any]:
    """The dialect's block trade: its legs as a party sees them, or as everybody does."""
    return {
        "id": block_name(agreed.id),
        "timestamp": millis(agreed.time_ns),
        "trades": [_leg(fill, account) for fill in agreed.fills],
    }


def _leg(fill: Fill, account: int) -> dict[str, Any]:
    for side in (fill.maker, fill.taker):
        if side.account == account:
            return leg_trade_object(fill, side)
    return trade_object(fill)


def get_block_trade(call: Call) -> Work:
    """One block trade of the account, by its name."""
    account, name = call.account(), call.params.text("id", chars_max=64)
    number = name.removeprefix(BLOCK_NAME)
    if not name.startswith(BLOCK_NAME) or not number.isascii() or not number.isdigit() or len(number) > 19:
        raise wrong("id", "must_be_named_as_told")

    def query(_state: State) -> dict[str, Any]:
        agreed = call.desk.blocks.traded.get(int(number))
        if agreed is None or not agreed.is_party(account):
            raise DialectError(Code.INVALID_PARAMS, param="id", reason="block_trade_must_be_known")
        return _object(agreed, account)

    return Read(call.envelope, query)


def get_block_trades(call: Call) -> Work:
    """Block trades of the account of late, the newest first; of a currency, and before one of them."""
    account, params, desk = call.account(), call.params, call.desk
    count = params.whole("count", 20, low=1, high=LISTED_MAX)
    before = params.text("end_id", "", chars_max=64).removeprefix(BLOCK_NAME)
    if before and not (before.isascii() and before.isdigit()):
        raise wrong("end_id", "must_be_named_as_told")

    def query(_state: State) -> list[dict[str, Any]]:
        own = [each for each in reversed(desk.blocks.traded.values()) if each.is_party(account)]
        wanted = [each for each in own if any(call.currency_matches(fill.listed) for fill in each.fills)]
        return [_object(each, account) for each in wanted if not before or each.id < int(before)][:count]

    return Read(call.envelope, query)
