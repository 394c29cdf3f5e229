"""A file's bytes as rows of cells, in whichever dialect a spreadsheet has written them. What can't be read says what to do."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.registry.domain.sheet import COLUMNS, REQUIRED, STAGE, Fault, letters

ROWS_MAX: Final = 50_000
BODY_BYTES_MAX: Final = 16 * 1024 * 1024
_CELL_CHARS_MAX: Final = 16 * 1024
_COLUMNS_MAX: Final = 64
_TOLD_MAX: Final = 8

_SAVE_AS_UTF8: Final = (
    "save the spreadsheet again as “CSV UTF-8 (comma delimited)” (Excel), or with the character set “Unicode (UTF-8)” "
    "(LibreOffice)"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row's cells by the names of their columns; `line` of the file, `number` of the spreadsheet's row."""

    line: int
    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What was read. `positions`: where each column stands, from 1. `faults`: rows that are not there in `rows`."""

    rows: Sequence[Row]
    positions: dict[str, int]
    faults: Sequence[Fault]


class Unreadable(Exception):
    """The file as a whole can't be read, so that nothing in it can be trusted; where and why, for a person."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


def read_sheet(body: bytes) -> Sheet:
    """The rows of the file. Raises Unreadable."""
    records = _records(_text(body))
    try:
        header = next(records, None)
        if header is None:
            raise _unreadable(1, "the file is empty; its first row names the columns, such as device_id")
        positions = _positions(header)
        return _rows(records, positions)
    except csv.Error as error:
        raise _unreadable(1, f"this is no CSV file: {error}") from None


def _text(body: bytes) -> str:
    if body.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise _unreadable(1, f"this is a spreadsheet's own file, and no CSV: {_SAVE_AS_UTF8}")
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(1, f"this is UTF-16, not UTF-8: {_SAVE_AS_UTF8}")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise _unreadable(line, f"this line holds a letter that is not written in UTF-8: {_SAVE_AS_UTF8}") from None
    if "\0" in text:
        raise _unreadable(
            text.count("\n", 0, text.index("\0")) + 1, "this line holds a NUL, which no spreadsheet writes"
        )
    return text


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    number: int
    cells: list[str]


def _records(text: str) -> Iterator[_Record]:
    """The records that are not blank, with where they begin. Spreadsheets in much of Europe separate by semicolons."""
    stream = io.StringIO(text, newline="")
    number = 0
    head = stream.readline()
    if head.strip().lower().startswith("sep=") and len(head.strip()) == len("sep=;"):  # a line of Excel's own
        number, delimiter = 1, head.strip()[-1]
    else:
        delimiter = max(",;\t", key=head.count)
        stream.seek(0)
    lines_before = number
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + lines_before + 1
        number += 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _unreadable(line, _explained(error)) from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield _Record(line, number, cells)


def _explained(error: csv.Error) -> str:
    if "unexpected end" in str(error) or "field limit" in str(error):
        return "a quotation mark is opened in this row and never closed"
    return "a quotation mark in this row is followed by more text: write two of them for one, and put the cell in quotation marks"


def _positions(header: _Record) -> dict[str, int]:
    names = [name.strip().casefold().replace(" ", "_") for name in header.cells]
    while names and not names[-1]:
        names.pop()
    if len(names) > _COLUMNS_MAX:
        raise _unreadable(
            header.line, f"the file has {len(names):,} columns; there are {len(COLUMNS)} that may be there"
        )
    faults = list(_faults_of_header(header, names))
    lacking = [name for name in REQUIRED if name not in names]
    if lacking:
        message = f"these columns are missing: {', '.join(lacking)}; the first row holds the columns' names"
        faults.append(Fault(header.line, header.number, "", message))
    if faults:
        raise Unreadable(*faults[:_TOLD_MAX])
    return {name: position for position, name in enumerate(names, 1)}


def _faults_of_header(header: _Record, names: Sequence[str]) -> Iterator[Fault]:
    for position, name in enumerate(names, 1):
        shown = header.cells[position - 1].strip()[:64]
        if name in names[: position - 1] and name:
            yield Fault(header.line, header.number, shown, f"the column {name} is there twice", position)
        elif not name:
            yield Fault(header.line, header.number, "", f"column {letters(position)} has no name", position)
        elif name not in COLUMNS:
            message = f"there is no column {shown}; those of an import are {', '.join((*COLUMNS[:11], STAGE))}"
            yield Fault(header.line, header.number, shown, message, position)


def _rows(records: Iterator[_Record], positions: dict[str, int]) -> Sheet:
    names = list(positions)
    rows: list[Row] = []
    faults: list[Fault] = []
    for record in records:
        if len(rows) + len(faults) >= ROWS_MAX:
            raise _unreadable(record.line, f"the file has more than {ROWS_MAX:,} rows; cut it into several")
        if fault := _misshapen(record, len(names)):
            faults.append(fault)
        else:
            cells = {name: cell.strip() for name, cell in zip(names, record.cells, strict=False)}
            rows.append(Row(record.line, record.number, cells))
    return Sheet(rows, positions, faults)


def _misshapen(record: _Record, width: int) -> Fault | None:
    cells = record.cells
    if len(cells) < width:
        message = f"this row has {len(cells)} of {width} cells: a separator is missing, or the file was cut short"
        return Fault(record.line, record.number, "", message)
    if any(cell.strip() for cell in cells[width:]):
        message = (
            f"this row has more cells than the {width} columns: put a cell that holds a separator in quotation marks"
        )
        return Fault(record.line, record.number, "", message)
    for position, cell in enumerate(cells, 1):
        if len(cell) > _CELL_CHARS_MAX:
            return Fault(record.line, record.number, "", "this cell is much too long", position)
    return None


def _unreadable(line: int, message: str) -> Unreadable:
    return Unreadable(Fault(line, line, "", message))
