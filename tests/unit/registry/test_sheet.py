"""Spreadsheets' files: every dialect that they write is read, and what can't be read says in which line and what to do."""

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.bulk.reading import ROWS_MAX, Sheet, Unreadable, read_sheet
from services.registry.domain.sheet import Fault, defused, fused, letters

HEAD = "device_id,council_id,serial,model,notes"
ROW = 'TC-1,fife,SN-1,hearth-4g,"green case, scratched"'


def cells(sheet: Sheet) -> list[list[str]]:
    return [list(row.cells.values()) for row in sheet.rows]


def fault_of(body: bytes) -> Fault:
    with pytest.raises(Unreadable) as refusal:
        read_sheet(body)
    return refusal.value.faults[0]


@pytest.mark.parametrize(
    "body",
    [
        f"{HEAD}\n{ROW}\n".encode(),
        f"{HEAD}\r\n{ROW}".encode(),
        f"{HEAD}\r{ROW}\r".encode(),
        f"\ufeff{HEAD}\r\n{ROW}\r\n".encode(),
        b'device_id;council_id;serial;model;notes\r\nTC-1;fife;SN-1;hearth-4g;"green case, scratched"\r\n;;;;\r\n',
        b'sep=;\r\ndevice_id;council_id;serial;model;notes\r\nTC-1;fife;SN-1;hearth-4g;"green case, scratched"',
        b"device_id\tcouncil_id\tserial\tmodel\tnotes\nTC-1\tfife\tSN-1\thearth-4g\tgreen case, scratched\n",
        f" Device ID ,COUNCIL_ID,serial,Model,notes,,\n\n{ROW},,\n\n".encode(),
    ],
    ids=["unix", "windows", "old mac", "with a byte order mark", "semicolons", "excel's own line", "tabs", "untidy"],
)
def test_every_dialect_says_the_same(body: bytes) -> None:
    assert cells(read_sheet(body)) == [["TC-1", "fife", "SN-1", "hearth-4g", "green case, scratched"]]


def test_a_cell_may_hold_line_breaks_and_lines_are_counted_as_an_editor_does() -> None:
    body = f'{HEAD}\r\nTC-1,fife,SN-1,m,"one\r\ntwo ""so"""\r\n\r\nTC-2,fife,SN-2,m,\r\n'
    sheet = read_sheet(body.encode())
    assert sheet.rows[0].cells["notes"] == 'one\r\ntwo "so"'
    assert [(row.line, row.number) for row in sheet.rows] == [(2, 2), (5, 4)]


@pytest.mark.parametrize(
    ("body", "line", "told"),
    [
        (b"", 1, "empty"),
        (b"\n\n", 1, "empty"),
        (f"{HEAD}\nTC-1,fife,S,m,".encode() + "Café".encode("latin-1"), 2, "CSV UTF-8"),
        (f"{HEAD}\n{ROW}".encode("utf-16"), 1, "UTF-16"),
        (b"PK\x03\x04 a workbook", 1, "spreadsheet's own file"),
        (f"{HEAD}\n{ROW}\nTC-2,fi\0fe,S,m,\n".encode(), 3, "NUL"),
        (f'{HEAD}\n{ROW}\nTC-2,fife,S,m,"open\n'.encode(), 3, "never closed"),
        (f'{HEAD}\nTC-2,fife,S,m,"open\n'.encode() + b"x,y,z,u,v\n" * 50_000, 2, "never closed"),
        (f'{HEAD}\nTC-2,fife,S,m,"a"b\n'.encode(), 2, "quotation mark"),
        (f"{HEAD},colour\n".encode(), 1, "there is no column colour"),
        (f"{HEAD},notes\n".encode(), 1, "twice"),
        (b"device_id,,serial,model,council_id\n", 1, "column B has no name"),
        (b"device_id,serial\nTC-1,S\n", 1, "council_id, model"),
        (",".join(f"c{n}" for n in range(1000)).encode(), 1, "1,000 columns"),
        (b"a" * 3_000_000, 1, ""),
        (b"\xff" * 1000, 1, ""),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_do(body: bytes, line: int, told: str) -> None:
    fault = fault_of(body)
    assert (fault.line, told in fault.message) == (line, True), fault.message
    assert len(fault.message) < 400


def test_a_row_that_was_cut_short_is_no_row_with_empty_cells() -> None:
    sheet = read_sheet(f"{HEAD}\nTC-1,fife,SN-1,m\nTC-2,fife,SN-2,m,,what\n{ROW}\n".encode())
    assert [(fault.line, fault.message[:18]) for fault in sheet.faults] == [
        (2, "this row has 4 of "),
        (3, "this row has more "),
    ]
    assert len(sheet.rows) == 1


def test_a_file_has_an_end() -> None:
    assert "cut it into several" in fault_of(f"{HEAD}\n".encode() + b"a,b,c,d,e\n" * (ROWS_MAX + 1)).message


@given(st.text())
def test_a_defused_cell_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    cell = defused(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert fused(cell) == text


@pytest.mark.parametrize("text", ["=1+1", "+44", "-1", "@SUM(A1)", "'=1", "''@x", "plain", "'plain", "", "＝1"])
def test_an_apostrophe_is_put_before_what_would_be_calculated(text: str) -> None:
    assert fused(defused(text)) == text
    assert (defused(text) != text) == (text.lstrip("'")[:1] in set("=+-@＝") and text != "")


@given(st.binary(max_size=400))
def test_no_bytes_whatever_break_the_reader(body: bytes) -> None:
    for each in (body, HEAD.encode() + b"\n" + body):
        with contextlib.suppress(Unreadable):
            assert read_sheet(each).positions


_ROWS = st.lists(
    st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=5, max_size=5)
)


@given(_ROWS, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
def test_what_a_spreadsheet_wrote_is_read_as_it_was(rows: list[list[str]], delimiter: str, end: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([HEAD.split(","), *rows])
    wanted = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    assert cells(read_sheet(text.getvalue().encode())) == wanted


def test_columns_are_named_as_spreadsheets_name_them() -> None:
    assert [letters(n) for n in (0, 1, 26, 27, 52, 703)] == ["", "A", "Z", "AA", "AZ", "AAA"]
