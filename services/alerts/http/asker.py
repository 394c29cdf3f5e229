"""What of all alarms is the asker's business: everything (ops, viewer), one hub's, or some councils' (engineer)."""

from dataclasses import dataclass
from typing import Annotated, Self, TypeAlias

from contracts.access import Principal
from contracts.ids import HubId
from services.chassis.http import require

Reader: TypeAlias = Annotated[Principal, require("ops", "hub", "engineer", "viewer")]
Operator: TypeAlias = Annotated[Principal, require("ops", "hub")]


@dataclass(frozen=True, slots=True)
class Scope:
    """Each of None is no restriction."""

    hub: HubId | None
    councils: list[str] | None

    @classmethod
    def of(cls, who: Principal) -> Self:
        return cls(who.hub_id, None if who.councils is None else sorted(who.councils))
