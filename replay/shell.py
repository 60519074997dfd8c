"""``shell``: walk through a journal and look around, by hand or from a script on standard input.

Owns the commands one types; what they show is the same as in ``at`` and ``explain``. Reads only. Imports the walker.
"""

import cmd
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from exchange.core import events as e
from exchange.core.state import State
from replay import at, explain
from replay.compare import difference_lines
from replay.engine import Moment
from replay.findings import CannotRun, Diverged
from replay.trail import Entry, own_order, takers
from replay.tree import differences, named
from replay.walker import Walker

Condition = Callable[[Entry, State], bool]
EVENTS: Final[dict[str, type[e.Event] | tuple[type[e.Event], ...]]] = {
    "fill": (e.Traded, e.BlockTraded),
    "reject": (e.Rejected, e.QuoteRefused),
    "cancel": e.Cancelled,
    "batch": e.BatchSealed,
    "round": e.RoundAdopted,
    "auction": (e.PhaseChanged, e.Uncrossed),
    "disagreement": e.ChainDisagreed,
}
KINDS: Final = ("book", "account", "order")


class Shell(cmd.Cmd):
    """Commands on a walker. With ``as_json`` each prints one JSON object.

    ``failed``: one of them could not be done; ``found``: the journal is damaged where the walk came.
    """

    intro = "Walk with next, prev, goto, until; look with show, watch, explain. help lists all, quit ends."

    def __init__(self, path: Path, asked: IO[str], *, as_json: bool) -> None:
        super().__init__(stdin=asked)
        self._path = path
        self._walker = Walker(path)
        self._watched: dict[tuple[str, str], Any] = {}
        self._as_json = as_json
        self.failed = False
        self.found = False
        by_hand = asked.isatty() and not as_json
        self.use_rawinput = by_hand
        self.prompt = "(seq 0) " if by_hand else ""
        self._by_hand = by_hand

    def begin(self, moment: str) -> None:
        """Go to where the walk begins, and talk until nobody asks."""
        self.onecmd(f"goto {moment}")
        self.cmdloop(None if self._by_hand else "")

    # -- walking ------------------------------------------------------------------------------------------------------

    def do_next(self, line: str) -> None:
        """next [N]: execute the next record, or N of them."""
        target = self._walker.state.seq + _number(line or "1")
        self._arrive(self._walker.to(Moment(seq=target)))

    def do_prev(self, line: str) -> None:
        """prev [N]: go back one record, or N of them."""
        self._arrive(self._walker.to(Moment(seq=max(self._walker.state.seq - _number(line or "1"), 0))))

    def do_goto(self, line: str) -> None:
        """goto SEQ|TIME|block:N|end: go to a moment."""
        self._arrive(self._walker.to(at.moment_of(self._path, line.strip())))

    def do_until(self, line: str) -> None:
        """until fill|reject|cancel|batch|round|auction|disagreement, or order N, account N, book SERIES, kind COMMAND:
        walk on to the next record that has to do with it.
        """
        self._arrive(self._walker.until(self._condition(line)) is not None)

    def _condition(self, line: str) -> Condition:
        what, *rest = shlex.split(line) or [""]
        if what in EVENTS and not rest:
            kinds = EVENTS[what]
            return lambda entry, _: any(isinstance(event, kinds) for event in entry.events)
        if len(rest) != 1:
            raise CannotRun(f"until {line or 'what'}? Say help until")
        (of,) = rest
        if what == "kind":
            return lambda entry, _: type(entry.command).__name__ == of
        if what == "order":
            number = _number(of)
            return lambda entry, _: _touches(entry, number)
        if what in KINDS:
            last = [self._look(what, of)]
            return lambda _entry, _state: self._changed(what, of, last)
        raise CannotRun(f"until {what}? Say help until")

    def _changed(self, what: str, of: str, last: list[Any]) -> bool:
        before, last[0] = last[0], self._look(what, of)
        return bool(before != last[0])

    def _arrive(self, reached: bool) -> None:
        """Say where one stands, what the record did, and what changed of what is watched."""
        told: dict[str, Any] = {"seq": self._walker.state.seq, "time": at.iso(self._walker.state.time_ns)}
        entry = self._walker.last
        if entry is not None:
            told |= {"command": named(entry.command), "events": [named(event) for event in entry.events]}
        told["reached"], told["watched"] = reached, self._news()
        self._say(told, lambda: self._arrival(entry, reached, told["watched"]))
        if self._by_hand:
            self.prompt = f"(seq {self._walker.state.seq}) "

    def _arrival(self, entry: Entry | None, reached: bool, news: list[Any]) -> list[str]:
        shown = [] if reached else ["the journal ends here"]
        if entry is None:
            shown.append(f"seq {self._walker.state.seq}")
        else:
            shown += [f"seq {entry.seq} at {at.iso(entry.time_ns)}: {_brief(entry.command)}"]
            shown += [f"    {_brief(event)}" for event in entry.events]
        for each in news:
            shown.append(f"watched {each['what']} {each['of']}:")
            shown += [f"    {line}" for line in difference_lines(each["differences"])]
        return shown

    # -- looking ------------------------------------------------------------------------------------------------------

    def do_show(self, line: str) -> None:
        """show book SERIES | account N | order N: as it stands now."""
        what, of = self._subject(line)
        seen = self._look(what, of)
        if seen is None:
            raise CannotRun(f"there is no {what} {of} at seq {self._walker.state.seq}")
        self._say({"what": what, "of": of, "is": seen}, lambda: _tree_lines(seen))

    def do_watch(self, line: str) -> None:
        """watch book SERIES | account N | order N: tell what changes of it from here on."""
        what, of = self._subject(line)
        self._watched[what, of] = self._look(what, of)
        self._say({"watching": [list(key) for key in self._watched]}, lambda: [f"watching {what} {of}"])

    def do_unwatch(self, line: str) -> None:
        """unwatch book SERIES | account N | order N."""
        what, of = self._subject(line)
        if self._watched.pop((what, of), self) is self:
            raise CannotRun(f"{what} {of} is not watched")
        self._say({"watching": [list(key) for key in self._watched]}, lambda: [f"no longer watching {what} {of}"])

    def do_explain(self, line: str) -> None:
        """explain order|fill|reject N: how it came about."""
        what, _, number = line.strip().partition(" ")
        if what not in explain.SUBJECTS:
            raise CannotRun(f"explain {' or '.join(explain.SUBJECTS)}, not {what or 'nothing'}")
        told = explain.explain(self._path, what, _number(number))
        self._say(told, lambda: explain.lines(told))

    def _subject(self, line: str) -> tuple[str, str]:
        words = shlex.split(line)
        if len(words) != 2 or words[0] not in KINDS:
            raise CannotRun(f"say {' or '.join(KINDS)} and which one")
        return words[0], words[1]

    def _look(self, what: str, of: str) -> Any:
        """A tree of what is asked for; None while it is not there."""
        state = self._walker.state
        if what == "order":
            order = state.orders.get(_number(of))
            return None if order is None else named(order)
        if what == "account":
            if _number(of) not in state.accounts:
                return None
            seen = msgspec.to_builtins(at.view(state, account=int(of)).accounts[0])
            return seen | {"open_orders": {str(order): "open" for order in seen["open_orders"]}}
        if not any(of in (str(key), at.name_of(state, each)) for key, each in state.series.items()):
            return None
        seen = msgspec.to_builtins(at.view(state, series=of).books[0])
        return seen | {side: {str(price): qty for price, qty in seen[side]} for side in ("bids", "asks")}

    def _news(self) -> list[Any]:
        news = []
        for (what, of), before in self._watched.items():
            now = self._look(what, of)
            changed = list(differences(before, now))
            if changed:
                news.append({"what": what, "of": of, "differences": changed})
            self._watched[what, of] = now
        return news

    # -- the rest -----------------------------------------------------------------------------------------------------

    def do_quit(self, line: str) -> bool:
        """quit: end."""
        del line
        return True

    do_EOF = do_quit  # noqa: N815 - the name that cmd gives to the end of input

    def emptyline(self) -> bool:
        """An empty line does nothing; cmd would repeat the last command."""
        return False

    def default(self, line: str) -> None:
        """What is no command."""
        raise CannotRun(f"{line.split(maxsplit=1)[0]} is no command here: help lists them")

    def onecmd(self, line: str) -> bool:
        """One command. What cannot be done is said and the walk goes on; damage ends it."""
        try:
            return bool(super().onecmd(line))
        except CannotRun as error:
            self.failed = True
            message = str(error)
            self._say({"error": message}, lambda: [message])
            return False
        except Diverged as error:
            self.found, finding = True, error.finding
            self._say({"findings": [finding]}, lambda: [f"seq {finding.seq} {finding.kind}: {finding.sentence}"])
            return True

    def _say(self, document: Any, lines: Callable[[], list[str]]) -> None:
        text = msgspec.json.encode(document).decode() if self._as_json else "\n".join(lines())
        sys.stdout.write(text + "\n")


def _touches(entry: Entry, order_id: int) -> bool:
    named_in = (getattr(event, "order_id", 0) for event in entry.events)
    traded = (order for event, taker in takers(entry) for order in (event.maker_order, taker))
    return order_id == own_order(entry) or order_id in named_in or order_id in traded


def _number(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        raise CannotRun(f"{text or 'nothing'} is no number")
    return int(text)


def _brief(value: msgspec.Struct) -> str:
    """A command or event on one line; signatures are left out, for nobody reads them."""
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    told = ", ".join(f"{name} {_plain(field)}" for name, field in fields.items() if name != "signature")
    return f"{type(value).__name__}({told})"


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()[:16]
    if isinstance(value, msgspec.Struct):
        return _brief(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(each) for each in value)}]"
    return str(value)


def _tree_lines(tree: Any, indent: str = "") -> list[str]:
    """A tree as indented lines."""
    shown = []
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            shown += [f"{indent}{name}", *_tree_lines(value, indent + "    ")]
        else:
            shown.append(f"{indent}{name}: {value}")
    return shown
