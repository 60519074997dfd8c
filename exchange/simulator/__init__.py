"""A simulated market through the real gateway: seeded, paced or as fast as it goes, with faults by name."""

from exchange.simulator.faults import FaultError, parse
from exchange.simulator.run import Options, Ready, Summary, simulate

__all__ = ["FaultError", "Options", "Ready", "Summary", "parse", "simulate"]
