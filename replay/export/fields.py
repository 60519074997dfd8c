"""The fields of order records in EU law: RTS 24 (51), MiCA 2025/416 (50, and 13 on chain), and where each comes from.

Name and format are those of the annexes, word for word; tests hold them against machine-readable copies. ``source``
says what in the journal gives a field, ``blank`` why and when there is nothing in it. Imports nothing.
"""

from typing import Final, NamedTuple

MONEY: Final = "{DECIMAL-18/13} monetary (major unit) | {DECIMAL-11/10} percent/yield | {DECIMAL-18/17} basis points"
UNITS: Final = "{DECIMAL-18/17} units | {DECIMAL-18/5} monetary/nominal"
TRUTH: Final = "true|false"
PERSON: Final = "{NATIONAL_ID} person | {ALPHANUM-50} algorithm"
VALIDITIES: Final = "DAVY/GTCV/GTTV/GTDV/GTSV/GATV/GADV/GASV/IOCV/FOKV/{ALPHANUM-4}"
EVENTS: Final = "NEWO/TRIG/REME/REMA/REMH/CHME/CHMO/CAME/CAMO/REMO/EXPI/PARF/FILL/{ALPHANUM-4}"
STATUSES: Final = "ACTI | INAC | FIRM | INDI | IMPL | ROUT"
AUCTION: Final = "{DECIMAL-18/5} monetary/nominal | {DECIMAL-11/10} percent/yield"

WHO: Final = "the journal names nobody; the account stands in x_account, the commitment to its client in x_commitment"
NOT_ISO: Final = "USDC has no ISO 4217 code; it stands in x_currency"
FILLS: Final = "only of PARF and FILL"
NONE: Final = "the venue has none"


class Field(NamedTuple):
    """One field of an annex: its number, the column it stands in, and what is said about it."""

    number: int
    slug: str
    name: str
    format: str
    source: str
    blank: str = ""

    @property
    def column(self) -> str:
        """Its column."""
        return f"{self.number:02d}_{self.slug}"


class _Said(NamedTuple):
    """What both annexes share of a field."""

    name: str
    format: str
    source: str
    blank: str = ""


_COMMON: Final[dict[str, _Said]] = {
    "submitter": _Said("Identification of the entity which submitted the order", "{LEI}", "none", WHO),
    "dea": _Said("Direct Electronic Access (DEA)", TRUTH, "false: every account is a member's own"),
    "person": _Said("Identification of the natural person that submitted the order", "{NATIONAL_ID}", "none", WHO),
    "client": _Said("Client identification code", "{LEI} | {NATIONAL_ID} | AGGR | PNAL", "none", WHO),
    "decision": _Said("Investment decision within firm", PERSON, "none", WHO),
    "execution": _Said(
        "Execution within firm",
        PERSON,
        "Authorisation.signer: OWNER, or KEY- and the head of the session key",
        "requests",
    ),
    "broker": _Said("Non-executing broker", "{LEI}", "none: accounts send their own orders", NONE),
    "capacity": _Said(
        "Trading capacity", "DEAL | MTCH | AOTC", "DEAL: whoever signs trades for the account that is charged"
    ),
    "provision": _Said("Liquidity provision activity", TRUTH, "true of quotes: MassQuote, QuoteRfq"),
    "time": _Said("Date and time (of each G/K event)", "{DATE_TIME_FORMAT}", "time_ns of the record, nine digits"),
    "validity": _Said("Validity period", VALIDITIES, "Authorisation.tif and expiry_s"),
    "restriction": _Said("Order restriction", "SESR/VFAR/VFCR/{ALPHANUM-4}", "none: orders stand in every phase", NONE),
    "valid_until": _Said(
        "Validity period and time",
        "{DATE_TIME_FORMAT}",
        "Authorisation.expiry_s, or the end of the key or of the series before it",
        "of IOCV and FOKV",
    ),
    "priority_time": _Said(
        "Priority time stamp",
        "{DATE_TIME_FORMAT}",
        "time_ns of the record that gave the order its place",
        "of requests",
    ),
    "priority_size": _Said(
        "Priority size", "up to 20 numeric positive digits", "none: price, then time", "no size-time priority"
    ),
    "sequence": _Said(
        "Sequence number", "{INTEGER-50} positive ascending", "seq of the record, six digits of its place there"
    ),
    "mic": _Said("Segment MIC code", "{MIC}", "SetReference mic of the venue", "until it is told"),
    "book": _Said("Order book code", "{ALPHANUM-20}", "number of the series or of the combo"),
    "instrument": _Said(
        "Financial instrument / crypto-asset identification code",
        "{ISIN}",
        "SetReference isin of the series",
        "until it is told; of combos; x_series names the series",
    ),
    "received": _Said("Date of receipt", "{DATEFORMAT}", "day of the record that first named the order"),
    "order": _Said(
        "Order identification code", "{ALPHANUM-50}", "order id: the seq of its record, or its place in one"
    ),
    "event": _Said("Event", EVENTS, "the event of the record; the codes of our own are listed below"),
    "order_type": _Said(
        "Order type",
        "{ALPHANUM-50}",
        "LIMIT, MARKET (with a worst price), ICEBERG, STOP, QUOTE, RFQ_QUOTE, RFQ_TAKE, RFQ",
    ),
    "order_class": _Said("Order type classification", "LMTO | STOP", "Terms.trigger", "of requests"),
    "limit": _Said("Limit price", MONEY, "price in force, per contract or unit of a combo", "of requests"),
    "limit2": _Said("Additional limit price", MONEY, "none", NONE),
    "stop": _Said("Stop price", MONEY, "Terms.trigger_price", "without a trigger"),
    "peg": _Said("Pegged limit price", MONEY, "none", NONE),
    "traded_price": _Said("Transaction price", MONEY + " | NOAP", "Traded.price", FILLS),
    "currency": _Said("Price currency", "{CURRENCYCODE_3}", "USDC", NOT_ISO),
    "currency2": _Said("Currency of leg 2", "{CURRENCYCODE_3}", "none", "for rates and currencies only"),
    "notation": _Said("Price notation", "MONE | PERC | YIEL | BAPO", "MONE"),
    "side": _Said(
        "Buy-sell indicator", "BUYI | SELL", "is_buy of the order; of a leg, of the leg", "of requests that do not tell"
    ),
    "status": _Said(
        "Order status",
        STATUSES,
        "ACTI while it may trade, INAC while it waits or once it is over; FIRM, INDI of requests",
    ),
    "qty_notation": _Said("Quantity notation", "UNIT | NOML | MONE", "UNIT: contracts, or units of a combo"),
    "qty_currency": _Said("Quantity currency", "{CURRENCYCODE_3}", "none", "quantities are units"),
    "initial": _Said("Initial quantity", UNITS, "qty in force, what filled before included"),
    "remaining": _Said("Remaining quantity (incl. hidden)", UNITS, "qty less what filled; zero once it is over"),
    "displayed": _Said("Displayed quantity", UNITS, "what others see; zero of what waits"),
    "traded": _Said("Traded quantity", UNITS, "Traded.qty", FILLS),
    "maq": _Said(
        "Minimum acceptable quantity (MAQ)", UNITS, "all of it: FOK, and quotes signed as whole", "of all others"
    ),
    "mes": _Said("Minimum executable size (MES)", UNITS, "none", NONE),
    "mes_first": _Said("MES first execution only", TRUTH, "none", NONE),
    "passive_only": _Said("Passive only indicator", TRUTH, "Authorisation.post_only; true of quotes"),
    "passive": _Said("Passive or aggressive indicator", "PASV | AGRE", "maker or taker of the Traded event", FILLS),
    "self_trade": _Said("Self-execution prevention", TRUTH, "true: the machine never lets an owner meet itself"),
    "strategy": _Said(
        "Strategy linked order identification", "{ALPHANUM-50}", "C and Traded.group", "of what no combo brought about"
    ),
    "routing": _Said("Routing strategy", "{ALPHANUM-50}", "none", "nothing is routed"),
    "transaction": _Said(
        "Trading venue transaction identification code", "{ALPHANUM-52}", "T and Traded.trade_id", FILLS
    ),
    "phase": _Said("Trading phases", "{ALPHANUM-50}", "phase of the series as of the end of the record"),
    "auction_price": _Said(
        "Indicative auction price",
        AUCTION,
        "Uncrossed.price",
        "no indication before it; the file of phases has the price",
    ),
    "auction_volume": _Said(
        "Indicative auction volume", UNITS, "Uncrossed.volume", "no indication before it; the file of phases has it"
    ),
    "residence": _Said("Country of residence of natural person", "{COUNTRYCODE_2} | NOAP", "NOAP", ""),
}

_RTS24: Final = [
    "submitter",
    "dea",
    "client",
    "decision",
    "execution",
    "broker",
    "capacity",
    "provision",
    "time",
    "validity",
    "restriction",
    "valid_until",
    "priority_time",
    "priority_size",
    "sequence",
    "mic",
    "book",
    "instrument",
    "received",
    "order",
    "event",
    "order_type",
    "order_class",
    "limit",
    "limit2",
    "stop",
    "peg",
    "traded_price",
    "currency",
    "currency2",
    "notation",
    "side",
    "status",
    "qty_notation",
    "qty_currency",
    "initial",
    "remaining",
    "displayed",
    "traded",
    "maq",
    "mes",
    "mes_first",
    "passive_only",
    "passive",
    "self_trade",
    "strategy",
    "routing",
    "transaction",
    "phase",
    "auction_price",
    "auction_volume",
]
_MICA: Final = [
    *("submitter", "person", *(slug for slug in _RTS24[2:] if slug not in {"provision", "currency2"})),
    "residence",
]
_NOAP: Final = ("broker", "limit", "limit2", "stop", "peg", "maq")
"""Fields that MiCA fills with NOAP where RTS 24 leaves them blank."""
_MICA_FORMATS: Final[dict[str, str]] = (
    {
        "submitter": "{LEI} | {ALPHANUM-20}",
        "client": "{LEI} | {ALPHANUM-20} | {NATIONAL_ID} | PNAL | NOAP",
        "broker": "{LEI} | {ALPHANUM-20} | NOAP",
        "instrument": "{DTI} | {ALPHANUM-20}",
        "currency": "{CURRENCYCODE_3} | {DTI} | {ALPHANUM-20} | "
        "pair base/quote ({CURRENCYCODE_3}/{DTI_SHORT_NAME}) | NOAP",
        "qty_notation": "UNIT | NOML | MONE | CRYP",
        "qty_currency": "{CURRENCYCODE_3} | {DTI} | {ALPHANUM-20}",
    }
    | dict.fromkeys(("limit", "limit2", "stop", "peg"), f"{MONEY} | NOAP")
    | {"maq": f"{UNITS} | NOAP"}
)
_MICA_SOURCES: Final[dict[str, tuple[str, str]]] = {
    "submitter": ("A and the number of the account, which the contract gives out", ""),
    "client": ("NOAP: an account has no clients that the venue knows of", ""),
    "instrument": ("number of the series or combo: options are no crypto-assets, so there is no DTI", ""),
    "currency": ("USDC", ""),
}


def _mica(number: int, slug: str) -> Field:
    said = _COMMON[slug]
    source, blank = _MICA_SOURCES.get(slug, (said.source, said.blank))
    if slug in _NOAP:
        blank = f"NOAP: {blank}"
    return Field(number, slug, said.name, _MICA_FORMATS.get(slug, said.format), source, blank)


RTS24: Final = tuple(Field(number, slug, *_COMMON[slug]) for number, slug in enumerate(_RTS24, 1))
MICA: Final = tuple(_mica(number, slug) for number, slug in enumerate(_MICA, 1))

_FREE: Final = "(no format given)"
_IN_P: Final = "an address is a person's; To and From name the accounts"
ONCHAIN: Final = (
    Field(
        1, "hash", "Transaction hash", "{ALPHANUM-140}", "ObserveBatch.tx_hash", "the journal has those of batches only"
    ),
    Field(2, "wallets", "Wallet addresses", "{ALPHANUM-140}", "none", _IN_P),
    Field(3, "contract", "Smart contract addresses", "{ALPHANUM-140}", "Configure.clearing"),
    Field(
        4,
        "time",
        "Timestamp",
        "{DATE_TIME_FORMAT}",
        "ObserveBlock.time_s, if that block was told",
        "when the journal did not yet know the block's time",
    ),
    Field(5, "amount", "Quantity/current total supply", _FREE, "USDC or contracts that moved"),
    Field(6, "token", "Token ID", "{DTI} | {ALPHANUM-20}", "USDC, or the number of the series"),
    Field(7, "fee", "Network fee", _FREE, "ObserveBatch.gas, in gas", "the journal has that of batches only"),
    Field(8, "fee_limit", "Fee limit", _FREE, "none", "not journaled"),
    Field(9, "data_size", "DataSize", _FREE, "none", "no attachments"),
    Field(10, "to", "To", "{ALPHANUM-140}", "account number in the contract: A and the number"),
    Field(11, "from", "From", "{ALPHANUM-140}", "account number in the contract: A and the number; VAULT of a deposit"),
    Field(12, "currency", "Currency", "{CURRENCYCODE_3} | {DTI} | {ALPHANUM-20}", "USDC"),
    Field(
        13,
        "record",
        "Transaction record number",
        "{ALPHANUM-140}",
        "T and the trade's number, as in field 48 of RTS 24; else J and the seq of the record",
    ),
)
