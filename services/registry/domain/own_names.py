"""Names at the broker that are our own processes', and so nobody else's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

REFUSAL: Final = "the service itself has this name at the broker; register the device under another id"


class OwnNames:
    """Asked in any case of letters: a name that differs in its capitals only would mislead whoever reads a log."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower() for name in names)

    def __contains__(self, device_id: str) -> bool:
        return device_id.lower() in self._names
