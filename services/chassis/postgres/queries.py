"""Named SQL. A `queries.sql` beside its `store.py` holds every statement that the store runs:

-- name: claim_key
-- Why it is as it is.
select …;
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"^-- name: *([a-z][a-z0-9_]*) *$", re.MULTILINE)


class Queries:
    """The statements of one `.sql` file by name: `QUERIES["claim_key"]`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        parts = _NAME.split(path.read_text(encoding="utf-8"))
        names, texts = parts[1::2], parts[2::2]
        if len(set(names)) != len(names):
            raise ValueError(f"{path} names a query twice")
        self._texts = {name: text.strip().removesuffix(";") for name, text in zip(names, texts, strict=True)}

    @classmethod
    def beside(cls, module_file: str, name: str = "queries.sql") -> Queries:
        """The queries in the folder of the module whose `__file__` is given."""
        return cls(Path(module_file).with_name(name))

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)
