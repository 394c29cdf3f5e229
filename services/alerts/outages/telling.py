"""News of an outage to the hubs that serve its members: written once, in the transaction of what it tells."""

from __future__ import annotations

import uuid
from datetime import datetime
from math import exp
from typing import Final

from contracts.ids import HubId, NotificationId
from contracts.notification import OutageData, OutageNotification
from contracts.vocabulary import Priority
from services.alerts.domain.outages.course import News
from services.alerts.outages import store
from services.alerts.outages.sql import QUERIES
from services.alerts.outages.store import Outage
from services.chassis.postgres import Connection

PRIORITY: Final = {"silent": Priority.UNPROTECTED, "mains_lost": Priority.DEGRADED}


async def tell(connection: Connection, outage_id: uuid.UUID, news: News, fallback: HubId | None, now: datetime) -> int:
    """Count what people want to know, and tell them. Returns how many hubs are told."""
    outage = await store.counted(connection, outage_id)
    id_ = NotificationId(f"msg_{uuid.uuid4().hex}")
    body = OutageNotification(id=id_, type=news, timestamp=now, data=data_of(outage))
    row = await connection.fetchrow(
        QUERIES["tell"],
        *(id_, outage_id, news, now, body.model_dump_json(), list(outage.councils), fallback),
        PRIORITY[outage.condition],
    )
    return row["hubs"] if row else 0


def data_of(outage: Outage) -> OutageData:
    """As hubs and the HTTP API see it."""
    return OutageData(
        outage_id=str(outage.outage_id),
        condition=outage.condition,
        attribute=outage.trait.attribute,
        value=outage.trait.value,
        state="open" if outage.closed_at is None else "closed",
        opened_at=outage.opened_at,
        began_at=outage.began_at,
        closed_at=outage.closed_at,
        merged_into=None if outage.merged_into is None else str(outage.merged_into),
        members=outage.members,
        members_now=outage.members_now,
        councils=list(outage.councils),
        p_value=exp(outage.log_p),
        log_likelihood_ratio=outage.log_ratio,
        called_at=outage.called_at,
        closed_as=outage.closed_as,
        left_behind=outage.left_behind,
    )
