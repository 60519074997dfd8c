"""What a signer is told: the venue it trusts, where it listens, and whose keys it holds.

A file that holds secrets must be its owner's alone. Imports nothing of this package.
"""

import difflib
import ipaddress
import re
import stat
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import msgspec

from exchange.shell.wallet import Venue

SLIPPAGE_MAX: Final = Decimal(1)
SECRET_CHARS_MIN: Final = 16


class ConfigError(Exception):
    """The settings cannot be used; the sentence says what is wrong and never repeats a secret."""


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses: plain on ``port`` (loopback only), and with TLS on ``tls_port`` with a certificate."""

    host: str = "127.0.0.1"
    port: int | None = 0
    tls_port: int | None = None
    certificate: Path | None = None
    private_key: Path | None = None


class ClientSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One client: what it logs in with, the key that signs for it, and the account if the key acts for several."""

    client_id: str
    client_secret: str
    keystore: Path
    account: int | None = None

    def __repr__(self) -> str:
        return f"ClientSettings(client_id={self.client_id!r}, account={self.account!r})"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything. ``slippage`` is how far from the touch a market order's worst price lies, as a fraction; ``max_fee``
    the most USDC a contract may cost in fees, by default twice the taker's rate on the index.
    """

    url: str
    venue: Venue
    clients: list[ClientSettings]
    nonces: Path
    listen: Listen = Listen()
    slippage: str = "0.05"
    max_fee: str | None = None


def load(path: Path) -> Settings:
    """Settings from a JSON file; paths in it are relative to it. Raises ConfigError."""
    require_private(path)
    try:
        settings = msgspec.json.decode(path.read_bytes(), type=Settings, dec_hook=_path)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ConfigError(f"{path}: {error}{_nearest(str(error))}") from error
    _check(settings)
    here = path.parent
    clients = [msgspec.structs.replace(client, keystore=here / client.keystore) for client in settings.clients]
    listen = settings.listen
    files = {name: here / value for name in ("certificate", "private_key") if (value := getattr(listen, name))}
    return msgspec.structs.replace(
        settings,
        clients=clients,
        nonces=here / settings.nonces,
        listen=msgspec.structs.replace(listen, **files),
    )


def _path(kind: type, value: object) -> Path:
    """The one kind that JSON has no word for."""
    if kind is not Path or not isinstance(value, str):
        raise NotImplementedError(kind)
    return Path(value)


def _nearest(sentence: str) -> str:
    """Which field was meant, if the sentence names one that does not exist."""
    unknown = re.search(r"unknown field `(.+?)`", sentence)
    fields = [name for kind in (Settings, Listen, ClientSettings, Venue) for name in kind.__struct_fields__]
    near = difflib.get_close_matches(unknown[1], fields, 1) if unknown is not None else []
    return f"; the nearest is {near[0]}" if near else ""


def require_private(path: Path) -> None:
    """Refuse a file that others than its owner may read or write. Raises ConfigError."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path} holds secrets and others may read it: chmod 600")


def _check(settings: Settings) -> None:
    names = [client.client_id for client in settings.clients]
    if not names or len(set(names)) != len(names):
        raise ConfigError("clients need one entry at least, each with a client_id of its own")
    if any(len(client.client_secret) < SECRET_CHARS_MIN for client in settings.clients):
        raise ConfigError(f"a client_secret needs {SECRET_CHARS_MIN} characters at least")
    if not settings.url.startswith(("ws://", "wss://")):
        raise ConfigError("url begins with ws:// or wss://")
    if not 0 < decimal_of(settings.slippage, "slippage") <= SLIPPAGE_MAX:
        raise ConfigError("slippage lies between 0 and 1")
    if settings.max_fee is not None:
        decimal_of(settings.max_fee, "max_fee")
    _check_listen(settings.listen)


def _check_listen(listen: Listen) -> None:
    """Without TLS a secret, and what it may sign, would be anybody's on the way."""
    if listen.port is None and listen.tls_port is None:
        raise ConfigError("listen needs a port or a tls_port")
    if listen.tls_port is not None and (listen.certificate is None or listen.private_key is None):
        raise ConfigError("tls_port needs certificate and private_key")
    if listen.port is not None and not is_loopback(listen.host):
        raise ConfigError(f"{listen.host} is no loopback address: set port to null and use tls_port")


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only; names other than localhost are not trusted to be."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def decimal_of(text: str, name: str) -> Decimal:
    """A decimal number above zero. Raises ConfigError."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ConfigError(f"{name} is no number") from error
    if not value.is_finite() or value <= 0:
        raise ConfigError(f"{name} is not above zero")
    return value
