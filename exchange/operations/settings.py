"""The one schema of settings, for a venue and for a keeper: name, unit, bounds, default and meaning of each.

Nothing here changes what is decided: terms that do are journaled by the first record, and a setting that names one is
held to the journal. Secrets are never settings, the files they lie in are. Imports pydantic and nothing of the venue.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

Level = Literal["debug", "info", "warning", "error", "critical"]
PORT_MAX: Final = 65_535
MOST: Final = 10**9


def setting(
    default: Any,
    meaning: str,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    *,
    reread: bool = False,
) -> Any:
    """A setting with all that is said of it. ``reread``: SIGHUP takes it up in a running venue."""
    extra: JsonDict = {"unit": unit, "reread": reread}
    return Field(default, description=meaning, ge=least, le=most, json_schema_extra=extra)


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VenueSection(Section):
    """Which venue."""

    dev: bool = setting(default=False, meaning="development keys, tokens and prices; there is no other mode yet")
    journal: Path = setting(Path("var/venue.journal"), "the journal; everything else of the venue lies beside it")
    chain: str | None = setting(None, "URL of a development node; by default a chain inside the process")
    rebuild_history: bool = setting(
        default=False, meaning="make the index of history again, from the first record, however long that takes"
    )
    taker_delay_ms: int | None = setting(
        None,
        "how long orders that can take are held back, in whole milliseconds; a journal keeps what it began with",
        "milliseconds",
        0,
        1_000,
    )


class PricesSection(Section):
    """Where the index comes from; without either, half a recorded day is repeated."""

    streams: Path | None = setting(None, "JSON file that names WebSockets to take the index from")
    simulate: int | None = setting(None, "seed of an index that walks at random", "", 0, 2**63 - 1)

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.streams is not None and self.simulate is not None:
            raise ValueError("streams and simulate exclude each other")
        return self


class GatewaySection(Section):
    """The door of the clients."""

    host: str = setting("127.0.0.1", "address to listen on")
    port: int = setting(0, "port to listen on; 0: one that is free", "", 0, PORT_MAX)
    certificate: Path | None = setting(None, "PEM file: speak TLS and nothing else, with private_key", reread=True)
    private_key: Path | None = setting(None, "PEM file of the certificate's key", reread=True)
    connections_max: int = setting(8_192, "connections; one too many is closed at once", "connections", 1, 65_536)
    connections_per_address: int = setting(2_048, "and of one address, or of 64 bits of IPv6", "connections", 1, 65_536)
    first_message_s: float = setting(10.0, "a connection that never asks anything is closed after", "seconds", 1, 600)
    body_s: float = setting(10.0, "the body of a request must have come within", "seconds", 1, 600)
    ping_s: float = setting(30.0, "a peer that is gone without a word is noticed within 1.5 of it", "seconds", 1, 600)
    outbox_messages: int = setting(4_096, "messages a connection may leave unread", "messages", 16, 2**20)
    outbox_chars: int = setting(16 * 2**20, "and their length in all", "characters", 2**16, 2**30)
    page: bool = setting(default=True, meaning="the page for traders, at /")
    replay: str = setting("", "origin of a replay server (verbatim-replay serve) that the page may ask")

    @field_validator("replay")
    @classmethod
    def _origin(cls, value: str) -> str:
        if not re.fullmatch(r"(https?://[\w.\-\[\]:]+)?", value):
            raise ValueError("an origin is http:// or https://, a host, and perhaps a port")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.certificate is None) is not (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        return self


class LimitsSection(Section):
    """How much may be asked (docs/API.md says what it means to a client). What is refused here is no command yet."""

    credits_max: int = setting(50_000, "credits of a connection, or of an address over HTTP", "credits", 1, MOST)
    refill_per_s: int = setting(10_000, "and how fast they come back", "credits a second", 1, MOST)
    cancels_max: int = setting(50_000, "credits of a connection for cancels, which are its own", "credits", 1, MOST)
    cancels_per_s: int = setting(10_000, "and how fast they come back", "credits a second", 1, MOST)
    account_matching_max: int = setting(200_000, "credits of an account for orders", "credits", 1, MOST)
    account_matching_per_s: int = setting(40_000, "and how fast they come back", "credits a second", 1, MOST)
    account_cancels_max: int = setting(200_000, "credits of an account for cancels", "credits", 1, MOST)
    account_cancels_per_s: int = setting(40_000, "and how fast they come back", "credits a second", 1, MOST)
    account_queries_max: int = setting(200_000, "credits of an account for questions", "credits", 1, MOST)
    account_queries_per_s: int = setting(40_000, "and how fast they come back", "credits a second", 1, MOST)
    orders_window_s: int = setting(3_600, "the window in which messages are held to fills", "seconds", 1, 86_400)
    orders_free: int = setting(100_000, "orders, edits and quotes of an account in it", "messages", 1, MOST)
    orders_per_fill: int = setting(500, "and more for each fill", "messages", 0, MOST)
    guesses_max: int = setting(10, "logins of an address that may fail in a row", "logins", 1, 1_000)
    guess_wait_s: int = setting(10, "then one in", "seconds", 1, 3_600)
    connections_per_account: int = setting(256, "connections that an account is logged in on", "connections", 1, MOST)
    channels_max: int = setting(1_000, "channels of a connection", "channels", 1, 100_000)
    in_flight_max: int = setting(64, "requests of a connection under way", "requests", 1, 4_096)
    message_bytes_max: int = setting(65_536, "a message", "bytes", 1_024, 2**24)
    containers_max: int = setting(512, "lists and objects in it", "containers", 16, 65_536)
    depth_max: int = setting(8, "and how deep they lie in each other", "levels", 4, 64)


class CostsSection(Section):
    """Credits that a request takes."""

    matching: int = setting(250, "an order or an edit", "credits", 0, MOST)
    quote: int = setting(8, "each pair of a message of quotes, besides", "credits", 0, MOST)
    cancel: int = setting(250, "a cancel", "credits", 0, MOST)
    query: int = setting(500, "a question", "credits", 0, MOST)
    listing: int = setting(2_000, "a list of instruments", "credits", 0, MOST)
    login: int = setting(1_000, "a login", "credits", 0, MOST)
    malformed: int = setting(500, "what cannot be read", "credits", 0, MOST)


class StorageSection(Section):
    """How the journal lies on its disk. Every frame is synced before anybody hears of it: that is no setting."""

    checkpoint_s: float = setting(0.1, "the log is folded into the file every", "seconds", 0.01, 60)
    idle_s: float = setting(1.0, "the log is cut when nothing was written for", "seconds", 0.1, 3_600)
    anchor_s: float = setting(1.0, "the head is anchored every", "seconds", 0.05, 60)
    wal_mib_max: int = setting(64, "the log is cut when it holds", "MiB", 1, 16_384)
    busy_s: float = setting(5.0, "how long to wait for somebody who holds the file", "seconds", 0, 60)


class LogSection(Section):
    """What is logged, how and where."""

    format: Literal["auto", "json", "console"] = setting("auto", "auto: console on a terminal, JSON lines elsewhere")
    level: Level = setting("warning", "what is logged from here up", reread=True)
    levels: Mapping[str, Level] = setting({}, "levels of modules and what lies under them", reread=True)
    file: Path | None = setting(None, "a file instead of stderr; opened again when it was moved away (logrotate)")


class MetricsSection(Section):
    """Measurements for Prometheus, and the probes /healthz and /readyz, on a port of their own."""

    host: str = setting("127.0.0.1", "address to listen on; whoever reaches it reads how the venue fares")
    port: int = setting(0, "port to listen on; 0: one that is free, told in the ready line", "", 0, PORT_MAX)


class StopSection(Section):
    """How a venue ends when it is told to."""

    drain_s: float = setting(
        10.0, "answers to clients may take so long, and batches as long again", "seconds", 0.1, 600
    )
    force_s: float = setting(60.0, "then the process ends at once, as a kill would end it", "seconds", 1, 3_600)


class Settings(BaseSettings):
    """Settings that were merged by ``operations.loading``; they look nowhere themselves."""

    PREFIX: ClassVar[str]  # of variables in the environment
    FLAGS: ClassVar[Mapping[str, str]]  # short ones, besides --section.name

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


class ServeSettings(Settings):
    """`verbatim serve`."""

    PREFIX: ClassVar[str] = "VERBATIM_SERVE__"
    FLAGS: ClassVar[Mapping[str, str]] = {
        "venue.dev": "dev",
        "venue.journal": "journal",
        "venue.chain": "chain",
        "venue.taker_delay_ms": "taker-delay",
        "prices.streams": "index",
        "prices.simulate": "simulate",
        "gateway.host": "host",
        "gateway.port": "port",
        "gateway.certificate": "certificate",
        "gateway.private_key": "private-key",
        "gateway.replay": "replay",
    }

    venue: VenueSection = VenueSection()
    prices: PricesSection = PricesSection()
    gateway: GatewaySection = GatewaySection()
    limits: LimitsSection = LimitsSection()
    costs: CostsSection = CostsSection()
    storage: StorageSection = StorageSection()
    log: LogSection = LogSection()
    metrics: MetricsSection = MetricsSection()
    stop: StopSection = StopSection()


class ChoresSection(Section):
    """Whose chores, on which chain, at whose expense."""

    manifest: Path = setting(..., "the deployment, as `verbatim chain deploy` wrote it")
    rpc: str = setting(..., "URL of the node")
    key_file: Path = setting(..., "private key of who pays the gas, its owner's alone to read")
    every: float = setting(12.0, "between two looks", "seconds", 0.1, 86_400)
    once: bool = setting(default=False, meaning="look once and end")


class KeeperSettings(Settings):
    """`verbatim keeper`."""

    PREFIX: ClassVar[str] = "VERBATIM_KEEPER__"
    FLAGS: ClassVar[Mapping[str, str]] = {
        "chores.manifest": "manifest",
        "chores.rpc": "rpc",
        "chores.key_file": "key-file",
        "chores.every": "every",
        "chores.once": "once",
    }

    chores: ChoresSection
    log: LogSection = LogSection()


SCHEMAS: Final[dict[str, type[Settings]]] = {"serve": ServeSettings, "keeper": KeeperSettings}
