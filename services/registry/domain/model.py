"""What a model of device promises: how often it reports, how long it lives without mains, over what, and what calls with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

from contracts.vocabulary import Network

Path: TypeAlias = Literal["ethernet", "wifi", "mobile"]
PATHS: Final[tuple[Path, ...]] = get_args(Path)

DEFAULT: Final = "default"
"""The row that stands for every model that has none."""

PATH_OF: Final[Mapping[Network, Path]] = MappingProxyType(
    {"ethernet": "ethernet", "wifi": "wifi", "lte": "mobile", "umts": "mobile", "gsm": "mobile", "nb_iot": "mobile"}
)
"""Which path a heartbeat's `network` proves: a SIM that falls back to an older network is the same path."""


@dataclass(frozen=True, slots=True)
class Promise:
    """By what a device of this model is judged. Late after so many intervals missed; silent, an alarm's matter, after so long.

    `battery_hours` without mains; a signal below `signal_dbm_min` is weak. None is not known, and nothing is judged by it.
    """

    heartbeat_interval_s: int
    late_after_missed: int
    silent_after_s: int
    battery_hours: int | None
    signal_dbm_min: int | None
    paths: Sequence[str]
    triggers: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Model(Promise):
    """A model's promise, and who wrote it down when."""

    model: str
    changed_at: datetime
    changed_by: str


def silent_after_s(heartbeat_interval_s: int, late_after_missed: int) -> int:
    """When nothing else is said: thrice as late as late, and ten minutes at least, which a box takes to start again."""
    return max(600, 3 * heartbeat_interval_s * late_after_missed)
