"""Who may do what in the registry (contract, "Roles"): ops everything, an engineer their councils' devices, others read."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from contracts.access import Principal
from services.chassis.http import require

Ops: TypeAlias = Annotated[Principal, require("ops")]
Fitter: TypeAlias = Annotated[Principal, require("ops", "engineer")]
HubReader: TypeAlias = Annotated[Principal, require("ops", "viewer", "hub")]
Anyone: TypeAlias = Annotated[Principal, require("ops", "engineer", "hub", "viewer")]
HubKeeper: TypeAlias = Annotated[Principal, require("ops", "hub")]
