"""Oracle rounds at the door: a quorum of distinct known signers over exactly this round, or nothing."""

from collections.abc import Sequence

import msgspec
import pytest

from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.core.units import TWAP_SECONDS, USDC_ONE, WAD
from exchange.shell.deploy import FEES, STANDARD
from exchange.shell.devmarket import BTC
from exchange.shell.feeds import Maker, RoundRefused, check, digest_of, quorum_of
from exchange.shell.keys import dev_key
from exchange.signing import SigningError, address_of, sign

START_S = 1_800_000_000
SPOT = 63_000 * USDC_ONE
KEYS = [dev_key(f"feed signer {number}") for number in range(5)]
STRANGERS = [dev_key(f"stranger {number}") for number in range(5)]
SIGNERS = [address_of(key) for key in KEYS]


def market() -> State:
    """A venue with one expiry of one option."""
    state = State()
    configure = c.Configure("test", 31337, b"C" * 20, b"O" * 20, b"P" * 20, 60, 64, 10, FEES, STANDARD)
    seats = [c.ObserveSeat(signer, 0) for signer in SIGNERS]
    listing = [c.ListExpiry(1, 0, START_S // TWAP_SECONDS * TWAP_SECONDS + 86_400), c.ListSeries(1, 0, SPOT, True)]
    for command in (configure, *seats, BTC, *listing):
        take(state, command)
    return state


def take(state: State, command: c.AnyCommand) -> None:
    events = apply(state, state.seq + 1, START_S * 10**9, command)
    assert not isinstance(events[0], Rejected), events


def round_of(state: State, time_s: int = START_S, spot: int = SPOT) -> c.PostRound:
    return Maker(KEYS).make(state, time_s, {0: spot}, lambda _: WAD // 2)


def signed(state: State, round_: c.PostRound, keys: Sequence[bytes]) -> c.PostRound:
    digest = digest_of(state, round_)
    return msgspec.structs.replace(round_, signatures=tuple(sign(key, digest) for key in keys))


def test_two_thirds_rounded_up():
    assert [quorum_of(signers) for signers in (5, 6, 7, 9, 10)] == [4, 4, 5, 6, 7]


@pytest.mark.parametrize("count", [4, 5])
def test_four_of_five_are_enough(count: int):
    state = market()
    round_ = signed(state, round_of(state), KEYS[:count])
    check(state, round_)
    take(state, round_)


@pytest.mark.parametrize(
    "keys",
    [[], KEYS[:3], KEYS[:1] * 4, [*KEYS[:3], KEYS[0]], [*KEYS[:3], *STRANGERS], STRANGERS],
    ids=["none", "three", "one four times", "three and one twice", "three and strangers", "strangers"],
)
def test_fewer_than_four_known_signers_are_refused_however_often_they_sign(keys: list[bytes]):
    state = market()
    with pytest.raises(RoundRefused, match=f"{len({*keys} & {*KEYS})} known signatures of 5"):
        check(state, signed(state, round_of(state), keys))


def test_signatures_are_for_this_round_and_no_other():
    state = market()
    round_ = round_of(state)
    check(state, round_)
    for other in (
        msgspec.structs.replace(round_, time_s=round_.time_s + 1),
        msgspec.structs.replace(round_, round_id=round_.round_id + 1),
        msgspec.structs.replace(round_, stable=WAD - 1),
        msgspec.structs.replace(round_, spots=(msgspec.structs.replace(round_.spots[0], spot=SPOT + 1),)),
        msgspec.structs.replace(round_, sheets=(msgspec.structs.replace(round_.sheets[0], marks=(1,)),)),
    ):
        with pytest.raises(RoundRefused, match="0 known"):
            check(state, other)
    with pytest.raises(SigningError):
        check(state, msgspec.structs.replace(round_, signatures=(bytes(65),) * 4))


def test_accumulators_go_on_where_the_last_round_left_them():
    state = market()
    take(state, round_of(state))
    later = round_of(state, START_S + 60, SPOT + USDC_ONE)
    assert (later.round_id, later.spots[0].acc) == (2, 60 * SPOT)  # the old spot held for a minute
