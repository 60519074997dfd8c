"""What all tests share: how Hypothesis looks. Neither a clock nor chance decides whether a build is red.

Examples are derived from the code, so the same code gives the same run; a machine under load fails no health check.
"""

import os

from hypothesis import HealthCheck, settings

SOAK = os.environ.get("VERBATIM_SOAK") == "1"

settings.register_profile(
    "verbatim", deadline=None, derandomize=not SOAK, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("verbatim")
