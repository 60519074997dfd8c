"""The independent checker: is what the journal says a right outcome, whoever decided it.

``verify`` runs the machine again and compares; this package has no machine to run. It reads commands and events, keeps
its own books, and holds every record to three properties: the book has a positive spread, nobody with priority is
passed over, and quantities, positions and cash are conserved. Together they leave a double auction one outcome.

Of the exchange it may import the words of the journal only: ``exchange.codec`` and ``exchange.core.commands``,
``events`` and ``units``. What it has to take on trust, it counts.
"""

from replay.checker.run import Checker, Report, check

__all__ = ["Checker", "Report", "check"]
