"""The demonstration: twelve recorded hours of a market, traded, settled, and replayed. Sits on the shell."""

from exchange.demo.run import Options, run

__all__ = ["Options", "run"]
