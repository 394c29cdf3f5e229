"""Rows of cells as devices: by the same rules as one that is registered by itself, with the words of a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from services.registry.bulk.reading import Row, Sheet
from services.registry.devices.bodies import DeviceBody
from services.registry.domain.intake import Candidate
from services.registry.domain.lifecycle import Stage
from services.registry.domain.sheet import ATTRIBUTES, STAGE, Fault, fused


class _RowBody(DeviceBody):
    stage: Stage = "registered"  # type: ignore[assignment]  # an export names every stage; which may be is judged later


_WORDS: Final[Mapping[tuple[str, str], str]] = {
    ("device_id", "string_pattern_mismatch"): "has letters, digits, - and _ only, and 64 of them at most",
    ("council_id", "string_pattern_mismatch"): "is the short name of a council, such as glasgow-city",
    ("sim_operator", "string_pattern_mismatch"): "has five or six digits, such as 23410",
}


def candidates(sheet: Sheet) -> tuple[list[Candidate], list[Fault], int]:
    """The rows that are right in themselves; what is wrong with the others, and how many these are."""
    found: list[Candidate] = []
    faults = list(sheet.faults)
    refused = len(sheet.faults)
    for row in sheet.rows:
        read = _read(row, sheet.positions)
        if isinstance(read, Candidate):
            found.append(read)
        else:
            faults += read
            refused += 1
    return found, faults, refused


def _read(row: Row, positions: Mapping[str, int]) -> Candidate | Sequence[Fault]:
    cells = row.cells
    told = {name: fused(cell) for name in (*ATTRIBUTES, STAGE) if (cell := cells.get(name))}
    if STAGE in told:
        told[STAGE] = told[STAGE].casefold()
    if "notes" in told:
        told["notes"] = told["notes"].replace("\r\n", "\n")
    try:
        body = _RowBody.model_validate(told)
    except ValidationError as error:
        return [
            Fault(row.line, row.number, column, message, positions.get(column, 0)) for column, message in _told(error)
        ]
    said: dict[str, Any] = {name: getattr(body, name) for name in told if name != STAGE}
    return Candidate(row.line, row.number, said, body.stage)


def _told(error: ValidationError) -> Iterator[tuple[str, str]]:
    # Neither the cell nor pydantic's context is repeated: who knows what stands in it.
    for each in error.errors(include_input=False, include_url=False, include_context=False):
        column, kind = str(each["loc"][0]), each["type"]
        if kind == "missing":
            yield column, "is empty"
        else:
            yield column, _WORDS.get((column, kind), each["msg"].removeprefix("Value error, "))
