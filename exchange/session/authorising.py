"""What a client has signed: the digest rebuilt from the terms of its request, and whoever signed it recovered.

Whose signature may act for an account is the machine's decision; here only the account must belong to the login.
Imports asking, call, dialect, signing.
"""

from typing import NamedTuple

import msgspec

from exchange.core.commands import NO_TERMS, Authorisation
from exchange.core.units import U32_MAX, U63_MAX, U64_MAX
from exchange.dialect.errors import Code, DialectError
from exchange.session.asking import Asked, require_session_end
from exchange.session.call import Call
from exchange.session.requests import Params
from exchange.signing import SigningError, order_digest, order_of, recover


class Signed(NamedTuple):
    """An authorisation with the digest its signature is over."""

    auth: Authorisation
    digest: bytes


def authorised(call: Call, params: Params, rights: int, asked: Asked) -> Signed:
    """The ``authorization`` object checked against the terms of the request; ``rights`` are scopes of which the login
    needs one. Raises authorization_required.
    """
    if not params.given("authorization"):
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason="order_must_be_signed", param="authorization")
    given = params.object("authorization")
    account = given.whole("account", high=U32_MAX)
    call.login().require(account, rights)
    unsigned = Authorisation(
        account=account,
        series=asked.listed.series,
        is_buy=asked.is_buy,
        qty=asked.qty,
        price=asked.price,
        max_fee=given.whole("max_fee", high=U63_MAX),
        tif=asked.tif,
        post_only=asked.post_only,
        reduce_only=asked.reduce_only,
        replaces=given.whole("replaces", 0, high=U64_MAX),
        nonce=given.whole("nonce", high=U64_MAX),
        expiry_s=given.whole("expiry", high=U32_MAX),
        signer=b"",
        signature=given.blob("signature", bytes_max=65),
        terms=asked.terms if asked.terms != NO_TERMS else None,
        legs=asked.listed.legs,
    )
    require_session_end(call, asked, unsigned.expiry_s)
    return _recovered(call, unsigned)


def _recovered(call: Call, unsigned: Authorisation) -> Signed:
    """The order with whoever signed it. Raises authorization_required for a signature that proves nothing."""
    venue = call.desk.venue
    if venue is None:
        raise DialectError(Code.MAINTENANCE, reason="venue_must_be_configured")
    digest = order_digest(venue.domain, order_of(unsigned))
    try:
        signer = recover(digest, unsigned.signature)
    except SigningError as error:
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason=error.fault.value, param="signature") from error
    return Signed(msgspec.structs.replace(unsigned, signer=signer), digest)
