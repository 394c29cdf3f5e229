"""The pages' templates and files, and the words in them."""

from __future__ import annotations

from typing import Final

from services.chassis.pages import Site

SITE: Final = Site("/engineer", __file__)

STAGES: Final = {
    "ordered": "ordered",
    "registered": "on the register",
    "claimed": "claimed",
    "installed": "fitted",
    "commissioning": "being commissioned",
    "live": "live",
    "suspended": "suspended",
    "withdrawn": "withdrawn",
}
STATES: Final = {"waiting": "To do", "passed": "Done", "failed": "Not good", "advice": "Good enough"}
NEXT: Final = {
    "ordered": ("register", "It has come"),
    "registered": ("claim", "Claim this box"),
    "claimed": ("install", "It is fitted"),
    "installed": ("commission", "Begin commissioning"),
}
"""The one step that follows, and what its button says."""

HINTS: Final = {
    "ordered": "The box is ordered. Press when you have it before you.",
    "registered": "A claim is a code, shown once, with which the box fetches its own credential.",
    "claimed": "Fit the box and switch it on. Press when it stands where it shall stay.",
    "installed": "From now on what the box sends is looked at, and for half an hour it reports every 15 s.",
}

SITE.environment.globals |= {"stages": STAGES, "states": STATES, "next_of": NEXT, "hints": HINTS}
