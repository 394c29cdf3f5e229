"""What became of a file, told to whoever sent it: in figures, and in faults by line and cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel

from services.registry.domain.intake import Intake
from services.registry.domain.sheet import Fault

ERRORS_TOLD_MAX: Final = 100


class RowError(BaseModel):
    """What is wrong with a row: in which line of the file, which cell of the spreadsheet, which column."""

    line: int
    cell: str
    column: str
    message: str


class ImportAnswer(BaseModel):
    """What became of a file. `errors` are the first hundred of `errors_total`; with `Accept: text/csv` all are sent."""

    dry_run: bool
    mode: Literal["all", "good"]
    rows: int
    created: int
    updated: int
    unchanged: int
    refused: int
    errors_total: int
    errors: list[RowError]


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows of the file, and what became of them; after a dry run, or when nothing was stored, what would have."""

    dry_run: bool
    mode: Literal["all", "good"]
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """`refused_whole`: nothing was stored, or would be, though there was something to store."""

    told: Figures
    faults: Sequence[Fault]
    refused_whole: bool

    @classmethod
    def of(cls, intake: Intake, *, dry_run: bool, mode: Literal["all", "good"]) -> Report:
        """Of a file that could be read."""
        created, updated = len(intake.new), len(intake.changed)
        rows = created + updated + intake.unchanged + intake.refused
        told = Figures(dry_run, mode, rows, created, updated, intake.unchanged, intake.refused)
        faults = sorted(intake.faults, key=lambda fault: (fault.line, fault.position))
        return cls(told, faults, refused_whole=bool(faults) and mode == "all" and not dry_run)

    @classmethod
    def unreadable(cls, faults: Sequence[Fault], *, dry_run: bool, mode: Literal["all", "good"]) -> Report:
        """Of a file that could not."""
        return cls(Figures(dry_run, mode), faults, refused_whole=True)

    @property
    def sentence(self) -> str:
        """Why nothing was stored."""
        first = self.faults[0]
        place = f"line {first.line}" + (f", {first.column}" if first.column else "")
        wrong = (
            f"{self.told.refused:,} of {self.told.rows:,} rows are wrong"
            if self.told.rows
            else "the file cannot be read"
        )
        return f"Nothing was stored, for {wrong}. First, {place}: {first.message}."

    def figures(self) -> dict[str, Any]:
        return asdict(self.told) | {"errors_total": len(self.faults)}

    def errors(self) -> list[dict[str, Any]]:
        """The first hundred; `field` as in every problem document."""
        return [
            {"line": each.line, "cell": each.cell, "column": each.column, "field": each.column, "message": each.message}
            for each in self.faults[:ERRORS_TOLD_MAX]
        ]
