"""The cases of ``book_cases.txt``: what is said, what is answered, and what the book is afterwards.

``play`` runs a case on any book that takes plain messages and compares best bid, best offer and depth after each of them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

TEXT = (Path(__file__).parent / "book_cases.txt").read_text()
SIDES = {"buy": 0, "sell": 1}
Levels = list[tuple[int, int]]
Message = tuple[int, ...]


class BookUnderTest(Protocol):
    """What a case needs of a book: it takes messages, leaves lines, and can be looked at."""

    lines: list[str]

    def take(self, messages: Any) -> None: ...

    def best(self, side: int) -> int | None: ...

    def depth(self, side: int) -> Levels: ...


class Line(NamedTuple):
    """One line of a case: messages of which only the last shows its book, and the reports of each."""

    text: str
    messages: list[Message]
    reports: list[list[str]]
    levels: tuple[Levels, Levels]


def numbers(word: str) -> range:
    first, _, last = word.partition("..")
    return range(int(first), int(last or first) + 1)


class Case:
    """A named case, read from its text."""

    def __init__(self, text: str) -> None:
        self.name, *lines = [line for line in text.splitlines() if line.strip()]
        self.known: dict[int, tuple[int, int]] = {}  # id -> side and price last said
        self.said = 0
        self.lines = [self.read(line) for line in lines]

    def read(self, text: str) -> Line:
        asked, told, book = re.split(r"\s+->\s+|\s+\|\s+", text)
        words = asked.split()
        kind = {"cancel": 1, "modify": 2}.get(words[0], 0)
        rows = [self.message(kind, words, number) for number in numbers(words[1])]
        reports = [[line for word in told.split(", ") for line in self.report(word, row)] for row in rows]
        bids, asks = book.split(" / ")
        return Line(text, rows, reports, (levels(bids), levels(asks)))

    def message(self, kind: int, words: list[str], number: int) -> Message:
        self.said += 1
        if kind == 1:
            side, price = self.known.get(number, (0, 0))
            return (1, 1 - side, 0, 0, self.said, number, price, 0)
        side = SIDES[words[2] if kind == 2 else words[0]]
        qty, price = map(int, words[3 if kind == 2 else 2].split("@"))
        return (kind, side, int("ioc" in words), qty, self.said, number, price, 0)

    def report(self, word: str, message: Message) -> Iterator[str]:
        kind, side, _, qty, seq, number, price, _ = message
        if word.startswith("fill"):
            _, makers, terms = word.split()
            amount, at = terms.split("@")
            for maker in numbers(makers):
                yield f"1,{seq},{at},{amount},{maker},{number}"
            return
        if word in ("ack", "modified"):
            self.known[number] = (side, price)
        side, price = self.known.get(number, (side, price))
        yield {
            "ack": f"0,{seq},{side},{number},{price},{qty}",
            "cancelled": f"2,{seq},{side},{number},{price}",
            "modified": f"3,{seq},{side},{number},{price},{qty}",
            "refused": f"{3 + kind},{seq},{number}",
        }[word]


def levels(text: str) -> Levels:
    """``5@100 6@101`` as (price, quantity)."""
    pairs = [word.split("@") for word in text.split() if word != "-"]
    return [(int(price), int(qty)) for qty, price in pairs]


CASES = {case.name: case for case in map(Case, TEXT.split("\n== ")[1:])}


def play(case: Case, book: BookUnderTest) -> None:
    """The book answers every message as written, and shows the best prices and the depth that are written."""
    before: tuple[Levels, Levels] = ([], [])
    for line in case.lines:
        for turn, (message, expected) in enumerate(zip(line.messages, line.reports, strict=True), 1):
            book.take([message])
            assert book.lines == expected, line.text
            book.lines.clear()
            for side in (0, 1):
                depth = between(before[side], line.levels[side], turn, len(line.messages), best_first=side == 0)
                assert book.depth(side) == depth, line.text
                assert book.best(side) == (depth[0][0] if depth else None), line.text
        before = line.levels


def between(before: Levels, after: Levels, turn: int, turns: int, *, best_first: bool) -> Levels:
    """Depth after some of several messages that differ in their ids only."""
    start, end = dict(before), dict(after)
    moved = {price: start.get(price, 0) * (turns - turn) + end.get(price, 0) * turn for price in start | end}
    return sorted(((price, qty // turns) for price, qty in moved.items() if qty), reverse=best_first)
