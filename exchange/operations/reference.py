"""Settings told from their schema: docs/SETTINGS.md, and an example file. Imports settings.

``verbatim settings`` prints the first, ``verbatim settings --example`` the second.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exchange.operations.settings import SCHEMAS, Settings

HEAD: Final = """# Settings

This page is written by `verbatim settings`, from the schema that the commands obey. A setting is said in a TOML file
(`--config FILE`), in the environment, or as a flag; a later one of these outdoes an earlier one. `gateway.port` is

| in the file | `[gateway]`, and below it `port = 8080` |
|---|---|
| in the environment | `VERBATIM_SERVE__GATEWAY__PORT=8080` |
| as a flag | `--gateway.port 8080`, or the short one below |

A name that is no setting is refused, with the nearest that is one; so is a value out of its bounds: exit code 2, before
anything is opened. `verbatim settings --example` prints a file with every setting at its default, `verbatim settings
--check FILE` says whether a file would do. Tables are JSON in the environment and `name=value` as a flag.

No setting changes what is decided: what does is a command in the journal, and replay reads no settings.
`taker_delay_ms` is said at the first start, journaled with the terms, and held to them ever after. No setting is a
secret; some name the file that has one. The signer's file is described with [the signer](SIGNER.md#settings).

SIGHUP takes up those marked ↻ in a running venue, without a connection lost; the others need a restart.
"""


def page() -> str:
    """docs/SETTINGS.md."""
    return HEAD + "".join(_command(name, schema) for name, schema in SCHEMAS.items())


def example(name: str) -> str:
    """A TOML file with every setting of a command at its default; those without one are commented out."""
    lines = [f"# Settings of `verbatim {name}`: docs/SETTINGS.md says what each is.\n"]
    for section, fields in sections(SCHEMAS[name]):
        lines.append(f"\n[{section}]")
        for field, info in fields.items():
            lines += [f"# {_text(info)}", _assignment(field, info)]
    return "\n".join(lines) + "\n"


def _command(name: str, schema: type[Settings]) -> str:
    text = f"\n## `verbatim {name}`\n\nVariables begin with `{schema.PREFIX}`.\n"
    for section, fields in sections(schema):
        doc = schema.model_fields[section].annotation
        text += f"\n### {name}: {section}\n\n{doc.__doc__ if doc is not None else ''}\n\n"
        text += "| setting | default | bounds | unit | flag | |\n|---|---|---|---|---|---|\n"
        for field, info in fields.items():
            text += _row(section, field, info, schema.FLAGS)
    return text


def _row(section: str, field: str, info: FieldInfo, flags: Mapping[str, str]) -> str:
    said = said_of(info)
    dotted = f"{section}.{field}"
    short = flags.get(dotted)
    flag = f"--{short}" if short else f"--{dotted.replace('_', '-')}"
    mark = " ↻" if said["reread"] else ""
    return (
        f"| `{dotted}`{mark} | {_default(info)} | {_bounds(info)} | {said['unit']} | `{flag}` | {info.description} |\n"
    )


def sections(schema: type[BaseModel]) -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    """Sections of a schema with their settings."""
    for name, info in schema.model_fields.items():
        kind = info.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        yield name, kind.model_fields


def said_of(info: FieldInfo) -> dict[str, Any]:
    """What is said of a setting besides its bounds: unit, and whether SIGHUP takes it up."""
    extra = info.json_schema_extra
    assert isinstance(extra, dict)
    return dict(extra)


def _default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "must be given"
    if info.default is None:
        return "none"
    return f"`{_toml(info.default)}`"


def _bounds(info: FieldInfo) -> str:
    """Least and most, or the words that are taken."""
    found = {kind: getattr(each, kind) for each in info.metadata for kind in ("ge", "le") if hasattr(each, kind)}
    if found:
        return f"{found['ge']:,} to {found['le']:,}"
    return ", ".join(f"`{word}`" for word in get_args(info.annotation) if isinstance(word, str))


def _text(info: FieldInfo) -> str:
    bounds = _bounds(info)
    unit = said_of(info)["unit"]
    return f"{info.description}" + (f" [{bounds.replace('`', '')}{' ' + unit if unit else ''}]" if bounds else "")


def _assignment(field: str, info: FieldInfo) -> str:
    if info.default is PydanticUndefined or info.default is None:
        return f"# {field} ="
    return f"{field} = {_toml(info.default)}"


def _toml(value: Any) -> str:
    """A value as TOML has it. JSON's strings, numbers and booleans are TOML's too."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{name}" = {_toml(each)}' for name, each in value.items()) + " }" if value else "{}"
    return json.dumps(str(value) if isinstance(value, Path) else value)
