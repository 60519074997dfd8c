r"""Logins: wallet signatures in, tokens out.

A wallet or session key signs ``timestamp\nnonce\ndata`` (EIP-191). No shared secret exists on the server: tokens are
random, bounded in number and time, and forgotten on logout. Randomness and time are arguments. Imports signing.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from exchange.core.commands import SCOPE_READ, SCOPE_RFQ
from exchange.core.units import NANOS_PER_SECOND, Nanos, Seconds
from exchange.dialect.errors import Code, DialectError
from exchange.publisher.directory import ALL_SCOPES, DROP_COPY
from exchange.signing import SigningError, from_hex, login_digest, recover

TOKEN_LIFE_S: Final = 3_600
REFRESH_LIFE_S: Final = 7 * 86_400
TOKENS_MAX: Final = 65_536
LOGIN_WINDOW_NS: Final = 60 * NANOS_PER_SECOND
LOGINS_KEPT: Final = 65_536
SCOPE_BYTES_MAX: Final = 512
DEFAULT_SCOPE: Final = "connection mainaccount account:read trade:read_write"


class Grant(NamedTuple):
    """Who a token stands for, what was asked, and until when; ``account`` if it is good for one only."""

    address: bytes
    scope: str
    rights: int
    access_token: str
    refresh_token: str
    expires_s: Seconds
    account: int | None = None


class Login(NamedTuple):
    """Parameters of a wallet login, already typed."""

    client_id: str
    timestamp_ms: int
    nonce: str
    data: str
    signature: bytes


class Tokens:
    """Tokens of all connections. ``mint`` makes an unguessable string."""

    def __init__(self, mint: Callable[[], str]) -> None:
        self._mint = mint
        self._access: OrderedDict[str, Grant] = OrderedDict()
        self._refresh: OrderedDict[str, tuple[Grant, Seconds]] = OrderedDict()
        self._logins: OrderedDict[bytes, Nanos] = OrderedDict()

    def issue(self, address: bytes, scope: str, now_s: Seconds, account: int | None = None) -> Grant:
        """New tokens; the oldest of all go when there are too many."""
        grant = Grant(address, scope, rights_of(scope), self._mint(), self._mint(), now_s + TOKEN_LIFE_S, account)
        self._access[grant.access_token] = grant
        self._refresh[grant.refresh_token] = (grant, now_s + REFRESH_LIFE_S)
        while len(self._access) > TOKENS_MAX:
            self._access.popitem(last=False)
        while len(self._refresh) > TOKENS_MAX:
            self._refresh.popitem(last=False)
        return grant

    def find(self, access_token: str, now_s: Seconds) -> Grant:
        """The grant of a live token. Raises unauthorized."""
        grant = self._access.get(access_token)
        if grant is None or grant.expires_s <= now_s:
            raise DialectError(Code.UNAUTHORIZED, reason="invalid_token")
        return grant

    def renew(self, refresh_token: str, scope: str | None, now_s: Seconds) -> Grant:
        """New tokens for a refresh token, which is spent. Raises invalid_credentials."""
        grant = self.held_by(refresh_token, now_s)
        del self._refresh[refresh_token]
        self._access.pop(grant.access_token, None)
        return self.issue(grant.address, narrower(grant.scope, scope), now_s, grant.account)

    def held_by(self, refresh_token: str, now_s: Seconds) -> Grant:
        """The grant of a live refresh token, which stays good. Raises invalid_credentials."""
        held = self._refresh.get(refresh_token)
        if held is None or held[1] <= now_s:
            raise DialectError(Code.INVALID_CREDENTIALS, reason="invalid_refresh_token")
        return held[0]

    def forget(self, grant: Grant) -> None:
        """Log out: both tokens are dead."""
        self._access.pop(grant.access_token, None)
        self._refresh.pop(grant.refresh_token, None)

    def admit(self, login: Login, now_ns: Nanos, has_account: Callable[[bytes], bool]) -> bytes:
        """Address of a good login. Raises invalid_credentials with the reason.

        Strangers are turned away before their login is remembered: keys cost nothing, and memory is bounded.
        """
        address = _recovered(login)
        drift = abs(login.timestamp_ms * 1_000_000 - now_ns)
        if drift > LOGIN_WINDOW_NS:
            raise DialectError(
                Code.INVALID_CREDENTIALS, reason="timestamp_must_be_near_now", now=now_ns // 1_000_000, window_s=60
            )
        if not has_account(address):
            raise DialectError(Code.INVALID_CREDENTIALS, reason="account_must_exist")
        while self._logins and next(iter(self._logins.values())) < now_ns - 2 * LOGIN_WINDOW_NS:
            self._logins.popitem(last=False)
        # The signed text, not the signature: a second valid encoding of one signature is the same login.
        digest = login_digest(f"{address.hex()} {login.timestamp_ms}\n{login.nonce}\n{login.data}")
        if digest in self._logins or len(self._logins) >= LOGINS_KEPT:
            raise DialectError(Code.INVALID_CREDENTIALS, reason="login_must_be_fresh")
        self._logins[digest] = now_ns
        return address


def _recovered(login: Login) -> bytes:
    try:
        claimed = from_hex(login.client_id)
        text = f"{login.timestamp_ms}\n{login.nonce}\n{login.data}"
        signer = recover(login_digest(text), login.signature)
    except SigningError as error:
        raise DialectError(Code.INVALID_CREDENTIALS, reason=error.fault.value) from error
    if signer != claimed:
        raise DialectError(Code.INVALID_CREDENTIALS, reason="signer_must_be_client_id")
    return signer


_READ: Final = SCOPE_READ | DROP_COPY
_TRADE: Final = {"read_write": ALL_SCOPES | DROP_COPY, "read": _READ, "none": 0}
_RFQ: Final = {"read_write": SCOPE_RFQ | _READ, "read": _READ, "none": 0}
_ACCOUNT: Final = {"read_write": _READ, "read": _READ, "none": 0}
_DROP_COPY: Final = {"read": DROP_COPY, "none": 0}


def rights_of(scope: str) -> int:
    """What a scope text allows. Words of other products mean nothing here; a text naming none of ours allows all."""
    words = dict(word.partition(":")[::2] for word in scope.split())
    known = {"trade": _TRADE, "block_rfq": _RFQ, "account": _ACCOUNT, "drop_copy": _DROP_COPY}
    if not words.keys() & known.keys():
        return ALL_SCOPES | DROP_COPY
    rights = 0
    for word, meaning in known.items():
        rights |= meaning.get(words.get(word, "none"), 0)
    return rights


def narrower(held: str, asked: str | None) -> str:
    """The scope asked for when it allows no more than the one held. Raises scope_exceeded as forbidden."""
    if asked is None:
        return held
    if rights_of(asked) & ~rights_of(held):
        raise DialectError(Code.FORBIDDEN, reason="scope_must_not_grow", scope=held)
    return asked
