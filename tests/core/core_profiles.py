"""How hard the property tests of the core look: little on each push, long in the soak."""

import os
from typing import Final

from hypothesis import HealthCheck, settings

SOAK: Final = os.environ.get("VERBATIM_SOAK") == "1"


def effort(examples: int, *, steps: int = 50) -> settings:
    """Settings for ``examples`` runs, twenty times as many in the soak; state machines take ``steps`` steps each."""
    return settings(
        max_examples=examples * 20 if SOAK else examples,
        stateful_step_count=2 * steps if SOAK else steps,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
