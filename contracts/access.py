"""Who is asking: what a bearer token stands for."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from contracts.ids import CouncilId, HubId

Role: TypeAlias = Literal["ops", "engineer", "hub", "viewer"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller with a role. A `hub` belongs to one hub; `councils` of None is every council."""

    name: str
    role: Role
    hub_id: HubId | None = None
    councils: frozenset[CouncilId] | None = None
