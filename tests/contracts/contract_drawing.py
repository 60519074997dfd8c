"""How much the contract tests draw: a short form for every run, and a soak behind VERBATIM_SOAK=1."""

import os

import pytest
from hypothesis import HealthCheck, settings

SOAK = os.environ.get("VERBATIM_SOAK") == "1"
PATIENCE = pytest.mark.timeout(7200 if SOAK else 120)


def drawn(examples: int, **more: int) -> settings:
    """Hypothesis settings; the soak form draws twenty times as many examples."""
    return settings(
        max_examples=examples * (20 if SOAK else 1),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        **more,
    )
