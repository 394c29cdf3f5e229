"""Whether the box speaks for itself: what anybody with its council's shared password may say in its name proves little."""

from __future__ import annotations

from typing import Final

from services.registry.domain.checklist.evidence import Evidence
from services.registry.domain.checklist.item import Item

_TOLD_S: Final = 10
_EXCHANGE_S: Final = 30


def own_credential(evidence: Evidence) -> Item | None:
    """Exchanged, and at the broker. None where the broker's register is nobody's, and it lets in whoever comes."""
    key, title = "own_credential", "Its own credential"
    match evidence.credential:
        case None:
            return None
        case "at_broker":
            return Item(key, title, "passed", "The box has a password of its own, and nobody else speaks for it.")
        case "exchanged":
            say = "The box has a password of its own; the broker is being told."
            do = "If it stays so for some minutes, tell whoever runs this service."
            return Item(key, title, "waiting", say, do, wait_s=_TOLD_S)
        case "none":
            say = "The box has no password of its own yet: another could speak in its name."
            do = "Enter its claim code at the box. If the code was used or is old, claim the box again for a new one."
            return Item(key, title, "waiting", say, do, wait_s=_EXCHANGE_S)
