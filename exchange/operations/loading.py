"""Settings from a file, the environment and flags, each of which outdoes the one before; and who said what was wrong.

Owns the order of sources and the sentences of refusals. A name that is no setting is refused, with the nearest that is
one. Imports settings, pydantic.
"""

import argparse
import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_settings import CliSettingsSource, EnvSettingsSource

from exchange.operations.settings import Settings

S = TypeVar("S", bound=Settings)
DEEP: Final = "__"


class SettingsError(Exception):
    """Settings that cannot be used: one line for each thing that is wrong, with where it was said."""


class _Said(NamedTuple):
    """What one source says, as nested values."""

    where: str
    values: Mapping[str, Any]


def add_flags(command: argparse.ArgumentParser, schema: type[S]) -> CliSettingsSource[S]:
    """Give a command a flag for each setting, ``--section.name``, short ones for some, and ``--config``."""
    command.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings (docs/SETTINGS.md)")
    return CliSettingsSource(
        schema,
        root_parser=command,
        cli_shortcuts={name.replace("_", "-"): short for name, short in schema.FLAGS.items()},
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )


def load(schema: type[S], options: argparse.Namespace, flags: CliSettingsSource[S]) -> S:
    """The settings of a command. Raises SettingsError."""
    return merged(schema, options.config, flags(parsed_args=options)())


def merged(schema: type[S], file: Path | None, flags: Mapping[str, Any]) -> S:
    """File, environment and flags in one. Raises SettingsError."""
    said = [*_file(schema, file), *_environment(schema), _Said("flag", flags)]
    values: dict[str, Any] = {section: {} for section in schema.model_fields}  # so that what is missing has its name
    for each in said:
        _lay_over(values, each.values)
    try:
        return schema(**values)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentences(schema, error, said))) from None


def _lay_over(values: dict[str, Any], newer: Mapping[str, Any]) -> None:
    for name, value in newer.items():
        if isinstance(value, Mapping) and isinstance(values.get(name), dict):
            _lay_over(values[name], value)
        else:
            values[name] = dict(value) if isinstance(value, Mapping) else value


# -- sources ----------------------------------------------------------------------------------------------------------


def _file(schema: type[S], path: Path | None) -> Iterator[_Said]:
    if path is None:
        return
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:  # undecodable text and unreadable TOML are ValueErrors both
        raise SettingsError(f"{path}: {error}") from error
    unknown = [name for name in _paths(values) if name not in _known(schema) and not _is_inside(schema, name)]
    if unknown:
        raise SettingsError("\n".join(f"{path}: {_unknown(name, _known(schema))}" for name in unknown))
    yield _Said(str(path), values)


def _environment(schema: type[S]) -> Iterator[_Said]:
    """Variables of the command's prefix: ``VERBATIM_SERVE__GATEWAY__PORT``."""
    known = {schema.PREFIX + name.replace(".", DEEP).upper() for name in _known(schema)}
    ours = [name for name in os.environ if name.upper().startswith(schema.PREFIX)]
    unknown = [name for name in ours if name.upper() not in known]
    if unknown:
        raise SettingsError("\n".join(f"environment: {_unknown(name, known)}" for name in sorted(unknown)))
    try:
        values = EnvSettingsSource(schema, env_prefix=schema.PREFIX, env_nested_delimiter=DEEP)()
    except ValueError as error:  # a table that is no JSON
        raise SettingsError(f"environment: {error}") from error
    yield _Said("environment", values)


def _paths(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, f"{above}{name}.")
        else:
            yield above + name


def _known(schema: type[BaseModel], above: str = "") -> list[str]:
    """Every setting by its dotted name."""
    found: list[str] = []
    for name, field in schema.model_fields.items():
        kind = field.annotation
        is_section = isinstance(kind, type) and issubclass(kind, BaseModel)
        found += _known(cast("type[BaseModel]", kind), f"{above}{name}.") if is_section else [above + name]
    return found


def _is_inside(schema: type[BaseModel], name: str) -> bool:
    """Whether a name lies in a table whose keys are free, or is an empty section."""
    known = _known(schema)
    return any(name.startswith(f"{each}.") for each in known) or any(each.startswith(f"{name}.") for each in known)


# -- refusals ---------------------------------------------------------------------------------------------------------


def _unknown(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    return f"{name} is no setting" + (f"; the nearest is {near[0]}" if near else "")


def _sentences(schema: type[BaseModel], error: ValidationError, said: list[_Said]) -> Iterator[str]:
    for each in error.errors(include_url=False, include_context=False):
        path = [str(part) for part in each["loc"]]
        where = next((one.where for one in reversed(said) if _has(one.values, path)), "settings")
        meaning = _meaning(schema, path)
        name = ".".join(path)
        yield f"{where}: {name}: {each['msg']}" + (f" ({meaning})" if meaning else "")


def _has(values: Any, path: list[str]) -> bool:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def _meaning(schema: type[BaseModel], path: list[str]) -> str:
    kind: Any = schema
    for part in path:
        field = kind.model_fields.get(part) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        if field is None:
            return ""
        kind, meaning = field.annotation, field.description or ""
    return meaning
