"""``identity``: the restricted store of who stands behind the commitments of a journal, and the file P made from it.

What is private comes from a file or from standard input, never from the command line, which others can see.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from replay import terminal
from replay.cli.common import CLEAN, FOUND, emit
from replay.engine import replay
from replay.export.acts import ROLE_NAMES
from replay.findings import CannotRun
from replay.source import open_source

ROLES: Final = {name: number for number, name in ROLE_NAMES.items()}


def add_to(commands: Any) -> None:
    """The commands of this module and their arguments."""
    text = "Who stands behind the commitments of a journal: a store apart from it, encrypted, its owner's alone."
    actions = commands.add_parser("identity", help=text, description=text).add_subparsers(
        required=True, metavar="ACTION"
    )
    _add(actions, "init", _init, "Make an empty store, and a key for it.")
    command = _bare(actions, "key", _key, "Make a key to seal file P with.")
    command.add_argument("file", type=Path, help="a new file")
    command = _add(actions, "add", _insert, "Keep who somebody is; prints the commitment to give to the journal.")
    _add_bond(command)
    _add_facts(command)
    command = _add(actions, "bind", _bind, "Somebody who is here stands behind another account, or in another role.")
    command.add_argument("person", help="whose number it is")
    _add_bond(command)
    command = _add(actions, "show", _show, "Show who is in the store, or one of them.")
    command.add_argument("--person", metavar="NUMBER", help="only this one")
    command = _add(actions, "correct", _correct, "Somebody is called otherwise; prints commitments for the journal.")
    command.add_argument("person", help="whose number it is")
    _add_facts(command)
    command = _add(actions, "erase", _erase, "Forget somebody, salts and all: what is in the journal then fits nobody.")
    command.add_argument("person", help="whose number it is")
    command.add_argument("--cause", required=True, help="why, such as the end of retention; no names")
    command = _add(actions, "check", _check, "Compare with a journal: who is committed to there, and who is here.")
    command.add_argument("journal", type=Path, help="the journal file")
    text = "Open file P of a day's folder with the key that it was sealed with."
    command = _bare(actions, "read", _read, text)
    command.add_argument("folder", type=Path, help="the folder of an export")
    command.add_argument("--persons-key", type=Path, required=True, metavar="FILE", help="the key it was sealed with")


def _bare(actions: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)
    return command


def _add(actions: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command = _bare(actions, name, run, text)
    command.add_argument("store", type=Path, help="the folder of the store")
    command.add_argument("--key", type=Path, required=True, metavar="FILE", help="the key of the store")
    return command


def _add_bond(command: argparse.ArgumentParser) -> None:
    command.add_argument("--account", type=int, required=True, help="the account")
    command.add_argument("--role", choices=ROLES, default="client", help="(%(default)s)")


def _add_facts(command: argparse.ArgumentParser) -> None:
    text = "JSON: name, national_id, birth_date, residence, wallets; - is standard input (%(default)s)"
    command.add_argument("--from", dest="facts", default="-", metavar="FILE", help=text)


def _facts(options: argparse.Namespace) -> Any:
    from replay.identities import read_facts  # noqa: PLC0415 - needs cryptography, which plain verify does not

    try:
        data = sys.stdin.buffer.read() if options.facts == "-" else Path(options.facts).read_bytes()
    except OSError as error:
        raise CannotRun(f"{options.facts} cannot be read: {error}") from error
    return read_facts(data)


def _store(options: argparse.Namespace) -> Any:
    from replay.identities import Store, read_key  # noqa: PLC0415 - as above

    return Store(options.store, read_key(options.key))


def _init(options: argparse.Namespace) -> int:
    from replay.identities import make_key, make_store  # noqa: PLC0415 - as above

    make_key(options.key)
    make_store(options.store)
    told = {"store": str(options.store), "key": str(options.key)}
    emit(options, told, lambda: [f"an empty store at {options.store}; its key is {options.key}: keep it elsewhere"])
    return CLEAN


def _key(options: argparse.Namespace) -> int:
    from replay.identities import make_key  # noqa: PLC0415 - as above

    make_key(options.file)
    emit(options, {"key": str(options.file)}, lambda: [f"a key at {options.file}: for whoever may read file P"])
    return CLEAN


def _insert(options: argparse.Namespace) -> int:
    person, bond = _store(options).add(_facts(options), options.account, ROLES[options.role])
    return _tell(options, person.person, [bond])


def _bind(options: argparse.Namespace) -> int:
    bond = _store(options).bind(options.person, options.account, ROLES[options.role])
    return _tell(options, options.person, [bond])


def _correct(options: argparse.Namespace) -> int:
    store = _store(options)
    store.person(options.person)  # before anything is typed
    return _tell(options, options.person, store.correct(options.person, _facts(options)))


def _tell(options: argparse.Namespace, person: str, bonds: list[Any]) -> int:
    """What goes to the journal, and nothing that is private."""
    told = [{"account": bond.account, "role": ROLE_NAMES[bond.role], "commitment": bond.commitment} for bond in bonds]
    lines = [
        f"person {person}",
        *(
            f"commit_identity: subaccount_id {e['account']}, role {e['role']}, commitment 0x{e['commitment']}"
            for e in told
        ),
    ]
    emit(options, {"person": person, "commitments": told}, lambda: lines)
    return CLEAN


def _show(options: argparse.Namespace) -> int:
    store = _store(options)
    people = list(store.people()) if options.person is None else [store.person(options.person)]
    erased = list(store.erased()) if options.person is None else []
    emit(options, {"people": people, "erased": erased}, lambda: list(_shown(people, erased)))
    return CLEAN


def _shown(people: list[Any], erased: list[Any]) -> Any:
    for person in people:
        yield f"person {person.person}: {person.facts.text()}"
        for bond in person.bonds:
            was = "" if bond.identity == person.facts.text() else f", as {bond.identity}"
            yield f"    account {bond.account}, {ROLE_NAMES[bond.role]}, since {bond.made}: {bond.commitment}{was}"
    for mark in erased:
        yield f"person {mark.person}: erased {mark.erased}, {mark.cause}"


def _erase(options: argparse.Namespace) -> int:
    mark = _store(options).erase(options.person, options.cause)
    emit(options, msgspec.to_builtins(mark), lambda: [f"person {mark.person} is erased; copies of the store are not"])
    return CLEAN


def _check(options: argparse.Namespace) -> int:
    """Commitments without anybody, and people who were never committed to."""
    from replay.export.persons import ERASED, KNOWN, rows_of  # noqa: PLC0415 - as above

    store = _store(options)
    with terminal.progress(open_source(options.journal).last_seq, not options.json) as progress:
        state = replay(options.journal, progress=progress)
    rows = rows_of(state.identities.values(), store)
    here = {row.commitment: None for row in rows}
    unknown = [row for row in rows if row.state not in {KNOWN, ERASED}]
    absent = [
        (person.person, bond) for person in store.people() for bond in person.in_force() if bond.commitment not in here
    ]
    lines = [f"{len(rows)} commitments in force, {len(rows) - len(unknown)} of people who are or were here"]
    lines += [f"nobody: account {row.account}, {row.role}, seq {row.jseq}, {row.commitment}" for row in unknown]
    lines += [f"not in the journal: person {who}, account {bond.account}, {bond.commitment}" for who, bond in absent]
    told = {"nobody": [row.commitment for row in unknown], "not_journaled": [bond.commitment for _, bond in absent]}
    emit(options, {"ok": not (unknown or absent), "in_force": len(rows), **told}, lambda: lines)
    return FOUND if unknown or absent else CLEAN


def _read(options: argparse.Namespace) -> int:
    from replay.export.persons import read_persons  # noqa: PLC0415 - as above
    from replay.identities import read_key  # noqa: PLC0415

    rows = read_persons(options.folder, read_key(options.persons_key))
    lines = [msgspec.json.encode(row, order="sorted").decode() for row in rows]
    emit(options, {"persons": rows}, lambda: lines or ["no commitment was in force on that day"])
    return CLEAN
