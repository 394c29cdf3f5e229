"""One line of the checklist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

State: TypeAlias = Literal["waiting", "passed", "failed", "advice"]
"""`advice`: it will do, and something could be better. `failed`: it will not pass by waiting."""

DONE: Final[frozenset[State]] = frozenset({"passed", "advice"})


@dataclass(frozen=True, slots=True)
class Item:
    """`say`: how it stands, and `do`: what to do now, to somebody in a hallway. `wait_s`: until it can have changed.

    `count` of `of`: how far it has come, where that can be counted.
    """

    key: str
    title: str
    state: State
    say: str
    do: str | None = None
    wait_s: int | None = None
    count: int | None = None
    of: int | None = None

    @property
    def done(self) -> bool:
        return self.state in DONE
