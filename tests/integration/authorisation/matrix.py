"""The table `matrix.txt`, read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from contracts.access import Role

FILE: Final = Path(__file__).with_name("matrix.txt")

Verdict: TypeAlias = Literal["yes", "own", "part", "no", "-"]
Door: TypeAlias = Literal["open", "401", "gate", "own", "door"]
ROLES: Final[tuple[Role, ...]] = ("ops", "engineer", "hub", "viewer")


@dataclass
class Entry:
    """A route, who may use it, and what is sent to it."""

    method: str
    path: str
    door: Door
    verdicts: dict[Role, Verdict]
    json: str | None = None
    form: str | None = None
    query: str = ""
    values: dict[str, str] = field(default_factory=dict)

    @property
    def route(self) -> tuple[str, str]:
        return self.method, self.path

    @property
    def is_page(self) -> bool:
        return not self.path.startswith("/api/")

    @property
    def names(self) -> list[str]:
        """The parameters of its path."""
        return re.findall(r"\{(\w+)(?::\w+)?\}", self.path)


def read_matrix(text: str | None = None) -> list[Entry]:
    """The entries, in their order. Raises ValueError naming the line that is none."""
    entries: list[Entry] = []
    row: list[Entry] = []  # one line may stand for several methods
    for number, line in enumerate((text or FILE.read_text(encoding="utf-8")).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if line.startswith(" "):
                for entry in row:
                    _add(entry, *line.split(None, 1))
            else:
                row = _entries(line)
                entries += row
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{FILE.name}, line {number}: {error}: {line.strip()!r}") from None
    return entries


def _entries(line: str) -> list[Entry]:
    methods, path, door, *verdicts = line.split()
    if len(verdicts) != len(ROLES) or not set(verdicts) <= set(get_args(Verdict)) or door not in get_args(Door):
        raise ValueError("not a route, its door, and a verdict for each role")
    return [Entry(method, path, door, dict(zip(ROLES, verdicts, strict=True))) for method in methods.split(",")]  # type: ignore[arg-type]


def _add(entry: Entry, word: str, rest: str) -> None:
    match word:
        case "json":
            json.loads(rest)
            entry.json = rest
        case "form":
            entry.form = rest
        case "query":
            entry.query = rest
        case "path":
            entry.values = dict(pair.split("=", 1) for pair in rest.split())
        case _:
            raise ValueError("an indented line begins with json, form, path or query")
