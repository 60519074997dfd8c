"""``verbatim``: run the venue, or watch it relive a recorded market.

Owns the command line, the format of logs and the exit codes: 0 done, 1 it failed, 2 it was asked for the impossible.
"""

import argparse
import asyncio
import contextlib
import getpass
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from exchange.operations import logs
from exchange.operations.loading import SettingsError, add_flags, load, merged
from exchange.operations.settings import SCHEMAS, KeeperSettings, LogSection, ServeSettings

if TYPE_CHECKING:
    from pydantic_settings import CliSettingsSource

DONE: Final = 0
FAILED: Final = 1
IMPOSSIBLE: Final = 2
KEY_BYTES: Final = 32
SPEED_MAX: Final = 1_000
UNITS: Final = {"s": 1, "m": 60, "h": 3_600}

_log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    if not __debug__:
        sys.stderr.write("verbatim: refusing to run under python -O: assertions guard the money\n")
        return IMPOSSIBLE
    options = _parser().parse_args(arguments)
    logs.begin(LogSection(), verbose=options.verbose)
    return int(options.run(options))


# -- serve ------------------------------------------------------------------------------------------------------------


def _serve(flags: "CliSettingsSource[ServeSettings]", options: argparse.Namespace) -> int:
    from exchange.operations.serving import Given, run  # noqa: PLC0415 - help should not load an EVM
    from exchange.shell.serve import Ready  # noqa: PLC0415

    try:
        settings = load(ServeSettings, options, flags)
        logs.begin(settings.log, verbose=options.verbose)
    except (SettingsError, OSError) as refused:
        return _impossible(str(refused))
    if not settings.venue.dev:
        return _impossible("only development venues exist so far; say --dev, and put no value on them")
    settings.venue.journal.parent.mkdir(parents=True, exist_ok=True)

    def ready(told: Ready) -> None:
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        sys.stdout.flush()

    try:
        asyncio.run(run(Given(settings, options.verbose, partial(load, ServeSettings, options, flags)), ready))
    except _refusals() as refused:
        sys.stderr.write(f"verbatim: {type(refused).__name__}: {refused}\n")
        return FAILED
    except Exception:  # noqa: BLE001 - whatever it was, the operator gets one line with all of it, and a code
        _log.exception("venue_failed")
        return FAILED
    return DONE


def _impossible(sentences: str) -> int:
    """Say each thing that is wrong with what was asked for."""
    for sentence in sentences.splitlines():
        sys.stderr.write(f"verbatim: {sentence}\n")
    return IMPOSSIBLE


def _refusals() -> tuple[type[Exception], ...]:
    """What a start or a run may be refused for, each with a sentence that needs no traceback."""
    from exchange.operations.probes import PortTaken  # noqa: PLC0415 - as above
    from exchange.shell.boot import Diverged  # noqa: PLC0415 - as above
    from exchange.shell.chain import ChainError  # noqa: PLC0415
    from exchange.shell.keys import NotADevelopmentChain  # noqa: PLC0415
    from exchange.shell.serve import CertificateError  # noqa: PLC0415
    from exchange.shell.sources import SourceError  # noqa: PLC0415
    from exchange.shell.venue import SetupRefused  # noqa: PLC0415
    from journal import Damaged, StoreError  # noqa: PLC0415

    return (
        CertificateError,
        ChainError,
        Damaged,
        Diverged,
        NotADevelopmentChain,
        PortTaken,
        SetupRefused,
        SourceError,
        StoreError,
    )


# -- demo -------------------------------------------------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> int:
    from exchange.demo import Options, run  # noqa: PLC0415 - help should not load an EVM

    return run(Options(options.seconds, options.seed, options.journal, options.chain, options.json))


# -- simulate ---------------------------------------------------------------------------------------------------------


def _simulate(options: argparse.Namespace) -> int:
    from exchange.demo.ground import Taken  # noqa: PLC0415 - as above
    from exchange.simulator import FaultError, Options, Ready, Summary, parse, simulate  # noqa: PLC0415

    def tell(told: Ready | Summary) -> None:
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        sys.stdout.flush()

    async def run(wanted: Options) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        tell(await simulate(wanted, tell, stop))

    said: dict[str, Any] = {
        name: getattr(options, name) for name in ("seed", "speed", "seconds", "journal", "activity")
    }
    said |= {"start_s": options.start} if options.start is not None else {}
    try:
        faults = tuple(parse(text) for text in options.fault)
        asyncio.run(run(Options(host=options.host, port=options.port, faults=faults, **said)))
    except (FaultError, Taken) as refused:
        sys.stderr.write(f"verbatim simulate: {refused}\n")
        return IMPOSSIBLE
    except OSError as error:
        sys.stderr.write(f"verbatim simulate: {error}\n")
        return FAILED
    return DONE


def _speed(text: str) -> int | None:
    """Seconds of the market in one of the world's; None for as fast as it goes."""
    if text == "max":
        return None
    if not (text.isdecimal() and 0 < int(text) <= SPEED_MAX):
        raise argparse.ArgumentTypeError(f"{text!r} is neither max nor a whole number from 1 to {SPEED_MAX}")
    return int(text)


def _duration_s(text: str) -> int:
    """Whole seconds, minutes or hours."""
    number, unit = text[:-1], text[-1:]
    if not (number.isdecimal() and int(number) and unit in UNITS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of s, m or h, as in 90s")
    return int(number) * UNITS[unit]


def _moment_s(text: str) -> int:
    """A second since the epoch: now, or a date and time, UTC unless they say otherwise."""
    if text == "now":
        return int(time.time())
    try:
        told = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(f"{text!r} is neither now nor a time as in 2026-08-17T12:00") from wrong
    return int((told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp())


# -- signer -----------------------------------------------------------------------------------------------------------


def _signer(options: argparse.Namespace) -> int:
    from exchange.signer.config import load  # noqa: PLC0415 - as above
    from exchange.signer.run import Ready, serve  # noqa: PLC0415

    def ready(told: Ready) -> None:
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        sys.stdout.flush()

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(load(options.config), _password(options), ready, stop)

    return _told(run)


def _signer_init(options: argparse.Namespace) -> int:
    from exchange.signer.config import ConfigError  # noqa: PLC0415 - as above
    from exchange.signer.run import make  # noqa: PLC0415

    async def run() -> None:
        text = options.key_file.read_text().strip() if options.key_file else getpass.getpass("private key (0x...): ")
        try:
            secret = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            raise ConfigError("a private key is 0x and 64 hexadecimal digits") from None
        if len(secret) != KEY_BYTES:
            raise ConfigError("a private key is 0x and 64 hexadecimal digits")
        made = await make(options.config, options.url, options.client_id, secret, _password(options))
        sys.stdout.write(msgspec.json.encode(made).decode() + "\n")

    return _told(run)


def _password(options: argparse.Namespace) -> str:
    """From a file of its owner's alone, from the environment, or asked for."""
    from exchange.signer.config import require_private  # noqa: PLC0415 - as above

    if options.password_file is not None:
        require_private(options.password_file)
        return str(options.password_file.read_text().rstrip("\n"))
    return os.environ.get("VERBATIM_SIGNER_PASSWORD") or getpass.getpass("keystore password: ")


def _told(run: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run to the end; what it is refused for is told in a line."""
    from exchange.shell.wallet import Untrusted  # noqa: PLC0415 - as above
    from exchange.signer.config import ConfigError  # noqa: PLC0415
    from exchange.signer.upstream import Refused, Unreachable  # noqa: PLC0415

    try:
        asyncio.run(run())
    except (ConfigError, Refused, Unreachable, Untrusted, OSError) as refused:
        sys.stderr.write(f"verbatim: {type(refused).__name__}: {refused}\n")
        return FAILED
    return DONE


# -- chain ------------------------------------------------------------------------------------------------------------


def _chain_deploy(options: argparse.Namespace) -> int:
    from exchange.shell.founding import Order, run_found  # noqa: PLC0415 - help should not load an EVM

    if options.dev == (options.plan is not None) or (options.plan is None) != (options.key_file is None):
        sys.stderr.write("verbatim: say --dev, or both --plan and --key-file\n")
        return IMPOSSIBLE

    def run() -> int:
        sys.stdout.write(run_found(Order(options.rpc, options.manifest, options.plan, options.key_file)) + "\n")
        return DONE

    return _founding(run, FAILED)


def _chain_verify(options: argparse.Namespace) -> int:
    from exchange.shell.founding import told, verify  # noqa: PLC0415 - as above

    def run() -> int:
        differences = asyncio.run(verify(options.manifest, options.rpc))
        sys.stdout.write(told(differences, options.manifest))
        return FAILED if differences else DONE

    return _founding(run, IMPOSSIBLE)


def _keeper(flags: "CliSettingsSource[KeeperSettings]", options: argparse.Namespace) -> int:
    from exchange.shell.founding import keep  # noqa: PLC0415

    try:
        settings = load(KeeperSettings, options, flags)
        logs.begin(settings.log, verbose=options.verbose)
    except (SettingsError, OSError) as refused:
        return _impossible(str(refused))
    chores = settings.chores

    def tell(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def run() -> int:
        every_s = None if chores.once else chores.every
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(keep(chores.manifest, chores.rpc, chores.key_file, every_s, tell))
        return DONE

    return _founding(run, FAILED)


def _founding(run: Callable[[], int], unreachable: int) -> int:
    """Run a command about the chain; one sentence for what it was refused for."""
    from exchange.shell.chain import ChainError  # noqa: PLC0415 - as above
    from exchange.shell.founding import CannotFound  # noqa: PLC0415
    from exchange.shell.keys import BadSecret, NotADevelopmentChain  # noqa: PLC0415
    from exchange.shell.sender import TransactionFailed  # noqa: PLC0415

    try:
        return run()
    except (BadSecret, NotADevelopmentChain, CannotFound) as refused:
        sys.stderr.write(f"verbatim: {type(refused).__name__}: {refused}\n")
        return IMPOSSIBLE
    except (ChainError, TransactionFailed) as failed:
        sys.stderr.write(f"verbatim: {type(failed).__name__}: {failed}\n")
        return unreachable


# -- hedger -----------------------------------------------------------------------------------------------------------


def _hedger(options: argparse.Namespace) -> int:
    from exchange.shell.hedger import HedgerDiverged, VenueLied  # noqa: PLC0415 - as above
    from exchange.shell.hedging_run import MarketUnreadable, hedge, recorded  # noqa: PLC0415
    from exchange.shell.keys import BadSecret, secret_of  # noqa: PLC0415
    from journal import Damaged  # noqa: PLC0415

    try:
        market = recorded(options.market) if options.market is not None else None
        key = secret_of(options.key_file)
        told = asyncio.run(hedge(options.venue, options.account, key, options.journal, market))
    except (BadSecret, MarketUnreadable, Damaged, OSError) as refused:
        return _impossible(str(refused))
    except (HedgerDiverged, VenueLied) as failed:
        sys.stderr.write(f"verbatim: {type(failed).__name__}: {failed}\n")
        return FAILED
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    return DONE


# -- settings ---------------------------------------------------------------------------------------------------------


def _settings(options: argparse.Namespace) -> int:
    from exchange.operations import reference  # noqa: PLC0415 - as above

    if options.check is not None:
        try:
            told = merged(SCHEMAS[options.of], options.check, {})
        except SettingsError as refused:
            return _impossible(str(refused))
        sys.stdout.write(told.model_dump_json(indent=2) + "\n")
        return DONE
    if options.metrics:
        from exchange.operations import metrics  # noqa: PLC0415 - it loads the shell

        sys.stdout.write(metrics.page())
        return DONE
    sys.stdout.write(reference.example(options.of) if options.example else reference.page())
    return DONE


# -- copies -----------------------------------------------------------------------------------------------------------


def _backup(options: argparse.Namespace) -> int:
    from exchange.operations.copies import back_up  # noqa: PLC0415 - as above

    return _copied(lambda: back_up(options.journal, options.to))


def _restore(options: argparse.Namespace) -> int:
    from exchange.operations.copies import restore  # noqa: PLC0415 - as above

    return _copied(lambda: restore(options.source, options.journal, options.checkpoint))


def _copied(run: Callable[[], Any]) -> int:
    from exchange.operations.copies import CopyError  # noqa: PLC0415 - as above

    try:
        sys.stdout.write(msgspec.json.encode(run()).decode() + "\n")
    except CopyError as refused:
        sys.stderr.write(f"verbatim: {refused}\n")
        return FAILED
    return DONE


# -- arguments --------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="verbatim", description="An options exchange that can be replayed.")
    parser.add_argument("--verbose", action="store_true", help="log what happens, not only what is wrong")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_demo(commands)
    _add_simulate(commands)
    _add_signer(commands)
    _add_chain(commands)
    _add_keeper(commands)
    _add_hedger(commands)
    _add_settings(commands)
    _add_copies(commands)
    return parser


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:

    text = "Run a venue until stopped; it restarts from its journal. Prints one JSON line when it can be traded on."
    command = commands.add_parser("serve", help="run a venue", description=text)
    command.set_defaults(run=partial(_serve, add_flags(command, ServeSettings)))


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Relive twelve recorded hours of a market, settle them on a chain, and replay the journal."
    command = commands.add_parser("demo", help="relive a recorded market", description=text)
    command.add_argument("--seconds", type=float, default=0.0, help="spread the twelve hours over this long at least")
    command.add_argument("--seed", type=int, default=1, help="chooses who takes which trade (%(default)s)")
    command.add_argument("--journal", type=Path, help="a new journal file; by default var/demo/venue.journal, replaced")
    command.add_argument("--chain", help="URL of a development node; by default a chain inside the process")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of the story")
    command.set_defaults(run=_demo)


def _add_simulate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = (
        "Run a simulated market, for clients and strategies to join. Prints one JSON line when it opens, with accounts "
        "to trade from, and one when it is over. docs/SIMULATION.md tells of the faults."
    )
    command = commands.add_parser("simulate", help="run a simulated market", description=text)
    command.add_argument("--seed", type=int, default=1, help="everything that chance decides (%(default)s)")
    pace = "market seconds in a second: a whole number, or max (%(default)s)"
    command.add_argument("--speed", type=_speed, default="1", metavar="N", help=pace)
    length = "how long the market is open: whole s, m or h (%(default)s)"
    command.add_argument("--for", type=_duration_s, default="1h", dest="seconds", metavar="TIME", help=length)
    begins = "when it opens, UTC or now; by default always the same day, which the journal depends on"
    command.add_argument("--start", type=_moment_s, metavar="TIME", help=begins)
    command.add_argument("--activity", type=int, choices=range(1, 101), default=1, metavar="N", help=_ACTIVITY)
    command.add_argument("--fault", action="append", default=[], metavar="NAME@TIME[+TIME]", help=_FAULT)
    journal = "a new journal file; by default var/simulated/venue.journal, replaced"
    command.add_argument("--journal", type=Path, help=journal)
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    command.add_argument("--port", type=int, default=0, help="port to listen on; by default one that is free")
    command.set_defaults(run=_simulate)


def _add_signer(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Sign for clients that do not: a gateway on your own machine, with a client id and a secret."
    command = commands.add_parser("signer", help="sign for clients that do not", description=text)
    command.set_defaults(run=_signer)
    init = commands.add_parser("signer-init", help="write a signer's first settings", description=_INIT)
    init.add_argument("--url", required=True, help="the venue, ws://host:port/ws/api/v2")
    init.add_argument("--client-id", required=True, help="what the client logs in as")
    init.add_argument("--key-file", type=Path, help="a file with the private key; by default it is asked for")
    init.set_defaults(run=_signer_init)
    for each in (command, init):
        each.add_argument("--config", type=Path, required=True, help="the settings, a JSON file")
        each.add_argument("--password-file", type=Path, help="of the keystores; or VERBATIM_SIGNER_PASSWORD, or asked")


def _add_chain(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    chain = commands.add_parser("chain", help="deploy the contracts, and compare them with what was written down")
    inside = chain.add_subparsers(required=True, metavar="COMMAND")
    text = "Deploy the contracts to a node and write a manifest: addresses, code, immutables, parameters, versions."
    deploy = inside.add_parser("deploy", help="deploy the contracts", description=text)
    deploy.add_argument("--rpc", required=True, metavar="URL", help="the node")
    deploy.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="a new file to write")
    deploy.add_argument("--dev", action="store_true", help="development keys and a test token, on a development chain")
    deploy.add_argument("--plan", type=Path, metavar="FILE", help="JSON: operator, guardian, signers, usdc, terms")
    deploy.add_argument("--key-file", type=Path, metavar="FILE", help="the deployer's private key, for its eyes only")
    deploy.set_defaults(run=_chain_deploy)
    text = "Compare a manifest with the chain: 0 the same, 1 with each difference named, 2 not comparable."
    verify = inside.add_parser("verify", help="compare a manifest with the chain", description=text)
    verify.add_argument("manifest", type=Path, metavar="MANIFEST", help="the file")
    verify.add_argument("--rpc", required=True, metavar="URL", help="the node")
    verify.set_defaults(run=_chain_verify)


def _add_keeper(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:

    text = "Do what anyone may on the contracts of a manifest and somebody has to; one JSON line for each call made."
    command = commands.add_parser("keeper", help="do the chores of the contracts", description=text)
    command.set_defaults(run=partial(_keeper, add_flags(command, KeeperSettings)))


def _add_hedger(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Hedge a pool round by round, from the journal of its venue; one JSON object of what it came to."
    command = commands.add_parser("hedger", help="hedge a pool on another market", description=text)
    command.add_argument("venue", type=Path, metavar="JOURNAL", help="the venue's journal")
    command.add_argument("--account", type=int, required=True, help="of the pool")
    command.add_argument("--journal", type=Path, required=True, metavar="FILE", help="the hedger's own; gone on with")
    command.add_argument("--key-file", type=Path, required=True, metavar="FILE", help="the key that signs its orders")
    command.add_argument("--market", type=Path, metavar="FILE", help="recorded best quotes, CSV; else simulated")
    command.set_defaults(run=_hedger)


def _add_copies(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = (
        "Bring a copy of a journal up to date, beside a venue that runs: only what it lacks is copied, all is verified."
    )
    backup = commands.add_parser("backup", help="copy a journal while its venue runs", description=text)
    backup.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder of the copy")
    backup.set_defaults(run=_backup)
    text = "Put a copy in the place of a journal that is gone. Read docs/RUNBOOK.md, Restore, first."
    restore = commands.add_parser("restore", help="put a copy in the place of a journal", description=text)
    restore.add_argument(
        "--from", type=Path, required=True, dest="source", metavar="DIR", help="the folder of the copy"
    )
    restore.add_argument("--checkpoint", type=Path, metavar="FILE", help="a checkpoint that the copy must agree with")
    restore.set_defaults(run=_restore)
    for command in (backup, restore):
        command.add_argument("--journal", type=Path, required=True, metavar="FILE", help="the journal of the venue")


def _add_settings(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Print what can be set: a page of Markdown, or a TOML file with every setting at its default."
    command = commands.add_parser("settings", help="what can be set, and whether a file would do", description=text)
    command.add_argument("of", nargs="?", choices=["serve", "keeper"], default="serve", help="whose (%(default)s)")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--example", action="store_true", help="print a TOML file")
    what.add_argument("--metrics", action="store_true", help="print the page of what a venue measures")
    what.add_argument("--check", type=Path, metavar="FILE", help="0 and the settings as merged, or 2 and what is wrong")
    command.set_defaults(run=_settings)


_ACTIVITY: Final = "so many times the orders and trades that were recorded, 1 to 100 (%(default)s)"
_FAULT: Final = "what goes wrong, and when after the opening, as in chain-down@120s+30s; may be given again"
_INIT: Final = "Put a session key into a keystore, pin the venue as it is now, and write settings for one client."


if __name__ == "__main__":
    sys.exit(main())
