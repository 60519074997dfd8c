"""The end of an auction the slow and obvious way: every price is tried, every time.

Written from the rules (docs/ARCHITECTURE.md and the decision on auctions); shares no code with the exchange and knows
nothing of money. The mark comes in millionths, prices in whole units.
"""

import copy

from naive_book import Answer, NaiveBook, Resting, tick_at

Offer = tuple[Resting, int]
Parts = dict[int, int]  # orders that take part with no more than so much
MICRO = 10**6


def uncross(book: NaiveBook, mark: int, now: int, number: int = 0) -> list[Answer]:
    """End the auction if it is time: what happened, in order."""
    if book.collects_until is None or book.collects_until > now:
        return []
    book.now_at = (number, 0)
    answers = take_out(book, now)
    best, parts = settled(book, mark, now)
    if best is not None:
        price, volume, surplus = best
        answers.append(("uncrossed", price, volume, surplus))
        answers += trade_at(book, price, parts, now)
    book.collects_until = None
    return [*answers, ("phase", 0)]


def take_out(book: NaiveBook, now: int) -> list[Answer]:
    """Orders that no price could fill, by number."""
    bids, asks = book.queue(True), book.queue(False)
    if not bids or not asks or bids[0].price < asks[0].price:
        return []
    near = [order for order in bids if order.price >= asks[0].price]
    near += [order for order in asks if order.price <= bids[0].price]
    gone = {order.id: "expired" for order in near if order.expires <= now}
    while pair := own_cross(book, [order for order in near if order.id not in gone]):
        earlier, later = sorted(pair, key=lambda order: order.place)
        if later.gives_way != "maker":
            gone[later.id] = "self_trade"
        if later.gives_way != "taker":
            gone[earlier.id] = "self_trade"
    for order in near:
        if order.id not in gone and order.reduce_only and not book.closable(order.account, order.is_buy):
            gone[order.id] = "reduce_only"
    return [book.drop(order, gone[order.id]) for order in sorted(near, key=lambda order: order.id) if order.id in gone]


def own_cross(book: NaiveBook, orders: list[Resting]) -> list[Resting]:
    """The best bid and offer of some owner that cross."""
    for owner in sorted(set(book.owners.values())):
        own = [order for order in orders if book.owners[order.account] == owner]
        bids = sorted((o for o in own if o.is_buy), key=lambda o: (-o.price, o.place))
        asks = sorted((o for o in own if not o.is_buy), key=lambda o: (o.price, o.place))
        if bids and asks and bids[0].price >= asks[0].price:
            return [bids[0], asks[0]]
    return []


def settled(book: NaiveBook, mark: int, now: int) -> tuple[tuple[int, int, int] | None, Parts]:
    """The price at which nobody's bounds take off more than was left out of it, and what is in it of whom they cut.

    Whoever a trial at the price takes off takes part with what had filled by then, and the price is looked for again.
    """
    parts: Parts = {}
    while (best := best_price(book, mark, parts)) is not None:
        trial = copy.deepcopy(book)
        left = {order.id: order.left for order in book.orders}
        cut = {
            answer[1]: left[answer[1]] - answer[3]  # type: ignore[index,operator]
            for answer in trade_at(trial, best[0], parts, now)
            if answer[0] == "cancelled" and str(answer[2]).startswith("quote_")
        }
        if cut.items() <= parts.items():
            break
        parts |= cut  # type: ignore[arg-type]
    return best, parts


def offered(book: NaiveBook, is_buy: bool, price: int, parts: Parts) -> list[Offer]:
    """Who would trade at a price and how much, in order; a reduce-only order no more than is left to close."""
    held = dict(book.positions)
    found = []
    for order in book.queue(is_buy):
        if order.price < price if is_buy else order.price > price:
            break
        amount = min(order.left, parts.get(order.id, order.left))
        if order.reduce_only:
            amount = min(amount, max(-held[order.account] if is_buy else held[order.account], 0))
        held[order.account] += amount if is_buy else -amount
        found.append((order, amount))
    return found


def best_price(book: NaiveBook, mark: int, parts: Parts) -> tuple[int, int, int] | None:
    """Most volume, then least surplus, then nearest the mark, then the lower: all prices on the tick are tried."""
    bids = book.queue(True)
    tried = []
    price = 1
    while bids and price <= bids[0].price:
        wanted = sum(amount for _, amount in offered(book, True, price, parts))
        there = sum(amount for _, amount in offered(book, False, price, parts))
        if wanted and there:
            tried.append((-min(wanted, there), abs(wanted - there), abs(price * MICRO - mark), price, wanted - there))
        price += tick_at(price)
    if not tried:
        return None
    volume, _, _, price, surplus = min(tried)
    return price, -volume, surplus


def trade_at(book: NaiveBook, price: int, parts: Parts, now: int) -> list[Answer]:
    """The first bid with the first offer, and so on; whom a fill takes off the book is out."""
    bids, asks = offered(book, True, price, parts), offered(book, False, price, parts)
    answers: list[Answer] = []
    traded = set()
    while bids and asks:
        (bid, wanted), (ask, there) = bids.pop(0), asks.pop(0)
        amount = min(wanted, there)
        if amount:
            maker, taker = sorted((bid, ask), key=lambda order: (not order.post_only, order.place))
            answers.append(("traded", maker.id, amount, price, taker.id))
            traded |= {bid.account, ask.account}
            settle(book, bid, ask, amount)
            book.printed(bid, ask, amount, price)
            answers += book.filled(maker, amount, now)
        bids = [offer for offer in [(bid, wanted - amount), *bids] if offer[1] and offer[0] in book.orders]
        asks = [offer for offer in [(ask, there - amount), *asks] if offer[1] and offer[0] in book.orders]
    stale = [
        order
        for order in book.orders
        if order.reduce_only and order.account in traded and not book.closable(order.account, order.is_buy)
    ]
    stale.sort(key=lambda order: (order.account, order.id))
    return answers + [book.drop(order, "reduce_only") for order in stale]


def settle(book: NaiveBook, bid: Resting, ask: Resting, amount: int) -> None:
    for order, change in ((bid, amount), (ask, -amount)):
        order.filled += amount
        book.positions[order.account] += change
        if not order.left:
            book.orders.remove(order)
        elif order.left <= order.hidden:  # an iceberg goes on from its place
            order.hidden = max(order.left - order.display, 0)
