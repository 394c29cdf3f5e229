"""Whatever changes something, and whatever shows what is about a person, is in the audit log: every route is tried."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.authorisation.asking import ask, bearer
from tests.integration.authorisation.matrix import Entry, read_matrix
from tests.integration.authorisation.world import World

# By `@unaudited`, with the reason at each; what is not here and leaves no row fails.
UNAUDITED = {
    ("POST", "/api/v1/notify/receipts"),
    ("POST", "/console/alarms/{alarm_id}/looking"),
    ("POST", "/console/alarms/{alarm_id}/left"),
    ("POST", "/sign-out"),
    ("POST", "/sign-in"),
}


async def rows(world: World, request_id: str) -> list[dict[str, Any]]:
    """What is on record of a request, once what could wait is written."""
    while await world.audit.run_once():
        pass
    found = await world.database.fetch(
        "select * from chassis.audit_log where request_id = $1 order by audit_id", request_id
    )
    return [dict(row) for row in found]


def by_ops(world: World, entry: Entry, request_id: str) -> dict[str, str]:
    known = {"Cookie": world.cookies["ops"]} if entry.door == "gate" else bearer(world.tokens["ops"])
    return known | {"X-Request-ID": request_id}


async def test_every_change_is_on_record_by_whoever_may_make_it(world: World) -> None:
    silent = []
    for number, entry in enumerate(read_matrix()):
        if entry.method in {"GET", "HEAD"}:
            continue
        told = await ask(world, entry, "own", by_ops(world, entry, f"change-{number}"))
        assert told.headers["X-Request-ID"] == f"change-{number}"
        found = await rows(world, f"change-{number}")
        if entry.route in UNAUDITED:
            assert not found, f"{entry.route} is audited: take it off the list"
            continue
        what_became_of_it = [row for row in found if row["outcome"] != "asked"]
        if [row["status"] for row in what_became_of_it] != [told.status]:
            silent.append(f"{entry.method} {entry.path}: {told.status}, on record is {found}")
            continue
        row = what_became_of_it[0]
        assert (row["who"], row["role"], row["action"]) == ("the ops", "ops", f"{entry.method} {entry.path}")
    assert not silent, "\n".join(silent)


async def test_whoever_looks_at_what_is_about_a_person_is_on_record(world: World) -> None:
    """A route whose answer holds a home's reference, and which is not marked `@reads_people`, fails here."""
    unseen, looked = [], 0
    for number, entry in enumerate(read_matrix()):
        if entry.method != "GET":
            continue
        world.app.state.looks._until.clear()  # each is a new look
        told = await ask(world, entry, "own", by_ops(world, entry, f"look-{number}"))
        found = await rows(world, f"look-{number}")
        if "ref-own-" in told.text:
            looked += 1
            if not found:
                unseen.append(
                    f"{entry.path} shows what is about a person: mark it @reads_people (services/chassis/audit)"
                )
    assert not unseen, "\n".join(unseen)
    assert looked >= 6


async def test_no_row_holds_what_is_about_a_person_or_is_secret(world: World) -> None:
    for entry in read_matrix():
        await ask(world, entry, "own", by_ops(world, entry, "any"))
    everything = json.dumps(await rows(world, "any"), default=str)
    assert "TC-own" in everything
    for secret in ("ref-own", "example.org", "A warden", "123456", world.tokens["ops"], "works"):
        assert secret not in everything
