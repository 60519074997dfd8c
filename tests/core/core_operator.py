"""The operator's key in tests of the machine."""

from typing import Any

from core_venue import Venue

from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY


def warranted(venue: Venue, operation: c.Operation, **warrant: Any) -> c.Operate:
    """A command under the next warrant of the operator's key."""
    config = venue.state.config
    assert config is not None
    fields = {"nonce": venue.state.operator_nonce + 1, "expiry_s": NO_EXPIRY, "signer": config.operator}
    return c.Operate(operation, c.Warrant(**({"signature": b"o" * 65} | fields | warrant)))
