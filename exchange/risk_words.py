"""What the contracts of the PORTFOLIO margin read, as words: parameters, what arrays follow from, arrays with proofs.

Layouts, words of 32 bytes, big-endian; the contracts are RiskArrays and Portfolio.

    vols of an expiry    expiry_id u32 << 224 | groups
                         expected average u64 << 64 | settled part of it u64
                         one word for each group: four vols of u64, the first lowest
    head of an expiry    expiry_id u32 << 224 | spot u64 << 128 | confidence u64 << 64
    commitment           keccak256 over 0x02 | version | root | number of leaves | keccak256 of all hashes of vols |
                         keccak256 of all heads
    arrays shown         behind the call that they are for, see `with_arrays`
    leaf                 see exchange/core/risk_models/arrays.py

Pure encoders; prices in 1e-6 USDC, vols and rates in 1e-18. May import lanes, core, msgspec and a hash function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from tiny_keccak import keccak256 as keccak

from exchange.core.parameters import PortfolioModel
from exchange.core.risk_models.arrays import leaf_hash, prove
from exchange.lanes import EncodingError, fit, joined, pack_signed, pack_unsigned

MAX_ARRAYS: Final = 128  # of one call
MAX_PROOF: Final = 512
MAX_GROUPS: Final = 64

ModelWords: TypeAlias = tuple[Sequence[tuple[int, ...]], tuple[int, ...], tuple[int, ...]]
CommitmentWords: TypeAlias = tuple[bytes, int, bytes, bytes]
_MODEL_TYPE: Final = (
    "((uint256,uint256,uint256,uint256,uint256,uint256,uint256)[],"
    "(uint256,uint256,uint256,uint256,uint256,uint256,uint256,int256,uint256,int256,uint256,uint256,uint256,int256),"
    "(uint256,uint256,uint256,uint256,uint256,uint256,bool,uint256,uint256))"
)


class Vols(msgspec.Struct, frozen=True):
    """What the arrays of an expiry follow from: its settlement average, the settled part of it, and vols by index."""

    expiry_id: int
    expected: int
    fixed: int
    vols: tuple[int, ...]


class Head(msgspec.Struct, frozen=True):
    """The index that an expiry is on, and how sure the oracle is of its prices."""

    expiry_id: int
    spot: int
    conf: int


class Commitment(msgspec.Struct, frozen=True):
    """What a round signs beside its sheets: root and number of its arrays, and the hashes of vols and heads."""

    root: bytes
    size: int
    vols: bytes
    heads: bytes

    def words(self) -> CommitmentWords:
        """As the contracts take it."""
        return self.root, self.size, self.vols, self.heads

    def digest(self, version: bytes) -> bytes:
        """What stands behind the hashes of the round's sheets."""
        return keccak(b"\x02" + version + self.root + self.size.to_bytes(32, "big") + self.vols + self.heads)


# -- parameters --------------------------------------------------------------------------------------------------------


def model_words(model: PortfolioModel) -> ModelWords:
    """Parameters as the contracts take them. Linear legs, static discounts and mirrored gains they do not know."""
    scenarios = [(s.spot, s.vol, s.weight, s.weight_yearly, s.weight_max, s.group, s.short) for s in model.scenarios]
    vol, skew = model.vol, model.skew
    surface = (
        *(vol.up, vol.down, vol.up_least, vol.power_short, vol.power_long, vol.floor_s),
        *(skew.slope_cap, skew.slope_yearly, skew.wings_cap, skew.wings_yearly),
        *(skew.width_least, skew.width, skew.deviation, skew.deviation_yearly),
    )
    charges = (
        *(model.mm_factor, model.im_factor, model.short_mm, model.short_im),
        *(model.conf_threshold, model.conf_factor, model.conf_on_longs, model.depeg_threshold, model.depeg_factor),
    )
    return scenarios, surface, charges


def version_of(model: PortfolioModel) -> bytes:
    """The hash by which the contracts know parameters."""
    from eth_abi.abi import encode  # noqa: PLC0415 - most processes never need more than words

    return keccak(encode([_MODEL_TYPE], [model_words(model)]))


# -- what a round commits to -------------------------------------------------------------------------------------------


def encode_vols(vols: Vols) -> bytes:
    """Words of what is said of an expiry's vols."""
    groups = -(-len(vols.vols) // 4)
    if groups > MAX_GROUPS:
        raise EncodingError("vols", f"{len(vols.vols)} series, the most are {4 * MAX_GROUPS}")
    head = fit("expiry_id", vols.expiry_id, 16) << 224 | groups
    terms = fit("expected", vols.expected, 64) << 64 | fit("fixed", vols.fixed, 64)
    return joined([head, terms, *(pack_unsigned(vols.vols[4 * at : 4 * at + 4]) for at in range(groups))])


def vol_hashes(vols: Sequence[Vols]) -> bytes:
    """Hashes of what is said of each expiry, concatenated."""
    return b"".join(keccak(encode_vols(each)) for each in vols)


def encode_head(head: Head) -> int:
    """The word of an expiry's index."""
    place = fit("expiry_id", head.expiry_id, 16) << 224
    return place | fit("spot", head.spot, 64) << 128 | fit("conf", head.conf, 64) << 64


def commitment_of(vols: Sequence[Vols], heads: Sequence[Head], root: bytes, size: int) -> Commitment:
    """What a round commits to."""
    return Commitment(root, size, keccak(vol_hashes(vols)), keccak(joined(encode_head(head) for head in heads)))


# -- what is shown -----------------------------------------------------------------------------------------------------


def source(
    round_id: int, hashes: bytes, commitment: Commitment, vols: Sequence[Vols], expiry_id: int
) -> tuple[Any, ...]:
    """What the arrays of an expiry follow from, for RiskArrays."""
    own = next(each for each in vols if each.expiry_id == expiry_id)
    return round_id, hashes, commitment.words(), vol_hashes(vols), encode_vols(own)


class Shown(msgspec.Struct, frozen=True):
    """A round with its arrays, to show some of them. ``leaves``: all under the root, in ascending series."""

    round_id: int
    hashes: bytes
    commitment: Commitment
    heads: tuple[Head, ...]
    leaves: Mapping[int, bytes]


def with_arrays(call: bytes, target: bytes, round_: Shown, series: Iterable[int], *, computed: bool = False) -> bytes:
    """A call of ``target`` as Portfolio passes it on, with the arrays of some series behind it.

    ``computed``: they were computed on chain; else a proof says that they are under the root.
    """
    chosen = sorted(series)
    if len(chosen) > MAX_ARRAYS:
        raise EncodingError("series", f"{len(chosen)} arrays, the most are {MAX_ARRAYS}")
    places = {key: at for at, key in enumerate(round_.leaves)}
    indexes = [] if computed else [places[key] for key in chosen]
    proof = prove([leaf_hash(leaf) for leaf in round_.leaves.values()], indexes) if indexes else []
    if len(proof) > MAX_PROOF:
        raise EncodingError("proof", f"{len(proof)} hashes, the most are {MAX_PROOF}")
    commitment = round_.commitment
    parts = [
        joined([int.from_bytes(target, "big"), round_.round_id]),
        commitment.root + joined([commitment.size]) + commitment.vols,
        joined([len(round_.hashes) // 32]) + round_.hashes,
        joined([len(round_.heads), *(encode_head(head) for head in round_.heads)]),
        joined([len(chosen)]) + b"".join(round_.leaves[key] for key in chosen),
        joined([len(indexes), *indexes]),
        joined([len(proof)]) + b"".join(proof),
    ]
    behind = b"".join(parts)
    return call + behind + joined([len(behind) + 32])


class HeldExpiry(msgspec.Struct, frozen=True):
    """Positions of one expiry: number of each group's first series, and its lanes of quantity and of strike."""

    expiry_id: int
    underlying: int
    expiry_s: int
    groups: tuple[tuple[int, tuple[int, ...], int], ...]


def held_words(expiries: Sequence[HeldExpiry]) -> list[int]:
    """Positions written out for `Portfolio.of_positions`; expiries in ascending underlying."""
    words: list[int] = []
    for each in expiries:
        head = fit("expiry_id", each.expiry_id, 16) << 224 | fit("underlying", each.underlying, 32) << 192
        words.append(head | fit("expiry_s", each.expiry_s, 64) << 128 | len(each.groups))
        for first, quantities, strikes in each.groups:
            words += [first, pack_signed(list(quantities)), strikes]
    return words
