"""Instruments as the venue lists them, and what is asked of the venue to price an order. Imports dialect, wallet."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from exchange.core.legs import Leg
from exchange.core.units import USDC_ONE, Price
from exchange.dialect.channels import COMBO, OPTION, subjects_of
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.listed import Listed
from exchange.shell.wallet import exact_price, exact_qty

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""A method and parameters to its result. Raises DialectError, and Unreachable when there is no venue."""

INDEX_S: Final = 30.0


class Catalogue:
    """What is listed, loaded when a name is not known; ``now_s`` tells how old a price is."""

    def __init__(self, ask: Ask, now_s: Callable[[], float]) -> None:
        self.by_name: dict[str, Listed] = {}
        self._rates: dict[str, float] = {}
        self._caps: dict[str, float] = {}
        self._ask = ask
        self._now_s = now_s
        self._indices: dict[str, tuple[float, Decimal]] = {}
        self._unknown: dict[str, float] = {}

    async def listed(self, name: str) -> Listed:
        """An instrument by its name. Raises DialectError for one that is not listed."""
        await self.require([name])
        return self.by_name[name]

    async def require(self, names: Iterable[str]) -> None:
        """Know all of these. Raises DialectError for one that is not listed."""
        missing = [name for name in names if name not in self.by_name]
        if missing and any(self._unknown.get(name, 0.0) < self._now_s() for name in missing):
            await self._load()
        for name in missing:
            if name not in self.by_name:
                if len(self._unknown) >= 1_000:
                    self._unknown.clear()
                self._unknown[name] = self._now_s() + 1.0  # whoever asks for nonsense does not list the venue each time
                raise DialectError(Code.INVALID_INSTRUMENT, reason="series_must_exist", param="instrument_name")

    async def _load(self) -> None:
        shown = await self._ask("public/get_instruments", {"currency": "any", "kind": "any"})
        self.by_name = {item["instrument_name"]: _listed(item) for item in shown}
        self._rates = {item["instrument_name"]: item["taker_commission"] for item in shown}
        self._caps = {item["instrument_name"]: item["x_fee_cap"] for item in shown}

    def fee_cap(self, name: str) -> Decimal:
        """The share of its price beyond which no fee goes, of an instrument that is known."""
        return Decimal(repr(self._caps[name]))

    async def max_fee(self, listed: Listed) -> Price:
        """Twice the taker's rate on the index, per contract or unit: enough until the index has doubled."""
        index = listed.price_index
        seen = self._indices.get(index)
        if seen is None or seen[0] + INDEX_S < self._now_s():
            told = await self._ask("public/get_index_price", {"index_name": index})
            seen = self._indices[index] = (self._now_s(), Decimal(repr(told["index_price"])))
        weight = sum(abs(leg.ratio) for leg in listed.legs) or 1
        rate = Decimal(repr(self._rates[listed.name]))
        return (int(2 * rate * seen[1] * USDC_ONE) + 1) * weight


def _listed(item: Mapping[str, Any]) -> Listed:
    steps = item["tick_size_steps"]
    tick = exact_price(item["tick_size"])
    base = item["base_currency"]
    is_combo = item["kind"] == COMBO
    return Listed(
        series=item["instrument_id"],
        name=item["instrument_name"],
        base=base,
        price_index=item["price_index"],
        underlying=0,
        expiry_id=0,
        expiry_s=item["expiration_timestamp"] // 1_000,
        strike=0 if is_combo else exact_price(item["strike"]),
        is_call=item.get("option_type") == "call",
        lot=exact_qty(item["min_trade_amount"]),
        tick=tick,
        tick_above=exact_price(steps[0]["tick_size"]) if steps else tick,
        tick_step=exact_price(steps[0]["above_price"]) if steps else 0,
        subjects=subjects_of(item["instrument_name"], base, ("any", COMBO if is_combo else OPTION)),
        legs=tuple(Leg(*leg) for leg in item.get("x_legs", ())),
    )
