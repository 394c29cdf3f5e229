"""`telecare device …` and `telecare model …`, as somebody at a terminal uses them."""

from pathlib import Path

from tests.integration.registry.running import GLASGOW, Registry
from tests.integration.registry.sheets import homes, rows_of, sheet
from tests.support.terminal import telecare


async def test_a_file_is_tried_imported_and_exported(registry: Registry, tmp_path: Path) -> None:
    file, copy = tmp_path / "devices.csv", tmp_path / "copy.csv"
    file.write_bytes(sheet(*homes(3)))
    code, out, _ = await telecare(registry.ops, "device", "import", str(file), "--dry-run")
    assert (code, out) == (0, "3 rows: 3 would be created, 0 would be updated, 0 unchanged, 0 wrong\n")
    assert await registry.rows("select from registry.device") == []
    code, out, _ = await telecare(registry.ops, "device", "import", str(file))
    assert (code, out) == (0, "3 rows: 3 created, 0 updated, 0 unchanged, 0 wrong\n")
    assert (await telecare(registry.ops, "device", "export", str(copy)))[0] == 0
    assert len(rows_of(copy.read_bytes())) == 3
    assert not copy.with_name("copy.csv.part").is_file()


async def test_a_file_that_only_the_caller_may_read_comes_by_standard_input(registry: Registry, tmp_path: Path) -> None:
    code, out, _ = await telecare(registry.ops, "device", "import", "-", stdin=sheet(*homes(3)))
    assert (code, out) == (0, "3 rows: 3 created, 0 updated, 0 unchanged, 0 wrong\n")
    code, _, err = await telecare(registry.ops, "device", "import", str(tmp_path / "devices.csv"))
    assert (code, "devices.csv can't be read: No such file or directory" in err) == (2, True)
    assert f"telecare device import - <{tmp_path}/devices.csv" in err


async def test_a_file_with_a_bad_row_is_told_by_its_line_and_ends_with_a_failure(
    registry: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "devices.csv"
    file.write_bytes(sheet(*homes(2), ("TC-9", "atlantis", "SN-9", "m", "", "")))
    code, _, err = await telecare(registry.ops, "device", "import", str(file))
    assert (code, "line 4,B4,council_id,no such council" in err, "nothing was stored" in err) == (1, True, True)
    code, out, _ = await telecare(registry.ops, "device", "import", str(file), "--good")
    assert (code, out) == (1, "3 rows: 2 created, 0 updated, 0 unchanged, 1 wrong\n")


async def test_a_device_is_put_live_on_a_word_replaced_and_shown(registry: Registry) -> None:
    await registry.ops.post("/api/v1/devices", GLASGOW | {"installation_ref": "4711"})
    moved = await telecare(
        registry.ops,
        "device",
        "move",
        "TC-000123",
        "go-live",
        "--override",
        "--reason",
        "migrated from the old platform",
    )
    assert moved[:2] == (0, "TC-000123 is live\n")
    assert "TC-000123" in (await telecare(registry.ops, "device", "list", "--overridden"))[1]
    assert (await telecare(registry.ops, "device", "change", "TC-000123", "--notes", "green case"))[0] == 0
    replaced = await telecare(
        registry.ops, "device", "replace", "TC-000123", "TC-2", "--serial", "SN-2", "--model", "hearth-4g"
    )
    assert replaced[1] == "TC-000123 is withdrawn; TC-2, registered, stands in its place\n", replaced
    _, out, _ = await telecare(registry.ops, "device", "show", "TC-000123")
    assert {"replaced by: TC-2", "notes: green case"} <= set(out.splitlines())
    code, _, err = await telecare(registry.ops, "device", "move", "TC-000123", "resume")
    assert (code, "withdrawn" in err) == (1, True)


async def test_a_model_is_written_down_and_listed(registry: Registry) -> None:
    put = await telecare(
        registry.ops, "model", "put", "hearth-4g", "--interval", "120", "--path", "mobile", "--trigger", "smoke"
    )
    assert put[:2] == (0, "hearth-4g: silent after 1080 s\n")
    assert "hearth-4g" in (await telecare(registry.ops, "model", "list"))[1]
    assert '"smoke"' in (await telecare(registry.ops, "model", "show", "hearth-4g"))[1]
