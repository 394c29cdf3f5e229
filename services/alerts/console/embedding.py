"""What whoever runs the console adds to it: the demo has a pendant to press."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Button:
    """Posts to `path`, a route of whoever adds it."""

    label: str
    path: str


@dataclass(frozen=True, slots=True)
class Embedding:
    """`tools`: in the bar at the top of the console."""

    tools: tuple[Button, ...] = ()
