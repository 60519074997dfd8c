"""How hard the property tests of the core look: little on each push, long in the soak."""

import os
from typing import Final

from hypothesis import HealthCheck, settings

SOAK: Final = os.environ.get("VERBATIM_SOAK") == "1"


def effort(examples: int, *, steps: int = 50) -> settings:
    """Settings for ``examples`` runs; state machines take ``steps`` steps each.

    On each push the same runs for the same code, so that a red build can be looked at; in the soak twenty times as many,
    anew each time, twice as long.
    """
    return settings(
        max_examples=examples * 20 if SOAK else examples,
        stateful_step_count=2 * steps if SOAK else steps,
        derandomize=not SOAK,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
