"""What ingest tells alerts of a device's condition through the event log: it fell silent or lost its mains, or that is over.

Many such changes at once may be one outage, so alerts looks at them together before it makes alarms of them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from pydantic import TypeAdapter

from contracts.ids import CouncilId, DeviceId, EventId

STREAM: Final = "conditions"
"""Of the event log; the key is the device's id."""

Condition: TypeAlias = Literal["silent", "mains_lost"]
Turn: TypeAlias = Literal["began", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionChange:
    """One verdict. `version` counts those on a device and condition: of two, the later one is how it is.

    `at` is when it was judged, by the database's clock. `since`: when the device was last heard, or its mains lost; None: it was
    never heard. One that flaps has no end told until it is stable; gone again before, it is told to have begun once more.
    `expected_silent_at`: when its model's battery will be empty; None where that is not known, or nothing to expect.
    `watched`: whether somebody waits for the device; if not, it is over for that alone, and the device need not be well.
    What follows is as last known when it was judged: what devices of one outage may share.
    """

    change_id: EventId
    device_id: DeviceId
    council_id: CouncilId | None
    condition: Condition
    turn: Turn
    at: datetime
    since: datetime | None
    version: int
    flapping: bool = False
    expected_silent_at: datetime | None = None
    watched: bool = True
    model: str | None = None
    firmware: str | None = None
    sim_operator: str | None = None
    cell_id: str | None = None
    network: str | None = None
    postcode_district: str | None = None

    def to_json(self) -> str:
        """As the event log keeps it."""
        return _adapter.dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> "ConditionChange":
        """The change that `to_json` wrote. Raises ValueError on anything else."""
        return _adapter.validate_json(text)


_adapter: Final = TypeAdapter(ConditionChange)
