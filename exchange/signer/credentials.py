"""Who a client is: its secret, proven by sending it or by an HMAC over what it asks, and tokens of this signer's own.

Nothing of it is known at the venue. Wrong guesses are paid for, the more the longer. Imports session.
"""

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from exchange.core.units import NANOS_PER_SECOND, Nanos, seconds_of
from exchange.dialect.errors import Code, DialectError
from exchange.session import Bucket, Rate, Tokens
from exchange.session.access import DEFAULT_SCOPE, SCOPE_BYTES_MAX, Grant
from exchange.session.requests import Params
from exchange.signer.config import ClientSettings

WINDOW_NS: Final = 60 * NANOS_PER_SECOND
SEEN_MAX: Final = 65_536
GUESSES: Final = Rate(credits_max=10_000, refill_per_s=100)
GUESS_COST: Final = 1_000  # ten in a row, then one in ten seconds
REMOTES_MAX: Final = 4_096
_GRANTS: Final = ("client_credentials", "client_signature", "refresh_token")
_FIELD: Final = re.compile(r"\s*(\w+)\s*=\s*([^,]*?)\s*(?:,|$)")


class Signature(NamedTuple):
    """What a client proves itself by: an HMAC over ``text``, which holds the moment and its nonce."""

    client_id: str
    timestamp: str
    signature: str
    text: str


class Credentials:
    """Clients by id, their tokens, and what was seen of their signatures."""

    def __init__(self, clients: Iterable[ClientSettings], now_ns: Nanos) -> None:
        self._clients = {client.client_id: client for client in clients}
        self._tokens = Tokens(lambda: secrets.token_urlsafe(32))
        self._seen: OrderedDict[str, Nanos] = OrderedDict()
        self._guesses: OrderedDict[str, Bucket] = OrderedDict()
        self._began_ns = now_ns

    def log_in(self, params: Params, remote: str, now_ns: Nanos) -> Grant:
        """New tokens for ``public/auth``. Raises DialectError."""
        kind = params.choice("grant_type", _GRANTS)
        scope = params.text("scope", chars_max=SCOPE_BYTES_MAX) if params.given("scope") else None
        if kind == "refresh_token":
            return self._tokens.renew(params.text("refresh_token"), scope, seconds_of(now_ns))
        name = params.text("client_id")
        if kind == "client_credentials":
            self._prove(name, remote, now_ns, params.text("client_secret"))
        else:
            stamp, nonce = str(params.whole("timestamp")), params.text("nonce", "")
            text = f"{stamp}\n{nonce}\n{params.text('data', '')}"
            self.verify(Signature(name, stamp, params.text("signature"), text), remote, now_ns, once=True)
        return self._tokens.issue(name.encode(), DEFAULT_SCOPE if scope is None else scope, seconds_of(now_ns))

    def find(self, access_token: str, now_ns: Nanos) -> Grant:
        """The grant of a token of ours. Raises unauthorized."""
        return self._tokens.find(access_token, seconds_of(now_ns))

    def forget(self, grant: Grant) -> None:
        """Log out."""
        self._tokens.forget(grant)

    def granted(self, client_id: str) -> Grant:
        """Everything, for one request that proved itself."""
        return Grant(client_id.encode(), DEFAULT_SCOPE, -1, "", "", 2**32)

    def _prove(self, name: str, remote: str, now_ns: Nanos, secret: str) -> None:
        client, bucket = self._clients.get(name), self._bucket(remote, now_ns)
        bucket.require(0, now_ns)
        held = client.client_secret if client is not None else secrets.token_urlsafe(32)
        if not hmac.compare_digest(held.encode(), secret.encode()):
            bucket.spend(GUESS_COST, now_ns)
            raise DialectError(Code.INVALID_CREDENTIALS, reason="client_id_and_secret_must_match")

    def verify(self, signed: Signature, remote: str, now_ns: Nanos, *, once: bool) -> None:
        """Refuse what the secret did not sign, what is old, and ``once`` what was seen before. Raises DialectError."""
        client = self._clients.get(signed.client_id)
        held = client.client_secret if client is not None else secrets.token_urlsafe(32)
        digest = hmac.new(held.encode(), signed.text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(digest, signed.signature.lower()):
            self._bucket(remote, now_ns).spend(GUESS_COST, now_ns)
            raise DialectError(Code.INVALID_CREDENTIALS, reason="signature_must_match")
        if not signed.timestamp.isdecimal() or abs(int(signed.timestamp) * 10**6 - now_ns) > WINDOW_NS:
            raise DialectError(Code.INVALID_CREDENTIALS, reason="timestamp_must_be_near_now", now=now_ns // 10**6)
        if once:
            self._require_fresh(digest, now_ns)

    def _require_fresh(self, digest: str, now_ns: Nanos) -> None:
        while self._seen and next(iter(self._seen.values())) < now_ns - 2 * WINDOW_NS:
            self._seen.popitem(last=False)
        if digest in self._seen or len(self._seen) >= SEEN_MAX:
            raise DialectError(Code.INVALID_CREDENTIALS, reason="request_must_be_fresh")
        self._seen[digest] = now_ns

    def _bucket(self, remote: str, now_ns: Nanos) -> Bucket:
        bucket = self._guesses.pop(remote, None) or Bucket(GUESSES, now_ns)
        self._guesses[remote] = bucket
        if len(self._guesses) > REMOTES_MAX:
            self._guesses.popitem(last=False)
        return bucket


def signed_header(value: str, method: str, uri: str, body: str) -> Signature:
    """What ``deri-hmac-sha256 id=…,ts=…,nonce=…,sig=…`` claims of an HTTP request; the fields come in any order.

    Raises DialectError unauthorized.
    """
    fields = dict(_FIELD.findall(value))
    if not {"id", "ts", "nonce", "sig"} <= fields.keys():
        raise DialectError(Code.UNAUTHORIZED, reason="header_must_have_id_ts_nonce_sig")
    text = f"{fields['ts']}\n{fields['nonce']}\n{method}\n{uri}\n{body}\n"
    return Signature(fields["id"], fields["ts"], fields["sig"], text)
