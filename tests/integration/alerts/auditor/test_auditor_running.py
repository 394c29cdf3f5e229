"""Alerts as it runs, with a part of it stopped: readiness and Prometheus say so, by themselves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.alerts.service import WAKERS
from tests.blackbox.hub import Receiver
from tests.integration.alerts.running import Installation, add_hub, run_alerts
from tests.support.servers import Broker, Database, until


@pytest.fixture
async def alerts(database: Database, broker: Broker, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Installation]:
    async with run_alerts(database, broker, tmp_path) as installation:
        await add_hub(installation.database, "clyde-arc", "glasgow-city", webhook=receiver.channel("clyde-arc"))
        await until(lambda: is_ready(installation), what="alerts to be ready")
        yield installation


async def is_ready(alerts: Installation) -> bool:
    return bool((await alerts.api.by(None).get("/readyz")).status == 200)


async def overdue(alerts: Installation) -> str | None:
    """What readiness says is overdue."""
    failing: list[dict[str, Any]] = (await alerts.api.by(None).get("/readyz")).body["failing"]
    return next((each["reason"] for each in failing if each["reason"].startswith("Overdue")), None)


async def stop(*names: str) -> None:
    """End loops of alerts, as a bug would: nobody notices but the auditor."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name() in names]
    assert len(tasks) == len(names)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def passes(alerts: Installation, table: str, column: str, seconds: int) -> None:
    """As if it had been there for so much longer."""
    await alerts.database.execute(f"update {table} set {column} = {column} - make_interval(secs => {seconds})")


def value(alerts: Installation, name: str, **labels: str) -> float:
    return alerts.process.runtime.metrics.get_sample_value(name, labels) or 0.0


async def test_wakers_that_have_stopped(alerts: Installation, receiver: Receiver) -> None:
    await stop(*(f"waker-{number}" for number in range(WAKERS)))
    device = await alerts.press()
    await receiver.told(device)
    # Recorded only after the hub has it, and that says anew when somebody looks again.
    await until(lambda: has_told_a_hub(alerts))
    await passes(alerts, "alerts.alarm", "wake_at", 95)
    said = str(await until(lambda: overdue(alerts), 60))
    assert "an alarm of priority 1 or 2 is due and nobody looks at it again (since " in said
    assert value(alerts, "telecare_audit_violations") == 1
    assert value(alerts, "telecare_audit_overdue_seconds", what="alarm_urgent") > 30

    alarm_id = (await alerts.alarm(device))["alarm_id"]
    await alerts.api.post(f"/api/v1/alarms/{alarm_id}/close", {"operator": "morag", "outcome": "attended"})
    await until(lambda: is_ready(alerts), 60)
    assert value(alerts, "telecare_audit_violations") == 0


async def test_claimers_that_have_stopped(alerts: Installation) -> None:
    await stop(*(f"alarms-claimer-{number}" for number in range(4)))
    await alerts.press()
    await passes(alerts, "chassis.event_log", "created_at", 31)
    assert "an event that was stored has not become an alarm" in str(await until(lambda: overdue(alerts), 60))


async def test_a_dispatcher_that_has_stopped(alerts: Installation, receiver: Receiver) -> None:
    # And the wakers: what a hub has not got after 15 s they make due anew.
    await stop("dispatcher", *(f"waker-{number}" for number in range(WAKERS)))
    receiver.break_down("clyde-arc")
    device = await alerts.press()
    await until(lambda: receiver.attempts(device))  # sent as it was written; its retry is the loop's
    await until(lambda: is_retried_later(alerts))
    await passes(alerts, "alerts.delivery", "due_at", 65)
    assert "a notification of priority 1 is due and nobody tries to send it" in str(
        await until(lambda: overdue(alerts), 60)
    )


async def has_told_a_hub(alerts: Installation) -> bool:
    query = "select exists (select from alerts.alarm where notified_at is not null)"
    return bool(await alerts.database.fetchval(query))


async def is_retried_later(alerts: Installation) -> bool:
    query = (
        "select exists (select from alerts.delivery where kind = 'webhook' and leased_until is null and attempts = 1)"
    )
    return bool(await alerts.database.fetchval(query))
