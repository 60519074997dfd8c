"""Logging in and out, and the grant a connection holds. Imports access, call."""

from typing import Any, Final

from exchange.core.commands import SCOPE_READ
from exchange.core.units import U32_MAX, Nanos, seconds_of
from exchange.dialect.errors import Code, DialectError
from exchange.publisher import Publisher
from exchange.publisher.directory import ALL_SCOPES, DROP_COPY
from exchange.session.access import DEFAULT_SCOPE, SCOPE_BYTES_MAX, Grant, Login, Tokens, narrower
from exchange.session.call import Access
from exchange.session.requests import Params, wrong

_GRANTS: Final = ("client_signature", "refresh_token", "client_credentials")
NONCE_CHARS_MAX: Final = 128


def log_in(tokens: Tokens, desk: Publisher, params: Params, now_ns: Nanos) -> Grant:
    """A grant for good credentials of a wallet or key that has an account here. Raises invalid_credentials."""
    kind = params.choice("grant_type", _GRANTS)
    scope = params.text("scope", chars_max=SCOPE_BYTES_MAX) if params.given("scope") else None
    if kind == "client_credentials":
        raise DialectError(
            Code.INVALID_CREDENTIALS,
            reason="no_shared_secrets",
            rule="Log in with grant_type client_signature: client_id is an address, the signature is its wallet's.",
        )
    if kind == "refresh_token":
        return tokens.renew(params.text("refresh_token"), scope, seconds_of(now_ns))
    venue_s = seconds_of(desk.time_ns)
    known = desk.directory.accounts_of
    address = tokens.admit(_login_of(params), now_ns, lambda signer: bool(known(signer, venue_s)))
    return tokens.issue(address, DEFAULT_SCOPE if scope is None else scope, seconds_of(now_ns))


def fork(tokens: Tokens, desk: Publisher, params: Params, now_ns: Nanos) -> Grant:
    """Tokens beside those there are, under the name of a session. Raises invalid_credentials."""
    del desk
    name = params.text("session_name", chars_max=NONCE_CHARS_MAX)
    if not name or not name.isprintable() or " " in name:
        raise wrong("session_name", "must_be_a_word")
    now_s = seconds_of(now_ns)
    held = tokens.held_by(params.text("refresh_token"), now_s)
    words = [word for word in held.scope.split() if word != "connection" and not word.startswith("session:")]
    return tokens.issue(held.address, " ".join([f"session:{name}", *words]), now_s, held.account)


def exchange(tokens: Tokens, desk: Publisher, params: Params, now_ns: Nanos) -> Grant:
    """Tokens for one account only of those that a login acts for. Raises invalid_credentials or forbidden."""
    account, now_s = params.whole("subject_id", high=U32_MAX), seconds_of(now_ns)
    held = tokens.held_by(params.text("refresh_token"), now_s)
    access_of(held._replace(expires_s=now_s + 1), desk, now_ns).require(account, ALL_SCOPES | DROP_COPY)
    scope = params.text("scope", chars_max=SCOPE_BYTES_MAX) if params.given("scope") else None
    return tokens.issue(held.address, narrower(held.scope, scope), now_s, account)


def _login_of(params: Params) -> Login:
    return Login(
        client_id=params.text("client_id", chars_max=NONCE_CHARS_MAX),
        timestamp_ms=params.whole("timestamp"),
        nonce=params.text("nonce", "", chars_max=NONCE_CHARS_MAX),
        data=params.text("data", ""),
        signature=params.blob("signature", bytes_max=65),
    )


def grant_object(grant: Grant, params: Params, now_ns: Nanos) -> dict[str, Any]:
    """The reply: all five fields clients insist on; the scope is what was asked."""
    shown: dict[str, Any] = {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "expires_in": grant.expires_s - seconds_of(now_ns),
        "scope": grant.scope,
        "token_type": "bearer",
    }
    if params.given("state"):
        shown["state"] = params.text("state", chars_max=NONCE_CHARS_MAX)
    return shown


def access_of(grant: Grant, desk: Publisher, now_ns: Nanos) -> Access:
    """What a grant is good for right now. Raises unauthorized when it has run out or its key was revoked.

    A token runs out by the clock of the edge, a key by the time of the venue: the one that the machine judges by.
    """
    if grant.expires_s <= seconds_of(now_ns):
        raise DialectError(Code.UNAUTHORIZED, reason="token_expired")
    now_s = seconds_of(desk.time_ns)
    accounts = desk.directory.accounts_of(grant.address, now_s)
    if grant.account is not None:
        accounts = {account: scopes for account, scopes in accounts.items() if account == grant.account}
    if not accounts:
        raise DialectError(Code.UNAUTHORIZED, reason="key_revoked_or_expired")
    rights = {
        account: (scopes | (DROP_COPY if scopes & SCOPE_READ else 0)) & grant.rights
        for account, scopes in accounts.items()
    }
    default = desk.directory.default_of(grant.address, now_s) if grant.account is None else grant.account
    return Access(grant, rights, default)
