"""What whoever runs the console adds to it: the demo has a way in without a token, and a pendant to press."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Button:
    """Posts to `path`, a route of whoever adds it."""

    label: str
    path: str


@dataclass(frozen=True, slots=True)
class Embedding:
    """`sign_in`: on the sign-in page, beside its form. `tools`: in the bar at the top of every page."""

    sign_in: Button | None = None
    tools: tuple[Button, ...] = ()
