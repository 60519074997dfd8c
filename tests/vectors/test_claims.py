"""Every reference vector is used by a test, or stands in a table that says why not."""

import re
from pathlib import Path

from tests import vectors

# Name of the vector -> why no test can use it.
NOT_APPLICABLE: dict[str, str] = {
    "deribit_twap_samples": "the settlement mean is an integral over every second of a round, not a mean of samples",
    "derive_fee_maker_perp": "there are no perps",
    "derive_fee_taker_perp": "there are no perps",
    "dated_lyra_shockvol_mid": "a stressed vol on a line between two dates; ours moves with a power of the time left",
    "opyn_naked_call_1w_100k": "a rule without a mark, from a table of prices by age that no model here has",
    "opyn_naked_call_itm": "the same rule",
    "essvi_premia_T0.3": "another venue's form of surface; ours is raw SVI",
    "essvi_premia_T0.5": "another venue's form of surface; ours is raw SVI",
    "svi_k_clamp_hi": "the clamp at four deviations prices a butterfly below nothing: ADR 21",
    "svi_k_clamp_lo": "the clamp at four deviations prices a butterfly below nothing: ADR 21",
}
_USE = re.compile(r'\b(named|family)\("([^"]+)"\)')


def _claimed() -> set[str]:
    names = [vector["name"] for vector in vectors.every()]
    claimed: set[str] = set()
    for path in sorted(Path(__file__).parents[1].rglob("test_*.py")):
        for how, text in _USE.findall(path.read_text()):
            claimed |= {name for name in names if (name == text if how == "named" else name.startswith(text))}
    return claimed


def test_every_vector_is_used_or_argued() -> None:
    known = _claimed() | set(NOT_APPLICABLE)
    left = [vector["name"] for vector in vectors.every() if vector["name"] not in known]
    assert left == []


def test_the_table_holds_nothing_that_is_used() -> None:
    names, claimed = {vector["name"] for vector in vectors.every()}, _claimed()
    assert set(NOT_APPLICABLE) <= names
    assert not set(NOT_APPLICABLE) & claimed
