"""Journaled rounds as the contracts read them: sheets, and what a round commits to of its risk arrays.

Owns what the signers of a round, the settler and a wallet need alike. Imports core, calldata, risk_words.
"""

from functools import cache
from typing import Any, Final

import msgspec

from exchange import calldata, risk_words
from exchange.core.commands import PostRound
from exchange.core.oracle import RoundView, view_of, with_arrays
from exchange.core.parameters import PortfolioModel
from exchange.core.risk_models.arrays import encode
from exchange.core.state import State
from exchange.core.units import expiry_of
from exchange.risk_words import Commitment, Head, Shown, Vols

version_of: Final = cache(risk_words.version_of)


class Committed(msgspec.Struct, frozen=True):
    """What a round says of its arrays beside their root, and all that they follow from."""

    round_: PostRound
    view: RoundView
    model: PortfolioModel
    vols: tuple[Vols, ...]
    heads: tuple[Head, ...]

    @property
    def commitment(self) -> Commitment:
        """What stands behind the hashes of the sheets, before it is hashed."""
        size = sum(len(each.vols) for each in self.vols)
        return risk_words.commitment_of(self.vols, self.heads, self.round_.arrays, size)

    @property
    def digest(self) -> bytes:
        """The hash of the commitment."""
        return self.commitment.digest(version_of(self.model))

    def shown(self, hashes: bytes) -> Shown:
        """The round with all its arrays, to show some of them; prices every option of the round."""
        arrays = self.view.arrays
        assert arrays is not None
        leaves = {key: encode(arrays.id, key, arrays.array(key).cells) for key in sorted(arrays.terms)}
        return Shown(self.round_.round_id, hashes, self.commitment, self.heads, leaves)

    def source(self, hashes: bytes, series: int) -> tuple[Any, ...]:
        """What RiskArrays computes an array from."""
        return risk_words.source(self.round_.round_id, hashes, self.commitment, self.vols, expiry_of(series))


def committed(state: State, command: PostRound) -> Committed | None:
    """What a round commits to; nothing if it has no arrays, or the contracts take none. Prices nothing."""
    assert state.config is not None
    model = state.config.portfolio
    if not command.arrays or model is None:
        return None
    view = view_of(command, state.expiries, state.series, state.config.standard, state.acc_at)
    with_arrays(view, state.expiries, state.series, model, state.pricer)
    vols, heads = [], []
    for sheet in command.sheets:
        on, spot = view.terms[sheet.expiry_id], view.spots[state.expiries[sheet.expiry_id].underlying]
        vols.append(Vols(sheet.expiry_id, on.expected, on.fixed, sheet.vols))
        heads.append(Head(sheet.expiry_id, spot, sheet.conf))
    return Committed(command, view, model, tuple(vols), tuple(heads))


def chain_round(state: State, command: PostRound) -> calldata.Round:
    """A journaled round in the form the contracts hash: sheets with the spot of their underlying."""
    spots = {spot.underlying: spot for spot in command.spots}
    sheets = []
    for sheet in command.sheets:
        underlying = state.expiries[sheet.expiry_id].underlying
        sheets.append(
            calldata.Sheet(sheet.expiry_id, underlying, spots[underlying].spot, sheet.forward, sheet.conf, sheet.marks)
        )
    words = tuple(calldata.SpotWord(s.underlying, s.spot, s.conf, s.acc) for s in command.spots)
    return calldata.Round(command.round_id, command.time_s, command.stable, words, tuple(sheets), command.commitment)


def with_commitment(state: State, command: PostRound) -> PostRound:
    """A round with the hash of what it commits to; without one if it has no arrays."""
    said = committed(state, command)
    return msgspec.structs.replace(command, commitment=said.digest if said is not None else b"")
