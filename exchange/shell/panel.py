"""The signers of an index: each makes its own from its sources, and together they agree on the price of a round.

On a real venue every signer is another house; this is what each of them runs, and what the venue runs over what they
say. Imports core.index, sources.
"""

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from exchange.core import index
from exchange.core.index import Condition, Index, Observation, Rules, Standing
from exchange.core.units import Price, Seconds, Wad
from exchange.shell.sources import Source

_log = structlog.get_logger(__name__)


class Spot(NamedTuple):
    """What a round may say of an underlying."""

    price: Price
    conf: Wad


class Panel:
    """Signers with their sources, and the standing of the price they agreed on last."""

    def __init__(self, signers: Sequence[Sequence[Source]], rules: Rules) -> None:
        self._signers = signers
        self._rules = rules
        self.standing: Standing | None = None

    def spot(self, time_s: Seconds) -> Spot | None:
        """The price of a round as of a second; None without a quorum, while a jump is doubted, or for a past second.

        Asked again for the same second it answers the same.
        """
        held = self.standing
        if held is None or time_s > held.time_s:
            found = self._agreed(time_s)
            if found is None:
                return None
            self.standing = held = self._followed(held, found)
        return Spot(held.price, held.conf) if held.time_s == time_s else None

    def near(self, time_s: Seconds) -> Price | None:
        """About where the price is, for what needs no agreement: the index of the first signer who has one."""
        for sources in self._signers:
            own = self._own(sources, time_s)
            if own is not None:
                return own.price
        return None

    def condition(self, now_s: Seconds) -> Condition:
        """What the price is good for now; halted before the first."""
        return Condition.HALTED if self.standing is None else index.condition(self._rules, self.standing, now_s)

    def _agreed(self, time_s: Seconds) -> Index | None:
        said = []
        for number, sources in enumerate(self._signers):
            own = self._own(sources, time_s)
            if own is not None:
                said.append(Observation(number, time_s, own.price, own.conf))
        found = index.round_of(_quorum(self._rules, len(self._signers)), said, time_s)
        if found is None:
            _log.warning("index_without_quorum", time_s=time_s, signers=len(said))
        return found

    def _own(self, sources: Sequence[Source], time_s: Seconds) -> Index | None:
        seen = [each for each in (source.at(time_s) for source in sources) if each is not None]
        return index.index_of(self._rules, seen, time_s)

    def _followed(self, held: Standing | None, found: Index) -> Standing:
        if held is None:
            return Standing(found.price, found.time_s, found.conf)
        after = index.follow(self._rules, held, found)
        if after.doubted:
            _log.warning("index_jump_doubted", price=found.price, held=held.price)
        return after


def _quorum(rules: Rules, signers: int) -> Rules:
    """The same rules for signers, of whom two thirds have to speak."""
    return Rules(
        rules.heartbeat_s,
        rules.clamp,
        rules.spread_max,
        rules.jump_min,
        rules.jump_deviations,
        rules.stress_vol,
        quorum=(2 * signers + 2) // 3,
    )
