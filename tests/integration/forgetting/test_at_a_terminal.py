"""`telecare audit export` and `telecare device erase|erasures`, as somebody at a terminal uses them."""

import csv
from pathlib import Path

from tests.integration.forgetting.conftest import Home
from tests.support.terminal import telecare

LOOPS = ("ingest-erasing", "alerts-erasing")


async def test_the_audit_log_is_exported_to_a_file_or_to_the_screen(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "audit.csv"
    code, out, err = await telecare(home.ops, "audit", "export", "--subject", "TC-000123", "--out", str(file))
    assert (code, out) == (0, "")
    assert err.endswith("bytes\n"), err
    rows = list(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))
    assert rows
    assert {"TC-000123"} == {row["subject"] for row in rows}
    code, out, _ = await telecare(home.ops, "audit", "export", "--who", "the ops", "--from", "2020-01-01")
    assert code == 0
    assert "the ops" in out
    code, out, _ = await telecare(home.ops, "audit", "export", "--to", "2020-01-01T00:00:00+00:00")
    assert (code, len(out.splitlines())) == (0, 1), "the names of the columns, and no row"


async def test_an_export_that_cannot_be_says_what_is_wrong(home: Home, tmp_path: Path) -> None:
    code, out, err = await telecare(home.ops, "audit", "export", "--from", "yesterday")
    assert (code, out) == (2, "")
    assert "'yesterday' is no time: write a day as 2026-11-01" in err
    missing = tmp_path / "nowhere" / "audit.csv"
    code, _, err = await telecare(home.ops, "audit", "export", "--out", str(missing))
    assert (code, err) == (2, f"telecare: {missing} can't be written: No such file or directory\n")
    home.ops.token = home.world.tokens["viewer"]
    code, _, err = await telecare(home.ops, "audit", "export", "--out", str(tmp_path / "audit.csv"))
    assert (code, "Traceback" in err) == (1, False)
    assert "role" in err
    assert not (tmp_path / "audit.csv").exists(), "a file that nobody was given is none"
    assert not (tmp_path / "audit.csv.part").exists()


async def test_a_home_is_erased_and_how_far_that_is_is_listed(home: Home) -> None:
    code, out, _ = await telecare(home.ops, "device", "erase", "TC-000123", "--reason", "The family asked.")
    assert code == 0
    assert "is under_way: `telecare device erasures TC-000123` tells when it is done" in out
    assert "GLA-4712" not in await home.everything()
    await home.world.run(*LOOPS)
    code, out, _ = await telecare(home.ops, "device", "erasures", "TC-000123")
    assert (code, "done" in out, "installation_ref,notes,operator_notes,text" in out) == (0, True, True)
    code, out, _ = await telecare(home.ops, "device", "erase", "TC-000123", "--what", "notes", "--reason", "again")
    assert code == 0
    listed = (await home.ops.get("/api/v1/devices/TC-000123/erasures")).body["items"]
    assert listed[0]["what"] == ["notes"]


async def test_an_erasure_that_cannot_be_says_what_is_wrong_and_erases_nothing(home: Home) -> None:
    code, _, err = await telecare(home.ops, "device", "erase", "TC-404", "--reason", "asked")
    assert (code, err) == (1, "telecare: There is no device TC-404.\n")
    code, _, err = await telecare(home.ops, "device", "erasures", "TC-404")
    assert (code, err) == (1, "telecare: There is no device TC-404.\n")
    code, _, err = await telecare(home.ops, "device", "erase", "TC-000123", "--what", "everything", "--reason", "asked")
    assert (code, "Traceback" in err, "what" in err, "operator_notes" in err) == (1, False, True, True), err
    code, _, err = await telecare(home.ops, "device", "erase", "TC-000123")
    assert (code, "--reason" in err) == (2, True)
    home.ops.token = home.world.tokens["engineer"]
    code, _, err = await telecare(home.ops, "device", "erase", "TC-000123", "--reason", "asked")
    assert (code, "role" in err) == (1, True), err
    assert "GLA-4712" in await home.everything()
