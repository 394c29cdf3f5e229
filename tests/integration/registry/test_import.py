"""Devices from a spreadsheet: all rows or the good ones, faults by line and cell, and the same file again changes nothing."""

import asyncio

import pytest

from tests.blackbox.api import Answer
from tests.integration.registry.running import GLASGOW, Registry, fields, refused
from tests.integration.registry.sheets import HEADER, homes, send, sheet

COUNTS = ("rows", "created", "updated", "unchanged", "refused")


def counts(answer: Answer) -> tuple[int, ...]:
    return tuple(answer.body[name] for name in COUNTS)


async def registered(registry: Registry) -> list[str]:
    return [row["device_id"] for row in await registry.rows("select device_id from registry.device order by 1")]


async def test_a_file_is_imported_and_the_same_again_changes_nothing(registry: Registry) -> None:
    body = sheet(*homes(3))
    first = await send(registry.ops, body)
    assert (first.status, counts(first), first.body["errors"]) == (200, (3, 3, 0, 0, 0), [])
    device = (await registry.ops.get("/api/v1/devices/TC-000001")).body
    assert (device["stage"], device["postcode_district"], device["installation_ref"]) == ("registered", "G12", "ref-1")
    (line,) = device["history"]
    assert (line["change"], line["actor"], line["reason"]) == ("registered", "bootstrap", "imported from a file")
    assert line["after"]["serial"] == "SN-000001"
    again = await send(registry.ops, body)
    assert (again.status, counts(again)) == (200, (3, 0, 0, 3, 0))
    assert len(await registry.rows("select from registry.device_change")) == 3
    told = await registry.rows("select body from chassis.event_log where stream = 'devices'")
    assert sorted(row["body"]["device_id"] for row in told) == ["TC-000000", "TC-000001", "TC-000002"]


async def test_a_dry_run_says_what_would_happen_and_stores_nothing(registry: Registry) -> None:
    await registry.register("TC-000001")
    answer = await send(registry.ops, sheet(*homes(3)), dry_run="true")
    assert (answer.status, answer.body["dry_run"], counts(answer)) == (200, True, (3, 2, 0, 0, 1))
    assert await registered(registry) == ["TC-000001"]


async def test_one_bad_row_of_many_keeps_all_out_or_itself_alone_as_asked(registry: Registry) -> None:
    rows = homes(200)
    rows[116] = ("TC-X", "atlantis", "", "hearth-4g", "G12 8QQ", "")
    problem = refused(await send(registry.ops, sheet(*rows)), 422)
    assert "1 of 200 rows" in problem["detail"]
    assert [(each["line"], each["cell"], each["column"]) for each in problem["errors"]] == [
        (118, "C118", "serial"),
        (118, "E118", "postcode_district"),
    ]
    assert fields(problem) == {"serial", "postcode_district"}
    assert await registered(registry) == []
    good = await send(registry.ops, sheet(*rows), mode="good")
    assert (good.status, counts(good)) == (200, (200, 199, 0, 0, 1))
    assert len(await registered(registry)) == 199


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("device_id", "TC 1", "letters, digits"),
        ("council_id", "atlantis", "no such council"),
        ("council_id", "Glasgow City", "short name"),
        ("serial", "", "is empty"),
        ("model", "x" * 65, "64"),
        ("postcode_district", "eh11aa", "give the district only (EH1)"),
        ("installation_ref", "iain@example.org", "an e-mail address"),
    ],
)
async def test_what_is_wrong_in_a_cell_is_told_in_words(registry: Registry, column: str, value: str, told: str) -> None:
    row = dict(zip(HEADER, homes(1)[0], strict=True)) | {column: value}
    problem = refused(await send(registry.ops, sheet(tuple(row.values()))), 422)
    (error,) = problem["errors"]
    assert (error["line"], error["column"]) == (2, column)
    assert told in error["message"]


async def test_what_the_register_says_against_a_row_is_told_with_its_fields(registry: Registry) -> None:
    await registry.register("TC-000001")
    await registry.ops.post("/api/v1/devices", GLASGOW | {"device_id": "OTHER", "serial": "SN-000002"})
    problem = refused(await send(registry.ops, sheet(*homes(3))), 422)
    assert [(each["line"], each["column"]) for each in problem["errors"]] == [
        (3, "serial"),
        (3, "model"),
        (3, "postcode_district"),
        (3, "installation_ref"),
        (4, "serial"),
    ]
    assert await registered(registry) == ["OTHER", "TC-000001"]


async def test_what_differs_is_changed_only_when_that_is_asked_for(registry: Registry) -> None:
    await send(registry.ops, sheet(*homes(3)))
    await registry.ops.patch("/api/v1/devices/TC-000001", {"notes": "green case"})
    rows = [("TC-000001", "moray", "SN-000001", "hearth-4g", "", "ref-1b"), *homes(1)]
    refused(await send(registry.ops, sheet(*rows)), 422)
    answer = await send(registry.ops, sheet(*rows), update="true")
    assert (answer.status, counts(answer)) == (200, (2, 0, 1, 1, 0))
    device = (await registry.ops.get("/api/v1/devices/TC-000001")).body
    assert (device["council_id"], device["installation_ref"]) == ("moray", "ref-1b")
    assert (device["postcode_district"], device["notes"]) == ("G12", "green case"), "an empty cell clears nothing"
    assert device["history"][0]["after"] == {"council_id": "moray", "installation_ref": "ref-1b"}
    told = await registry.rows("select body from chassis.event_log where key = 'TC-000001' order by event_log_id desc")
    assert told[0]["body"]["change"] == "moved"


async def test_a_device_that_was_ordered_is_registered_by_the_file_that_comes_with_it(registry: Registry) -> None:
    header = (*HEADER, "stage")
    ordered = sheet(*((*row, "ordered") for row in homes(2)), header=header)
    assert counts(await send(registry.ops, ordered)) == (2, 2, 0, 0, 0)
    assert counts(await send(registry.ops, ordered)) == (2, 0, 0, 2, 0)
    assert counts(await send(registry.ops, sheet(*homes(2)))) == (2, 0, 2, 0, 0)
    assert (await registry.ops.get("/api/v1/devices/TC-000001")).body["stage"] == "registered"
    assert counts(await send(registry.ops, ordered)) == (2, 0, 0, 2, 0)


async def test_no_file_puts_a_device_live(registry: Registry) -> None:
    header = (*HEADER, "stage")
    live = sheet((*homes(1)[0], "live"), header=header)
    assert fields(refused(await send(registry.ops, live), 422)) == {"stage"}
    await send(registry.ops, sheet(*homes(1)))
    assert fields(refused(await send(registry.ops, live, update="true"), 422)) == {"stage"}


async def test_a_row_twice_is_one_and_two_rows_that_contradict_each_other_are_both_wrong(registry: Registry) -> None:
    rows = homes(4)
    other = ("TC-000001", "glasgow-city", "SN-OTHER", "hearth-4g", "", "")
    same_serial = ("TC-000009", "glasgow-city", "SN-000002", "hearth-4g", "", "")
    answer = await send(registry.ops, sheet(*rows, rows[0], other, same_serial), mode="good")
    assert counts(answer) == (7, 2, 0, 1, 4)
    assert [(each["line"], each["column"]) for each in answer.body["errors"]] == [
        (3, "device_id"),
        (4, "serial"),
        (7, "device_id"),
        (8, "serial"),
    ]
    assert "line 7" in answer.body["errors"][0]["message"]
    assert await registered(registry) == ["TC-000000", "TC-000003"]


async def test_an_engineer_imports_for_their_own_councils_only(registry: Registry) -> None:
    engineer = await registry.caller("engineer", councils=["glasgow-city"])
    await registry.register("TC-000001", "fife")
    rows = [*homes(2), ("TC-000005", "fife", "SN-5", "hearth-4g", "", "")]
    answer = await send(engineer, sheet(*rows), mode="good", update="true")
    assert counts(answer) == (3, 1, 0, 0, 2)
    assert [(each["line"], each["column"]) for each in answer.body["errors"]] == [(3, "device_id"), (4, "council_id")]
    for role in ("viewer", "hub"):
        rights = {"hub_id": "clyde-arc"} if role == "hub" else {}
        if rights:
            await registry.make_hub("clyde-arc", "glasgow-city")
        caller = await registry.caller(role, **rights)
        refused(await send(caller, sheet(*homes(1))), 403)


async def test_the_errors_of_a_big_file_are_bounded_and_all_of_them_in_a_file(registry: Registry) -> None:
    rows = [(f"TC {n}", "=cmd()", "", "", "", "") for n in range(500)]
    problem = refused(await send(registry.ops, sheet(*rows)), 422)
    assert (len(problem["errors"]), problem["errors_total"], problem["refused"]) == (100, 2000, 500)
    listed = await send(registry.ops, sheet(*rows), accept="text/csv")
    assert listed.status == 422
    assert listed.headers["Content-Disposition"] == 'attachment; filename="errors.csv"'
    lines = listed.body.splitlines()
    assert (len(lines), lines[0], lines[1][:16].replace('"', "")) == (
        2001,
        "line,cell,column,message",
        "2,A2,device_id,",
    )


async def test_an_import_and_registrations_one_by_one_go_together(registry: Registry) -> None:
    rows = homes(400)
    single = [GLASGOW | dict(zip(HEADER, rows[n], strict=True)) for n in range(0, 400, 40)]
    answers = await asyncio.gather(
        send(registry.ops, sheet(*rows)),
        *(registry.ops.post("/api/v1/devices", body) for body in single),
        send(registry.ops, sheet(*rows)),
        send(registry.ops, sheet(*reversed(rows))),
    )
    assert {answer.status for answer in answers} <= {200, 201}
    assert len(await registered(registry)) == 400
    assert len(await registry.rows("select from registry.device_change")) == 400
    assert len(await registry.rows("select from chassis.event_log where stream = 'devices'")) == 400
