"""The API told from the code: which methods and channels there are, and which there are not and why.

Writes docs/DIALECT.md with ``python -m exchange.session.reference``. Imports methods, elsewhere, dialect.
"""

import sys
from typing import Final

from exchange.dialect.channels import PATTERNS
from exchange.session.elsewhere import CHANNELS_ELSEWHERE, ELSEWHERE
from exchange.session.methods import METHODS

HEAD: Final = """# The dialect, name by name

Every method and channel of the dialect, and ours (`x_`), with where it stands. This page is written by
`python -m exchange.session.reference`, from what the venue answers with. What they take and tell: [API](API.md).

`here`: answered. `signer`: the venue wants it signed, and [the signer](SIGNER.md) does that for clients that do not.
Anything else is why it answers `10033 not_implemented`.
"""
_BY_SIGNER: Final = """
    private/buy private/sell private/edit private/edit_by_label private/close_position private/mass_quote
    private/accept_block_rfq private/add_block_rfq_quote private/edit_block_rfq_quote private/execute_block_trade
    private/verify_block_trade
"""
SIGNED: Final = tuple(_BY_SIGNER.split())
"""Methods that carry a signature of the account's."""


def standing() -> dict[str, str]:
    """Where each method stands, by name."""
    here = {name: "here, signer" if name in SIGNED else "here" for name in METHODS}
    return dict(sorted((here | dict(ELSEWHERE)).items()))


def channels() -> dict[str, str]:
    """Where each channel stands, by pattern."""
    return dict(sorted((dict.fromkeys(PATTERNS, "here") | dict(CHANNELS_ELSEWHERE)).items()))


def page() -> str:
    """The page."""
    parts = [HEAD]
    for title, rows in (("Methods", standing()), ("Channels", channels())):
        head = f"## {title}\n\n| {title.lower()[:-1]} | |\n|---|---|\n"
        parts.append(head + "".join(f"| `{name}` | {where} |\n" for name, where in rows.items()))
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
