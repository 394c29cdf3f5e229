"""How a device is written as a row: the columns' names, and cells that no spreadsheet takes for a formula."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

REQUIRED: Final = ("device_id", "council_id", "serial", "model")
OPTIONAL: Final = (
    "postcode_district",
    "sim_operator",
    "iccid",
    "installation_ref",
    "replaces_analogue",
    "sole_trigger",
    "notes",
)
STAGE: Final = "stage"
# What the registry tells in an export, and takes from no file.
TOLD: Final = (
    "registered_at",
    "changed_at",
    "live_at",
    "suspended_until",
    "overridden_at",
    "overridden_by",
    "override_reason",
    "override_missing",
    "replaced_by",
)
ATTRIBUTES: Final = (*REQUIRED, *OPTIONAL)
COLUMNS: Final = (*ATTRIBUTES, STAGE, *TOLD)

# What a spreadsheet calculates, or may after it has stripped what stands before: OWASP, "CSV Injection". The wide forms are
# narrowed by East Asian editions.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_DEFUSED: Final = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file: in which line of it and which cell of the spreadsheet, in a sentence."""

    line: int
    row: int
    column: str
    message: str
    position: int = 0  # of the column, from 1; 0: the whole row

    @property
    def cell(self) -> str:
        """As a spreadsheet names it, C17; the row alone when it is about no column."""
        return f"{letters(self.position)}{self.row}"


def defused(cell: str) -> str:
    """The cell with an apostrophe before what would be calculated; `fused` takes away exactly that."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def fused(cell: str) -> str:
    """The cell as it was before it was `defused`."""
    return cell[1:] if _DEFUSED.match(cell) else cell


def letters(position: int) -> str:
    """The column's name in a spreadsheet: A is 1, AA is 27; nothing for 0."""
    name = ""
    while position > 0:
        position, rest = divmod(position - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
