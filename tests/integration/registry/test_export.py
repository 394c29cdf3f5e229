"""Devices to a spreadsheet and back: nothing is calculated, nothing is lost, and nobody gets more than they may see."""

import asyncio
import contextlib
import time

import pytest

from services.chassis.postgres.pool import connect
from tests.integration.registry.running import GLASGOW, Registry, refused
from tests.integration.registry.sheets import HEADER, IMPORT, exported, homes, rows_of, send, sheet
from tests.support.servers import until

DEVICES = "/api/v1/devices"
ODD = {
    "device_id": "-TC",
    "serial": "=cmd|' /C calc'!A0",
    "model": "'@SUM(A1)",
    "notes": '+1, "quoted"\nand a second line; Café',
    "iccid": "8944110068256270054",
    "sole_trigger": "-pendant",
}


async def test_an_export_is_no_formula_and_can_be_imported_again(registry: Registry) -> None:
    await send(registry.ops, sheet(*homes(3)))
    await registry.ops.post(DEVICES, GLASGOW | ODD)
    await registry.ops.post(f"{DEVICES}/TC-000001/go-live", {"reason": "=HYPERLINK(1)"})
    body = await exported(registry.ops)
    rows = rows_of(body)
    assert [row["device_id"] for row in rows] == ["'-TC", "TC-000000", "TC-000001", "TC-000002"]
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert (rows[2]["stage"], rows[2]["override_reason"], rows[2]["overridden_by"]) == (
        "live",
        "'=HYPERLINK(1)",
        "bootstrap",
    )
    answer = await send(registry.ops, body)
    assert (answer.status, answer.body["unchanged"], answer.body["errors"]) == (200, 4, [])

    await registry.execute("delete from registry.device_change")
    await registry.execute("delete from registry.device where device_id = '-TC'")
    again = await send(registry.ops, body)
    assert (again.status, again.body["created"], again.body["unchanged"]) == (200, 1, 3)
    device = (await registry.ops.get(f"{DEVICES}/-TC")).body
    assert {name: device[name] for name in ODD} == ODD


async def test_an_export_holds_what_is_sought_of_what_the_caller_may_see(registry: Registry) -> None:
    await registry.make_hub("clyde-arc", "glasgow-city")
    await registry.register("IN")
    await registry.register("OUT", "fife")
    await registry.ops.post(f"{DEVICES}/OUT/go-live", {"reason": "migrated"})
    hub = await registry.caller("hub", hub_id="clyde-arc")
    engineer = await registry.caller("engineer", councils=["glasgow-city"])
    for caller in (hub, engineer):
        assert [row["device_id"] for row in rows_of(await exported(caller))] == ["IN"]
        assert rows_of(await exported(caller, council="fife")) == []
    assert [row["device_id"] for row in rows_of(await exported(registry.ops, overridden="true"))] == ["OUT"]
    assert [row["device_id"] for row in rows_of(await exported(registry.ops, q="sn-in"))] == ["IN"]
    assert [row["device_id"] for row in rows_of(await exported(registry.ops, stage="live"))] == ["OUT"]


async def test_ten_thousand_rows_are_imported_and_exported_and_one_bad_row_is_found_among_them(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = homes(10_000)
    took: dict[str, float] = {}

    @contextlib.contextmanager
    def timed(what: str):  # type: ignore[no-untyped-def]
        start = time.perf_counter()
        yield
        took[what] = time.perf_counter() - start

    wrong = [*rows[:7_000], ("TC-X", "atlantis", "SN-X", "m", "", ""), *rows[7_001:]]
    with timed("refused for one bad row"):
        problem = refused(await send(registry.ops, sheet(*wrong)), 422)
    assert [(each["line"], each["cell"], each["column"]) for each in problem["errors"]] == [
        (7002, "B7002", "council_id")
    ]
    assert await registry.rows("select from registry.device") == []
    with timed("dry run"):
        assert (await send(registry.ops, sheet(*rows), dry_run="true")).body["created"] == 10_000
    with timed("imported"):
        answer = await send(registry.ops, sheet(*rows))
    assert (answer.status, answer.body["created"]) == (200, 10_000)
    with timed("imported again"):
        again = await send(registry.ops, sheet(*rows))
    assert (again.status, again.body["unchanged"]) == (200, 10_000)
    with timed("changed"):
        changed = await send(registry.ops, sheet(*((*row[:4], "EH1", row[5]) for row in rows)), update="true")
    assert (changed.status, changed.body["updated"]) == (200, 10_000)
    with timed("exported"):
        assert len(rows_of(await exported(registry.ops))) == 10_000
    for table in ("device", "device_change"):
        count = (await registry.rows(f"select count(*) as n from registry.{table}"))[0]["n"]
        assert count == {"device": 10_000, "device_change": 20_000}[table]
    with capsys.disabled():
        print("\n10,000 rows:", ", ".join(f"{what} in {seconds:.2f} s" for what, seconds in took.items()))


async def test_an_import_that_is_killed_in_the_middle_leaves_nothing(registry: Registry) -> None:
    cut = (
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
        "and application_name = 'telecare registry' and query like '%insert into registry.device_change%' and state = 'active'"
    )

    async def killed() -> bool:
        """As soon as its rows are being written, the connection that writes them is cut."""
        return bool(await registry.rows(cut))

    rows = sheet(*homes(5_000))
    reader = await connect(registry.database.url, name="test")
    try:
        async with reader.transaction():  # holds up the writing, or it may be faster than whoever wants to kill it
            await reader.execute("lock table registry.device_change in share mode")
            sending = asyncio.create_task(send(registry.ops, rows))
            await until(killed, what="the rows to be written")
            answer = await sending
    finally:
        await reader.close()
    assert answer.status == 503, answer
    for table in ("registry.device", "registry.device_change", "chassis.event_log"):
        assert await registry.rows(f"select from {table}") == []
    assert (await send(registry.ops, rows)).body["created"] == 5_000


async def pour(registry: Registry, length: str, pieces: int) -> bytes:
    """Send a body that is as long as it says or has no end, and what is answered to it; b"" when the line was cut."""
    host, _, port = registry.ops.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    token = registry.ops.headers["Authorization"]
    head = f"POST {IMPORT} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nConnection: close\r\n{length}\r\n\r\n"
    piece = b"%x\r\n%b\r\n" % (65536, b"x" * 65536)
    try:
        writer.write(head.encode())
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
            if reader.at_eof():
                break
        async with asyncio.timeout(60):
            return await reader.readline()
    except ConnectionError:  # whoever goes on writing may be cut off
        return b""
    finally:
        writer.close()


async def test_a_body_without_end_is_refused_and_a_form_is_no_file(registry: Registry) -> None:
    declared = await pour(registry, f"Content-Length: {2 * 1024**3}", 1)
    assert declared.startswith(b"HTTP/1.1 413 ")
    endless = await pour(registry, "Transfer-Encoding: chunked", 2 * 1024**3 // 65536)
    assert endless[:13] in {b"HTTP/1.1 413 ", b""}
    refused(await registry.ops.post(IMPORT, {"device_id": "TC-1"}), 415)
    assert await registry.rows("select from registry.device") == []
    assert (await send(registry.ops, sheet(*homes(1)))).status == 200


async def test_an_import_may_be_longer_than_other_bodies(registry: Registry) -> None:
    body = sheet(*((*row, "x" * 900) for row in homes(2_000)), header=(*HEADER, "notes"))
    assert len(body) > 1024 * 1024
    assert (await send(registry.ops, body)).body["created"] == 2_000
