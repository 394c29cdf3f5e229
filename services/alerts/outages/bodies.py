"""What the HTTP API takes and gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from contracts import action
from contracts.fields import Payload, Time
from contracts.notification import OutageData
from services.alerts.outages.store import outage_of
from services.alerts.outages.telling import data_of
from services.chassis.http import Body

if TYPE_CHECKING:
    from asyncpg import Record


class OutageView(OutageData):
    """An outage. `contacted`: of how many members of the asker's councils somebody has asked after."""

    contacted: int

    @classmethod
    def of(cls, row: Record) -> Self:
        return cls(**data_of(outage_of(row)).model_dump(), contacted=row["contacted"])


class MemberView(Payload):
    """A device that was exposed. `since`: last heard, or its mains lost; `left_at`: well again, or explained by something else."""

    device_id: str
    council_id: str | None
    postcode_district: str | None
    installation_ref: str | None
    since: Time | None
    joined_at: Time
    left_at: Time | None
    contacted_by: str | None
    contacted_at: Time | None
    note: str | None

    @classmethod
    def of(cls, row: Record) -> Self:
        return cls(**{name: row[name] for name in cls.model_fields})


class ContactedBody(Body):
    """Who asked after the person; the note is about a person, and never logged."""

    operator: action.Operator
    note: action.Note | None = None
