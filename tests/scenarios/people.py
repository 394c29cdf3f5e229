"""The people of a story: hubs that are told, and operators who answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from standardwebhooks import Webhook

from services.chassis.clock import Clock
from services.simulator.desk import HubConfig
from services.simulator.hub import SimulatedHub
from services.simulator.logbook import Notified
from tests.blackbox.api import Answer, Api
from tests.blackbox.box import Box
from tests.support.servers import until

_TOLERANCE: Final = timedelta(minutes=5)  # Standard Webhooks: what is older or newer may be somebody's replay

AT_LEISURE_S: Final = 60.0
"""For what nobody promises to be quick: a machine that does ten other things at once takes its time."""
SIDE_BY_SIDE: Final = 8
"""So many notifications are on their way to a hub at once, and these arrive in any order."""


class Hub(SimulatedHub):
    """A hub whose clock is the story's: what it is told must be signed, and signed now."""

    def __init__(self, hub_id: str, clock: Clock) -> None:
        super().__init__(HubConfig(hub_id=hub_id))
        self._clock = clock

    def is_ours(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """As the library judges, but for its clock, which is the host's."""
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        signature = Webhook(self.secret).sign(headers["webhook-id"], at, body.decode())
        return abs(self._clock.now() - at) <= _TOLERANCE and signature in headers["webhook-signature"].split(" ")

    def heard(self, type_: str | None = None, *, of: Box | None = None) -> list[Notified]:
        """What it was told, each notification once, in the order of first arrival."""
        return [
            each
            for each in self.logbook
            if (type_ is None or each.type == type_) and (of is None or each.data.get("device_id") == of.device_id)
        ]

    def heard_of_homes(self, type_: str) -> list[Notified]:
        """As `heard`, of boxes alone. A hub that was down for long is an alarm by itself, and whether probes have found that
        before a story's hour is over depends on the machine: they go by the real clock. So does whoever tells that nobody heard
        the boxes for 15 s.
        """
        of = ((each, str(each.data["device_id"])) for each in self.heard(type_))
        return [each for each, device_id in of if device_id != "monitoring" and not device_id.startswith("hub-")]

    async def hears(self, type_: str = "alarm.raised", *, of: Box, times: int = 1) -> Notified:
        """Wait until it has been told so often, and return the last one."""
        what = f"{times} {type_} of {of.device_id} at {self.config.hub_id}"
        return (await until(lambda: self.heard(type_, of=of)[times - 1 : times], AT_LEISURE_S, what=what))[0]


@dataclass(frozen=True)
class Operator:
    """Somebody at a hub. What they do is answered as the HTTP API answers it."""

    name: str
    api: Api

    async def takes(self, alarm: Mapping[str, Any]) -> Answer:
        return await self.does(alarm, "acknowledge")

    async def gives_back(self, alarm: Mapping[str, Any]) -> Answer:
        return await self.does(alarm, "release")

    async def closes(self, alarm: Mapping[str, Any], outcome: str | None) -> Answer:
        return await self.does(alarm, "close", outcome=outcome)

    async def does(self, alarm: Mapping[str, Any], what: str, **fields: object) -> Answer:
        """Anything, in this operator's name; a field of None is left out."""
        body = {name: value for name, value in {"operator": self.name, **fields}.items() if value is not None}
        return await self.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/{what}", body)
