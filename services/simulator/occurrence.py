"""What happens in a home, before a device has made an event of it."""

from dataclasses import dataclass

from contracts.vocabulary import Priority, Status, priority_of
from services.simulator.malformed import Garbling


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A button pressed, a fall noticed, a battery found low. `garbling` spoils the payload on its way into memory.

    `sent_twice`: its first publish is delivered twice, as happens at QoS 1.
    """

    kind: str
    status: Status = "activated"
    peripheral_id: str | None = None
    location: str | None = None
    text: str | None = None
    test: bool = False
    garbling: Garbling | None = None
    sent_twice: bool = False

    @property
    def needs_person(self) -> bool:
        """Whether somebody must take the alarm that comes of it: tests, restores and cancels need no one."""
        return priority_of(self.kind, self.status, test=self.test, sole_trigger=None) is not Priority.LOG
