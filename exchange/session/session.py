"""One connection's conversation: each text becomes one piece of work.

Keeps the login, the credits, the heartbeat and the topics of a connection. Imports everything of this package.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core.commands import SCOPE_READ
from exchange.core.units import NANOS_PER_SECOND, Nanos
from exchange.dialect.channels import Channel, Family, parse_channel
from exchange.dialect.errors import Code, DialectError
from exchange.publisher import Publisher
from exchange.publisher.directory import DROP_COPY
from exchange.session.access import Grant, Tokens
from exchange.session.call import Access, Call
from exchange.session.charges import Charge, cost_of, payer_of
from exchange.session.elsewhere import ELSEWHERE
from exchange.session.fairness import Fairness, Pool
from exchange.session.limits import Limits, Purse
from exchange.session.login import access_of, exchange, fork, grant_object, log_in
from exchange.session.methods import LOGINS, ON_SOCKET, PRIVATE, PUBLIC
from exchange.session.requests import Malformed, Params, Request, RequestId, parse, wrong
from exchange.session.work import Envelope, Reply, Subscribe, Topic, Unsubscribe, Work

HEARTBEAT_MIN_S: Final = 10
HEARTBEAT_MAX_S: Final = 3_600
MAINNETS: Final = (1,)
_ELSE: Final = {"public/fork_token": fork, "public/exchange_token": exchange}
CHANNEL_CHARS_MAX: Final = 128


class Polled(NamedTuple):
    """What the passing of time asks for: texts to send, and why to close, if so."""

    texts: tuple[str, ...] = ()
    close: str = ""


class Session:
    """The conversation of one connection. Over HTTP each request is its own session, with a shared bucket."""

    def __init__(
        self,
        desk: Publisher,
        tokens: Tokens,
        limits: Limits,
        now_ns: Nanos,
        *,
        purse: Purse | None = None,
        fairness: Fairness | None = None,
        remote: str = "",
        is_socket: bool = True,
    ) -> None:
        self.topics: dict[str, Topic] = {}
        self.grant: Grant | None = None
        self.has_spoken = False
        self.number = 0  # in the journal; the shell knows when there is one
        self._desk = desk
        self._tokens = tokens
        self._limits = limits
        self._purse = purse or Purse(limits, now_ns)
        self._fairness = fairness or Fairness(limits, desk.fills_of)
        self._remote = remote
        self._present: int | None = None  # the account that this connection counts for
        self._is_socket = is_socket
        self._beat_ns = 0
        self._last_in_ns = now_ns
        self._last_beat_ns = now_ns
        self._probed = False

    # -- what the shell calls -----------------------------------------------------------------------------------------

    def receive(self, text: str | bytes, now_ns: Nanos, method: str | None = None) -> Work:
        """One message in, one piece of work out; nothing raises. ``method`` replaces the one in the text."""
        self._last_in_ns, self._probed = now_ns, False
        limits = self._limits
        try:
            request = parse(text, limits.shape, method=method)
        except Malformed as error:
            envelope = self._envelope(error.request_id, now_ns)
            return envelope.error(self._charged(limits.costs.malformed, now_ns) or error.error, now_ns)
        self.has_spoken = True
        return self.handle(request, now_ns)

    def refuse(self, error: DialectError, now_ns: Nanos, request_id: RequestId = None) -> Reply:
        """A refusal that the shell itself found cause for."""
        return self._envelope(request_id, now_ns).error(error, now_ns)

    def handle(self, request: Request, now_ns: Nanos) -> Work:
        """A well-formed request in, one piece of work out."""
        envelope = self._envelope(request.id, now_ns)
        try:
            cost = cost_of(request, self._limits.costs)
            (self._purse.cancels if cost.pool is Pool.CANCELS else self._purse.others).spend(cost.credits, now_ns)
            return self._dispatch(request, cost, envelope, now_ns)
        except DialectError as refused:
            return envelope.error(refused, now_ns)

    def bear(self, access_token: str, now_ns: Nanos) -> None:
        """Take the login of a bearer token. Raises DialectError unauthorized."""
        self.grant = self._tokens.find(access_token, now_ns // NANOS_PER_SECOND)

    def end(self) -> None:
        """The connection is gone."""
        self._count_for(None)

    def _tried(self, attempt: Callable[[], Grant], now_ns: Nanos) -> Grant:
        """A login that is no good counts against the address it comes from. Raises DialectError."""
        self._fairness.require_guesses(self._remote, now_ns)
        try:
            return attempt()
        except DialectError as error:
            if error.code is Code.INVALID_CREDENTIALS:
                self._fairness.guessed(self._remote, now_ns)
            raise

    def _count_for(self, account: int | None) -> None:
        """This connection is one of an account's from now on, or nobody's. Raises DialectError."""
        if account == self._present or not self._is_socket:
            return
        if account is not None:
            self._fairness.enter(account)
        if self._present is not None:
            self._fairness.leave(self._present)
        self._present = account

    def poll(self, now_ns: Nanos) -> Polled:
        """Heartbeats due, and whether the connection has lost its right to what it hears."""
        if self.topics and not self._may_hear(now_ns):
            return Polled(close="authorization ended")
        if not self._beat_ns or now_ns - self._last_beat_ns < self._beat_ns:
            return Polled()
        self._last_beat_ns = now_ns
        if now_ns - self._last_in_ns < self._beat_ns:
            return Polled((_heartbeat("heartbeat"),))
        if self._probed:
            return Polled(close="heartbeat close")
        self._probed = True
        return Polled((_heartbeat("heartbeat"), _heartbeat("test_request")))

    def _heard(self) -> set[int]:
        """Accounts whose private channels this connection hears."""
        return {account for topic in self.topics.values() for account in topic.accounts}

    def _may_hear(self, now_ns: Nanos) -> bool:
        """Whether the connection's login may still hear of every account that it hears of."""
        private = [topic for topic in self.topics.values() if topic.accounts]
        if not private:
            return True
        if self.grant is None:
            return False
        try:
            access = access_of(self.grant, self._desk, now_ns)
        except DialectError:
            return False
        return all(set(topic.accounts) <= set(access.readable(_right_of(topic.channel))) for topic in private)

    # -- dispatch -----------------------------------------------------------------------------------------------------

    def _envelope(self, request_id: RequestId, now_ns: Nanos) -> Envelope:
        venue = self._desk.venue
        return Envelope(request_id, now_ns // 1_000, venue is None or venue.chain_id not in MAINNETS)

    def _charged(self, cost: int, now_ns: Nanos) -> DialectError | None:
        try:
            self._purse.others.spend(cost, now_ns)
        except DialectError as error:
            return error
        return None

    def _dispatch(self, request: Request, cost: Charge, envelope: Envelope, now_ns: Nanos) -> Work:
        method, params = request.method, request.params
        if method == "public/auth":
            return self._auth(params, envelope, now_ns)
        if method in LOGINS:
            given = self._tried(lambda: _ELSE[method](self._tokens, self._desk, params, now_ns), now_ns)
            return envelope.result(grant_object(given, params, now_ns), now_ns)
        if method in ON_SOCKET:
            return self._on_socket(method, params, envelope, now_ns)
        found = PUBLIC.get(method) or PRIVATE.get(method)
        if found is None:
            if method in ELSEWHERE:
                raise DialectError(Code.NOT_IMPLEMENTED, reason=ELSEWHERE[method])
            raise DialectError(Code.METHOD_NOT_FOUND)
        access = self._access(params, now_ns) if method in PRIVATE else None
        if access is not None:
            self._charge_account(params, access, cost, now_ns)
        return found.handler(
            Call(self._desk, params, envelope, now_ns, access, self.number if self._is_socket else None)
        )

    def _access(self, params: Params, now_ns: Nanos) -> Access:
        """The login of this request: its own token, else the connection's."""
        grant = self.grant
        if params.given("access_token"):
            grant = self._tokens.find(params.text("access_token"), now_ns // NANOS_PER_SECOND)
        if grant is None:
            raise DialectError(Code.UNAUTHORIZED, reason="login_required")
        return access_of(grant, self._desk, now_ns)

    def _charge_account(self, params: Params, access: Access, cost: Charge, now_ns: Nanos) -> None:
        """What the account pays that is meant, whichever of its connections this is. Raises too_many_requests."""
        account = payer_of(params, access)
        self._fairness.charge(account, cost.pool, cost.credits, now_ns)
        if cost.messages:
            self._fairness.ratio.count(account, cost.messages, now_ns)

    def _auth(self, params: Params, envelope: Envelope, now_ns: Nanos) -> Work:
        grant = self._tried(lambda: log_in(self._tokens, self._desk, params, now_ns), now_ns)
        self._require_same_ears(grant)
        self._count_for(payer_of(Params({}), access_of(grant, self._desk, now_ns)))
        self.grant = grant
        return envelope.result(grant_object(grant, params, now_ns), now_ns)

    def _require_same_ears(self, grant: Grant) -> None:
        """Refuse another login while private channels of the one before are heard."""
        if self._heard() and self.grant is not None and self.grant.address != grant.address:
            raise DialectError(Code.FORBIDDEN, reason="unsubscribe_before_changing_login")

    # -- what only a connection has -----------------------------------------------------------------------------------

    def _on_socket(self, method: str, params: Params, envelope: Envelope, now_ns: Nanos) -> Work:
        if not self._is_socket:
            raise DialectError(Code.MUST_BE_WEBSOCKET)
        scope, name = method.split("/")
        access = self._access(params, now_ns) if scope == "private" else None
        match name:
            case "set_heartbeat":
                return self._set_heartbeat(params, envelope, now_ns)
            case "disable_heartbeat":
                self._beat_ns = 0
                return envelope.result("ok", now_ns)
            case "subscribe":
                return self._subscribe(params, envelope, access)
            case "unsubscribe":
                names = params.words("channels", count_max=self._limits.channels_max)
                return self._unsubscribe(names, envelope, now_ns)
            case "unsubscribe_all":
                return Unsubscribe(envelope.result("ok", now_ns), self._forget(list(self.topics)))
            case _:
                return self._log_out(params, envelope, now_ns)

    def _set_heartbeat(self, params: Params, envelope: Envelope, now_ns: Nanos) -> Work:
        seconds = params.number("interval")
        if not HEARTBEAT_MIN_S <= seconds <= HEARTBEAT_MAX_S:
            raise wrong("interval", "out_of_range", low=HEARTBEAT_MIN_S, high=HEARTBEAT_MAX_S)
        self._beat_ns, self._last_beat_ns = int(seconds * NANOS_PER_SECOND), now_ns
        return envelope.result("ok", now_ns)

    def _subscribe(self, params: Params, envelope: Envelope, access: Access | None) -> Work:
        """Accept the channels that exist and may be heard; the reply lists only those.

        What is heard privately ends with the login, so the connection takes the login of a token that comes along.
        """
        if access is not None:
            self._require_same_ears(access.grant)
            self.grant = self.grant or access.grant
        topics: list[Topic] = []
        for name in dict.fromkeys(params.words("channels", count_max=self._limits.channels_max)):
            topic = self._topic_of(name, access)
            if topic is not None and len(self.topics) + len(topics) < self._limits.channels_max:
                topics.append(topic)
        self.topics.update((topic.channel.name, topic) for topic in topics)
        return Subscribe(envelope, tuple(topics))

    def _topic_of(self, name: str, access: Access | None) -> Topic | None:
        channel = parse_channel(name) if len(name) <= CHANNEL_CHARS_MAX else None
        if channel is None or not self._desk.knows(channel):
            return None
        if not channel.is_private:
            return self.topics.get(name) or Topic(channel, ())
        accounts = access.readable(_right_of(channel)) if access is not None else ()
        return (self.topics.get(name) or Topic(channel, accounts)) if accounts else None

    def _unsubscribe(self, names: Iterable[str], envelope: Envelope, now_ns: Nanos) -> Work:
        dropped = self._forget(names)
        return Unsubscribe(envelope.result([topic.channel.name for topic in dropped], now_ns), dropped)

    def _forget(self, names: Iterable[str]) -> tuple[Topic, ...]:
        return tuple(self.topics.pop(name) for name in dict.fromkeys(names) if name in self.topics)

    def _log_out(self, params: Params, envelope: Envelope, now_ns: Nanos) -> Work:
        if params.flag("invalidate_token", default=True) and self.grant is not None:
            self._tokens.forget(self.grant)
        self.grant = None
        self._count_for(None)
        return Unsubscribe(envelope.result(None, now_ns), self._forget(list(self.topics)), ends=True)


def _right_of(channel: Channel) -> int:
    """What a login needs to hear a private channel."""
    return DROP_COPY if channel.family is Family.DROP_COPY else SCOPE_READ


def _heartbeat(kind: str) -> str:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": kind}}
    return msgspec.json.encode(message).decode()
