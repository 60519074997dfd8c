"""What a maker was promised, checked the slow way: every fill of the log, every window, every sum added up anew.

It reads commands and events only. A bound holds if the fills of any window, less the last one, are below it: the last is
the one fill that may go beyond. A mandate is one window that never ends.
"""

from dataclasses import dataclass
from typing import Any

from exchange.core import commands as c
from exchange.core import events as e


@dataclass
class Filled:
    """One fill of a quote or a protected order: when, under which mandate (0: none), of which group, what it added."""

    time_ns: int
    mandate: int
    group: tuple[int, str]
    qty: int
    delta: int
    vega: int


def fills_of(log: list[Any]) -> list[Filled]:
    """All fills of quotes and protected orders in a history of records."""
    stands: dict[int, tuple[int, tuple[int, str], bool, Any]] = {}  # order -> mandate, group, side, what it signed
    found = []
    for record in log:
        for event in record.events:
            if type(event) is e.Quoted:
                message, leaf = record.command, record.command.leaves[event.leaf]
                stands[event.order_id] = (record.seq, (message.mandate.account, message.group), leaf.is_buy, leaf)
            if type(event) is e.Accepted or type(event) is e.Amended:
                auth = record.command.auth
                terms = c.terms_of(auth)
                stands[event.order_id] = (0, (auth.account, terms.protection), auth.is_buy, terms)
            if type(event) is e.Traded and event.maker_order in stands:
                mandate, group, is_buy, words = stands[event.maker_order]
                signed = event.qty if is_buy else -event.qty
                if group[1]:
                    what = (words.delta * signed, words.vega * signed)
                    found.append(Filled(record.time_ns, mandate, group, event.qty, *what))
    return found


def beyond(fills: list[Filled], bounds: c.QuoteMandate | c.Protection) -> str | None:
    """Which bound these fills have broken by more than their last one, if any; all of them stand in one window."""
    before = fills[:-1]
    sums = {
        "quantity": (sum(one.qty for one in before), bounds.qty),
        "delta": (abs(sum(one.delta for one in before)), bounds.delta * 10**4),
        "vega": (abs(sum(one.vega for one in before)), bounds.vega * 10**4),
        "count": (len(before), bounds.count),
    }
    return next((name for name, (total, bound) in sums.items() if bound and total >= bound), None)


def broken_promises(log: list[Any], protection: c.Protection) -> list[str]:
    """Every window of every group, and every mandate; resets are not part of such a history."""
    messages = {record.seq: record.command for record in log if type(record.command) is c.MassQuote}
    fills, found = fills_of(log), []
    for seq in sorted({one.mandate for one in fills if one.mandate}):
        under = [one for one in fills if one.mandate == seq]
        found += [beyond(under[: last + 1], messages[seq].mandate) for last in range(len(under))]
    for group in sorted({one.group for one in fills}):
        found += windows_beyond([one for one in fills if one.group == group], protection)
    return [name for name in found if name]


def windows_beyond(fills: list[Filled], bounds: c.Protection) -> list[str | None]:
    """Every window of one group: it ends with a fill, begins with a moment, and does not part what happened at once."""
    return [
        beyond(fills[first : last + 1], bounds)
        for last in range(len(fills))
        for first in range(last + 1)
        if fills[first].time_ns > fills[last].time_ns - bounds.interval_ns
        and (first == 0 or fills[first - 1].time_ns < fills[first].time_ns)
    ]
