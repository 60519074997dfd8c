"""Risk arrays: the value of a series in every scenario of a model at a round, kept per round and committed to.

An array serves every account, so a margin check needs no pricing. A `RiskRound` prices an expiry when somebody first
asks for a series of it, and remembers; the pricer is an argument, since all of them give the same integers. The Merkle
root over the arrays of all series is what oracle signers sign beside a round, so that a contract can check margin from
a few arrays and their proofs.

Leaf, fixed-width words of 32 bytes, big-endian as calldata is:

    word 0      round u64 | series u64 | cells u64 | 0 u64
    word 1..11  four cells of u64 each, the first in the lowest 64 bits, in the order of `grid.shocks_of`;
                cell 0 is the value with no shock; lanes beyond the last cell are 0

hashed as RFC 6962 has it: SHA-256 over a zero byte and the words; nodes over a one byte and both children. Series stand
in ascending order. `contracts/lib/merkle.vy` checks the path of one leaf, `contracts/lib/multiproof.vy` that several
stand under a root. Imports parameters, black76, grid, lanes, units.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from exchange.core.black76 import Pricer
from exchange.core.parameters import PortfolioModel
from exchange.core.risk_models.grid import ExpiryGrid, Quote, Sheet
from exchange.core.risk_models.lanes import Packed, pack
from exchange.core.units import U64_MAX, Price, Wad, expiry_of

_CELLS_IN_WORD: Final = 4
_CELL_BYTES: Final = 8
CELLS_MAX: Final = 44
LEAF_BYTES: Final = 32 + _CELL_BYTES * CELLS_MAX


class Terms(NamedTuple):
    """What an array depends on beside its expiry's sheet."""

    strike: Price
    is_call: bool
    vol: Wad


class RiskArray(NamedTuple):
    """Values of one contract, one for each shock of the model, and the same as lanes."""

    strike: Price
    cells: tuple[Price, ...]
    packed: Packed


class RiskRound:
    """Risk arrays of one round under one model. An expiry is priced when somebody first asks for a series of it."""

    def __init__(
        self,
        model: PortfolioModel,
        round_id: int,
        sheets: Mapping[int, Sheet],
        terms: Mapping[int, Terms],
        pricer: Pricer,
    ) -> None:
        self.id = round_id
        self.grids = {expiry: ExpiryGrid(model, sheet) for expiry, sheet in sheets.items()}
        self.terms = terms
        self._pricer = pricer
        self._arrays: dict[int, RiskArray] = {}
        self._listed: dict[int, list[int]] = {}
        for series in terms:
            self._listed.setdefault(expiry_of(series), []).append(series)

    def array(self, series: int) -> RiskArray:
        """The array of a series."""
        found = self._arrays.get(series)
        if found is None:
            self._price(expiry_of(series))
            found = self._arrays[series]
        return found

    def _price(self, expiry: int) -> None:
        """Price an expiry; the sides of a strike share their work where they share their vol."""
        held = [(series, self.terms[series]) for series in self._listed[expiry]]
        quotes = list(dict.fromkeys(Quote(terms.strike, terms.vol) for _, terms in held))
        pairs = dict(zip(quotes, self.grids[expiry].values(quotes, self._pricer), strict=True))
        for series, terms in held:
            calls, puts = pairs[Quote(terms.strike, terms.vol)]
            self._arrays[series] = array_of(terms.strike, calls if terms.is_call else puts)

    def root(self) -> bytes:
        """Merkle root of the arrays of every series of the round, in ascending order."""
        return root_of([leaf_hash(encode(self.id, series, self.array(series).cells)) for series in sorted(self.terms)])


def array_of(strike: Price, cells: Sequence[Price]) -> RiskArray:
    """An array from its cells, which may come from anywhere: a signed round, a published table."""
    return RiskArray(strike, tuple(cells), pack(cells))


# -- commitment -------------------------------------------------------------------------------------------------------


def encode(round_id: int, series: int, cells: Sequence[Price]) -> bytes:
    """The words of a leaf; every cell must fit 64 bits, and there must not be more than ``CELLS_MAX``."""
    assert all(0 <= cell <= U64_MAX for cell in cells)
    assert len(cells) <= CELLS_MAX
    words = [_word([0, len(cells), series, round_id])]
    words += [_word(cells[at : at + _CELLS_IN_WORD]) for at in range(0, CELLS_MAX, _CELLS_IN_WORD)]
    return b"".join(words)


def _word(lanes: Sequence[int]) -> bytes:
    """Up to four numbers in a word, the first lowest."""
    filled = [*lanes, *[0] * (_CELLS_IN_WORD - len(lanes))]
    return b"".join(lane.to_bytes(_CELL_BYTES, "big") for lane in reversed(filled))


def leaf_hash(words: bytes) -> bytes:
    """Hash of a leaf, which no node can have."""
    return sha256(b"\x00" + words).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over leaf hashes; the hash of nothing when there are none."""
    level = list(hashes)
    if not level:
        return sha256(b"").digest()
    while len(level) > 1:
        level = _above(level)
    return level[0]


def _above(level: Sequence[bytes]) -> list[bytes]:
    """The next level of a tree. RFC 6962 splits at powers of two, so a node without a sibling goes up as it is."""
    paired = [sha256(b"\x01" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
    return paired + list(level[len(level) & ~1 :])


def prove(hashes: Sequence[bytes], indexes: Sequence[int]) -> list[bytes]:
    """What makes the root from some leaves, strictly ascending: of each level, from the leaves upwards, the neighbours
    that are missing, from the left.
    """
    level, known, proof = list(hashes), list(indexes), list[bytes]()
    while len(level) > 1:
        held = dict.fromkeys(known)
        proof += [level[at ^ 1] for at in known if at ^ 1 not in held and at ^ 1 < len(level)]
        level, known = _above(level), list(dict.fromkeys(at >> 1 for at in known))
    return proof
