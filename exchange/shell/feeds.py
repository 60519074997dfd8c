"""Oracle rounds: made by signers, checked at the door.

``Maker`` turns spots and vols into a round and has its signers sign it; ``check`` is what the venue asks of any round
before it is journaled. On a real venue the two live in different houses. Imports core, rounds, calldata, signing.
"""

from collections.abc import Callable, Sequence

import msgspec

from exchange import calldata
from exchange.core import models
from exchange.core.commands import PostRound, Sheet, Spot
from exchange.core.pricing import COMMITTED_SHEETS_MAX, marks_of, root_of
from exchange.core.seats import quorum_of, sitting
from exchange.core.state import State
from exchange.core.units import WAD, Price, Seconds, Wad
from exchange.shell.rounds import chain_round, with_commitment
from exchange.signing import address_of, domain_separator, recover, round_digest, sign


class RoundRefused(Exception):
    """The round does not carry a quorum of known signatures."""


def digest_of(state: State, command: PostRound) -> bytes:
    """What the signers of a round sign."""
    assert state.config is not None
    domain = domain_separator(state.config.chain_id, state.config.oracle)
    return round_digest(domain, calldata.round_header(chain_round(state, command)))


def check(state: State, command: PostRound) -> None:
    """Refuse a round without a quorum of those who sat at its time, and one whose commitment is not what follows from
    it: the contracts would not take its arrays. Raises RoundRefused or SigningError.
    """
    if command.commitment != with_commitment(state, command).commitment:
        raise RoundRefused("the commitment does not follow from the round")
    seated = sitting(state, command.time_s)
    if not seated:
        raise RoundRefused("the oracle's contract has not been heard to seat anybody")
    digest = digest_of(state, command)
    known = {recover(digest, signature) for signature in command.signatures} & set(seated)
    if len(known) < quorum_of(len(seated)):
        raise RoundRefused(f"{len(known)} known signatures of {len(seated)}")


VolSurface = Callable[[int], Wad]
"""Vol of a series by its id."""


class Maker:
    """The signers' side of a feed: continues the accumulators from the state and signs with a quorum.

    ``keys`` may hold more than those that sit: of these a quorum signs, by ascending address.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {address_of(key): key for key in sorted(keys, key=address_of)}
        self._last_id = 0

    def make(
        self, state: State, time_s: Seconds, spots: dict[int, Price], vol_of: VolSurface, *, conf: Wad = WAD
    ) -> PostRound:
        """The next round at ``time_s``; forwards equal spot, stable at par.

        It commits to risk arrays once somebody's margin may need them. A number is signed once: two rounds of one
        number, one of them refused, could both be shown to the contracts.
        """
        last = state.round
        words = []
        for underlying, price in spots.items():
            held = state.spots.get(underlying)
            acc = held.acc + held.spot * (time_s - last.time_s) if held is not None and last is not None else 0
            words.append(Spot(underlying, price, conf, acc))
        accs = {word.underlying: word.acc for word in words}
        sheets = []
        for expiry in state.expiries.values():
            if expiry.fixing >= 0:
                continue
            vols = tuple(vol_of(series) for series in expiry.series)
            bare = Sheet(expiry.id, spots[expiry.underlying], conf, vols, ())
            marks = marks_of(state, bare, time_s, accs[expiry.underlying])
            sheets.append(Sheet(expiry.id, spots[expiry.underlying], conf, vols, marks))
        self._last_id = round_id = max(last.round_id if last is not None else 0, self._last_id) + 1
        unsigned = PostRound(round_id, time_s, WAD, tuple(words), tuple(sheets), ())
        if models.anybody_chose(state) and len(sheets) <= COMMITTED_SHEETS_MAX:
            unsigned = with_commitment(state, msgspec.structs.replace(unsigned, arrays=root_of(state, unsigned)))
        digest = digest_of(state, unsigned)
        seated = sitting(state, time_s)
        signing = [key for address, key in self._keys.items() if address in seated][: quorum_of(len(seated))]
        return msgspec.structs.replace(unsigned, signatures=tuple(sign(key, digest) for key in signing))
