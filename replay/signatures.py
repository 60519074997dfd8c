"""Who signed what: every order and every oracle round, checked from the journal alone.

Owns the audit's own walk from journaled commands to EIP-712 digests. The machine has already decided whether a signer
was allowed to act; here it is proved that he did. Imports signing and calldata, so it is loaded only when asked for.
"""

from collections.abc import Iterator, Sequence

from exchange import calldata, codec
from exchange.core.commands import (
    AcceptRfq,
    Amend,
    AnyCommand,
    Authorisation,
    Configure,
    ExecuteBlock,
    ListExpiry,
    MassQuote,
    ObserveSeat,
    Operate,
    Place,
    PostRound,
    QuoteRfq,
    RequoteRfq,
)
from exchange.core.seats import OPEN_END, quorum_of
from exchange.core.state import State
from exchange.lanes import EncodingError
from exchange.signing import (
    SigningError,
    block_digest,
    domain_separator,
    mandate_digest,
    mandate_root,
    operation_digest,
    order_digest,
    order_of,
    recover,
    round_digest,
)
from journal.record import Record
from replay.findings import Finding, Kind, shown

SIGNERS_MIN = 5
"""The fewest signers an oracle contract accepts; their quorum is the least that can have signed any round."""


class Signatures:
    """Checks commands in journal order. ``seen`` collects the oracle signers met, to compare with the contract's.

    ``oracle_signers`` pins them: then only they count and their quorum is required. Without it those count whom the
    contract seated for the round's time, as the journal has it. In a journal that knows of no seats any distinct
    signers count and the smallest quorum is required, which proves that the rounds were signed but not by whom they
    should be.
    """

    def __init__(self, oracle_signers: tuple[bytes, ...] = ()) -> None:
        self._pinned = oracle_signers
        self._seats: dict[bytes, tuple[int, int]] = {}
        self._orders_domain = self._rounds_domain = b""
        self._underlyings: dict[int, int] = {}
        self.orders = 0
        self.rounds = 0
        self.seen: dict[bytes, None] = {}

    def go_on(self, state: State) -> None:
        """Take from a state what earlier records said of the venue, instead of hearing it from them."""
        if state.config is not None:
            self._orders_domain = domain_separator(state.config.chain_id, state.config.clearing)
            self._rounds_domain = domain_separator(state.config.chain_id, state.config.oracle)
        self._underlyings = {key: expiry.underlying for key, expiry in state.expiries.items()}
        self._seats = {key: (seat.since_s, seat.until_s) for key, seat in state.seats.items()}

    def check(self, records: Sequence[Record]) -> Iterator[Finding]:
        """A finding for each order or round its signers did not sign. Unreadable records are left to the replay."""
        for record in records:
            try:
                command = codec.decode_command(record.command)
            except codec.CodecError:
                return
            self._hear(command)
            finding = self._look(record.seq, command)
            if finding is not None:
                yield finding

    def _hear(self, command: AnyCommand) -> None:
        """What signatures are for, and whose count."""
        match command:
            case Configure():
                self._orders_domain = domain_separator(command.chain_id, command.clearing)
                self._rounds_domain = domain_separator(command.chain_id, command.oracle)
            case ListExpiry():
                self._underlyings.setdefault(command.expiry_id, command.underlying)
            case ObserveSeat():
                self._seat(command)
            case _:
                pass

    def _look(self, seq: int, command: AnyCommand) -> Finding | None:
        match command:
            case Place():
                return self._order(seq, command.auth, *(other.auth for other in command.attached))
            case Amend() | QuoteRfq() | RequoteRfq() | AcceptRfq():
                return self._order(seq, command.auth)
            case MassQuote():
                return self._mandate(seq, command)
            case ExecuteBlock():
                return self._block(seq, command)
            case Operate():
                return self._operation(seq, command)
            case PostRound():
                return self._round(seq, command)
            case _:
                return None

    def _order(self, seq: int, *auths: Authorisation) -> Finding | None:
        """Each order of a command bears a signature of its own; the first that does not hold is the finding."""
        self.orders += len(auths)
        for auth in auths:
            try:
                found = recover(order_digest(self._orders_domain, order_of(auth)), auth.signature)
            except SigningError as error:
                return _unsigned(seq, auth.account, auth.nonce, auth.signer, str(error))
            if found != auth.signer:
                return _unsigned(seq, auth.account, auth.nonce, auth.signer, shown(found))
        return None

    def _mandate(self, seq: int, command: MassQuote) -> Finding | None:
        """One signature over all quotes of a message: it holds only if the root follows from what is journaled."""
        self.orders += 1
        mandate = command.mandate
        try:
            digest = mandate_digest(self._orders_domain, mandate, mandate_root(command.leaves))
            found = recover(digest, mandate.signature)
        except SigningError as error:
            return _unsigned(seq, mandate.account, mandate.nonce, mandate.signer, str(error))
        return (
            None
            if found == mandate.signer
            else _unsigned(seq, mandate.account, mandate.nonce, mandate.signer, shown(found))
        )

    def _block(self, seq: int, command: ExecuteBlock) -> Finding | None:
        """Two signatures over all of it. A block that was refused may bear anything that recovers to its signers."""
        self.orders += 1
        block = command.block
        for account, signer, signature in (
            (block.maker, command.maker_signer, command.maker_signature),
            (block.taker, command.taker_signer, command.taker_signature),
        ):
            try:
                found = recover(block_digest(self._orders_domain, block), signature)
            except SigningError as error:
                return _unsigned(seq, account, block.nonce, signer, str(error))
            if found != signer:
                return _unsigned(seq, account, block.nonce, signer, shown(found))
        return None

    def _operation(self, seq: int, command: Operate) -> Finding | None:
        """The operator's key over all that it commanded."""
        warrant = command.warrant
        try:
            digest = operation_digest(self._orders_domain, command.operation, warrant.nonce, warrant.expiry_s)
            found = shown(recover(digest, warrant.signature))
        except SigningError as error:
            found = str(error)
        if found == shown(warrant.signer):
            return None
        sentence = f"seq {seq}: the operator's command with nonce {warrant.nonce} is not signed by its signer"
        signer = shown(warrant.signer)
        return Finding(seq=seq, kind=Kind.ORDER_NOT_SIGNED, sentence=sentence, expected=signer, actual=found)

    def _round(self, seq: int, command: PostRound) -> Finding | None:
        self.rounds += 1
        try:
            header = calldata.round_header(self._round_of(command))
            digest = round_digest(self._rounds_domain, header)
            signers = [recover(digest, signature) for signature in command.signatures]
        except (SigningError, EncodingError, KeyError) as error:
            return self._unwitnessed(seq, command, str(error))
        entitled = self._entitled(command.time_s)
        known = dict.fromkeys(signer for signer in signers if entitled is None or signer in entitled)
        self.seen |= known
        if len(known) >= self._quorum(command.time_s):
            return None
        return self._unwitnessed(seq, command, f"{len(known)} of {len(signers)} signatures count")

    def _seat(self, command: ObserveSeat) -> None:
        """What was refused changes nothing: somebody who has a seat already, or follows somebody unknown."""
        if command.signer in self._seats or (command.former and command.former not in self._seats):
            return
        if command.former:
            since_s, until_s = self._seats[command.former]
            if until_s != OPEN_END:
                return
            self._seats[command.former] = since_s, command.since_s
        self._seats[command.signer] = command.since_s, OPEN_END

    def _entitled(self, time_s: int) -> tuple[bytes, ...] | None:
        """Whose signatures count for a round; None: anybody's."""
        if self._pinned or not self._seats:
            return self._pinned or None
        return tuple(key for key, (since_s, until_s) in self._seats.items() if since_s <= time_s < until_s)

    def _quorum(self, time_s: int) -> int:
        entitled = self._entitled(time_s)
        return quorum_of(SIGNERS_MIN if entitled is None else max(len(entitled), SIGNERS_MIN))

    def _round_of(self, command: PostRound) -> calldata.Round:
        """The round as the contracts hash it: sheets carry the underlying and its spot."""
        spots = {spot.underlying: spot.spot for spot in command.spots}
        words = tuple(calldata.SpotWord(each.underlying, each.spot, each.conf, each.acc) for each in command.spots)
        sheets = []
        for sheet in command.sheets:
            underlying = self._underlyings[sheet.expiry_id]
            sheets.append(
                calldata.Sheet(sheet.expiry_id, underlying, spots[underlying], sheet.forward, sheet.conf, sheet.marks)
            )
        fields = (command.round_id, command.time_s, command.stable, words, tuple(sheets))
        return calldata.Round(*fields, command.commitment)

    def _unwitnessed(self, seq: int, command: PostRound, actual: str) -> Finding:
        sentence = f"seq {seq}: oracle round {command.round_id} does not carry the signatures of a quorum"
        expected = f"{self._quorum(command.time_s)} distinct signers"
        return Finding(seq=seq, kind=Kind.ROUND_NOT_SIGNED, sentence=sentence, expected=expected, actual=actual)


def _unsigned(seq: int, account: int, nonce: int, signer: bytes, actual: str) -> Finding:
    sentence = f"seq {seq}: the order with nonce {nonce} of account {account} is not signed by its signer"
    return Finding(seq=seq, kind=Kind.ORDER_NOT_SIGNED, sentence=sentence, expected=shown(signer), actual=actual)
