"""A router that sends child orders for a parent; one build stops when the parent is filled, the other never counts.

Source: SEC release 34-70694 (technical sections at outagereports.net, In the Matter of Knight Capital Americas): one
server still had code whose count of executed shares had been moved elsewhere, so it kept on sending child orders.
"""

from typing import NamedTuple


class Parent(NamedTuple):
    """An order to work, in 1e-4 contract, and whether the server that has it counts."""

    qty: int
    counts: bool


def child(parent: Parent, executed: int, size: int) -> int:
    """The next child order; 0 when there is none to send."""
    left = parent.qty - executed if parent.counts else size
    return max(min(left, size), 0)
