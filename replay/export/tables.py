"""Tables of an export, and their three canonical forms: NDJSON with sorted keys, CSV, Parquet.

A row is a dictionary of text, integers and truth values; what is blank is left out. Every table begins with ``jseq``,
the record that gave rise to the row, and ``place`` in it, which ascend together and are the row's key. Equal rows give
equal bytes in each form: nothing here reads a clock, a locale or a hash seed. Parquet needs pyarrow, whose version
stands in the manifest because its writer decides the bytes. Imports nothing of the exchange.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol, TypeAlias

import msgspec

Cell: TypeAlias = str | int | bool
Row: TypeAlias = dict[str, Cell]
ROWS_PER_GROUP: Final = 65_536


class Kind(StrEnum):
    """What stands in a column. INTEGER fits 64 bits; what may not is TEXT."""

    TEXT = "text"
    INTEGER = "integer"
    TRUTH = "truth"


class Column(NamedTuple):
    """One column."""

    name: str
    kind: Kind = Kind.TEXT


class Table(NamedTuple):
    """A file of the export: its number and name, and its columns after the key."""

    name: str
    about: str
    body: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, the key first."""
        return (*KEY, *self.body)


KEY: Final = (Column("jseq", Kind.INTEGER), Column("place", Kind.INTEGER))


def columns(*names: str) -> tuple[Column, ...]:
    """Columns from their names; ``name:i`` holds integers, ``name:b`` truth values, any other text."""
    kinds = {"i": Kind.INTEGER, "b": Kind.TRUTH, "": Kind.TEXT}
    return tuple(Column(name, kinds[mark]) for name, _, mark in (text.partition(":") for text in names))


_encode: Final = msgspec.json.Encoder(order="sorted").encode


def line_of(row: Row) -> bytes:
    """A row as one line of canonical NDJSON: RFC 8785 for the text, integers and truth values that rows consist of."""
    return _encode(row) + b"\n"


class Sink(Protocol):
    """Takes the rows of one table in order."""

    def take(self, row: Row) -> None:
        """One more row."""

    def close(self) -> None:
        """That was the last."""


class Ndjson:
    """Lines of JSON."""

    def __init__(self, path: Path, _table: Table) -> None:
        self._file: IO[bytes] = path.open("wb")

    def take(self, row: Row) -> None:
        """One more line."""
        self._file.write(line_of(row))

    def close(self) -> None:
        """The file is complete."""
        self._file.close()


class Csv:
    """A line of names, then lines of cells; text is quoted where RFC 4180 asks for it, lines end with a line feed."""

    def __init__(self, path: Path, table: Table) -> None:
        self._names = [column.name for column in table.columns]
        self._file: IO[bytes] = path.open("wb")
        self._write(self._names)

    def take(self, row: Row) -> None:
        """One more line."""
        self._write([_spelt(row.get(name)) for name in self._names])

    def _write(self, cells: Sequence[str]) -> None:
        self._file.write((",".join(_quoted(cell) for cell in cells) + "\n").encode())

    def close(self) -> None:
        """The file is complete."""
        self._file.close()


def _spelt(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def _quoted(cell: str) -> str:
    if any(mark in cell for mark in ',"\n\r'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


class Parquet:
    """Row groups of ``ROWS_PER_GROUP``, version 2.6, zstd, no metadata of a schema's writer."""

    def __init__(self, path: Path, table: Table) -> None:
        import pyarrow as pa  # noqa: PLC0415 - only who asks for Parquet needs it
        from pyarrow import parquet  # noqa: PLC0415

        kinds: dict[Kind, pa.DataType] = {Kind.TEXT: pa.string(), Kind.INTEGER: pa.int64(), Kind.TRUTH: pa.bool_()}
        self._pa = pa
        self._schema = pa.schema([(column.name, kinds[column.kind]) for column in table.columns])
        self._file = parquet.ParquetWriter(
            path, self._schema, version="2.6", compression="zstd", compression_level=3, store_schema=False
        )
        self._rows: list[Row] = []

    def take(self, row: Row) -> None:
        """One more row, written with its group."""
        self._rows.append(row)
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(self._pa.Table.from_pylist(self._rows, schema=self._schema), len(self._rows))
        self._rows = []

    def close(self) -> None:
        """The file is complete."""
        if self._rows:
            self._flush()
        self._file.close()


FORMATS: Final[dict[str, Callable[[Path, Table], Sink]]] = {"ndjson": Ndjson, "csv": Csv, "parquet": Parquet}


def pyarrow_version() -> str | None:
    """The version whose writer decides the bytes of Parquet; None without it."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - as above
    except ImportError:
        return None
    return str(pa.__version__)


class Writer:
    """One table in the formats asked for, with its number of rows, the first and last record, and a digest of its rows.

    The digest is SHA-256 over the rows as NDJSON, in whatever formats they are written: two exports with the same rows
    have the same one.
    """

    def __init__(self, directory: Path, table: Table, formats: Sequence[str]) -> None:
        self.table = table
        self.rows, self.first, self.last = 0, 0, 0
        self._place = 0
        self._names = {column.name for column in table.columns}
        self._digest = sha256()
        self._sinks = [FORMATS[name](directory / f"{table.name}.{name}", table) for name in formats]

    @property
    def digest(self) -> str:
        """Of the rows so far, in hex."""
        return self._digest.hexdigest()

    def take(self, jseq: int, row: Row) -> None:
        """A row of record ``jseq``; it gets its place there."""
        self._place = self._place + 1 if jseq == self.last else 0
        assert jseq >= self.last
        self.first, self.last = self.first or jseq, jseq
        keyed: Row = {"jseq": jseq, "place": self._place, **row}
        assert keyed.keys() <= self._names, keyed.keys()
        self._digest.update(line_of(keyed))
        self.rows += 1
        for sink in self._sinks:
            sink.take(keyed)

    def close(self) -> None:
        """All files are complete."""
        for sink in self._sinks:
            sink.close()


# -- reading ----------------------------------------------------------------------------------------------------------


class Unreadable(ValueError):
    """A file of an export is not what its name says: the line, counted from 1, and what is wrong there."""

    def __init__(self, path: Path, line: int, fault: str) -> None:
        super().__init__(f"{path.name}, line {line}: {fault}")
        self.line, self.fault = line, fault


def read_rows(path: Path, table: Table) -> Iterator[Row]:
    """The rows of a file in any of the formats, one at a time. Raises Unreadable, or OSError."""
    yield from _READERS[path.suffix.removeprefix(".")](path, table)


def _read_ndjson(path: Path, table: Table) -> Iterator[Row]:
    kinds = {column.name: column.kind for column in table.columns}
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = msgspec.json.decode(line)
            except msgspec.MsgspecError as error:
                raise Unreadable(path, number, f"not JSON: {error}") from error
            fault = _odd(row, kinds) if isinstance(row, dict) else "not an object"
            if fault:
                raise Unreadable(path, number, fault)
            yield row


_TYPES: Final[dict[Kind, type]] = {Kind.TEXT: str, Kind.INTEGER: int, Kind.TRUTH: bool}


def _odd(row: dict[str, Any], kinds: dict[str, Kind]) -> str:
    """What is wrong with the columns of a row, if anything is."""
    for name, value in row.items():
        if name not in kinds:
            return f"no column {name}"
        if type(value) is not _TYPES[kinds[name]]:
            return f"{name} holds no {kinds[name]}"
    return "" if "jseq" in row and "place" in row else "no key"


def _read_csv(path: Path, table: Table) -> Iterator[Row]:
    names = [column.name for column in table.columns]
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file, strict=True)
        if next(reader, None) != names:
            raise Unreadable(path, 1, "other columns than the table has")
        for number, cells in enumerate(reader, 2):
            if len(cells) != len(names):
                raise Unreadable(path, number, f"{len(cells)} cells for {len(names)} columns")
            try:
                yield {
                    column.name: _parsed(cell, column.kind)
                    for column, cell in zip(table.columns, cells, strict=True)
                    if cell
                }
            except ValueError as error:
                raise Unreadable(path, number, str(error)) from error


def _parsed(cell: str, kind: Kind) -> Cell:
    if kind is Kind.INTEGER:
        return int(cell)
    if kind is Kind.TRUTH:
        if cell not in {"true", "false"}:
            raise ValueError(f"{cell!r} is neither true nor false")
        return cell == "true"
    return cell


def _read_parquet(path: Path, table: Table) -> Iterator[Row]:
    import pyarrow as pa  # noqa: PLC0415 - as above
    from pyarrow import parquet  # noqa: PLC0415

    try:
        with parquet.ParquetFile(path) as file:
            if file.schema_arrow.names != [column.name for column in table.columns]:
                raise Unreadable(path, 1, "other columns than the table has")
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    yield {name: value for name, value in row.items() if value is not None}
    except pa.ArrowException as error:
        raise Unreadable(path, 1, f"not Parquet: {error}") from error


_READERS: Final[dict[str, Callable[[Path, Table], Iterator[Row]]]] = {
    "ndjson": _read_ndjson,
    "csv": _read_csv,
    "parquet": _read_parquet,
}
