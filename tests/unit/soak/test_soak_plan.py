"""Which fault comes when."""

from dataclasses import replace
from pathlib import Path

from tests.soak.faults import FAULTS
from tests.soak.plan import FULL, QUICK, strikes


def test_half_an_hour_holds_a_fault_every_20_s_and_each_of_them_several_times() -> None:
    planned = strikes(FULL, list(FAULTS))
    assert [each.at_s for each in planned[:3]] == [20.0, 40.0, 60.0]
    assert planned[-1].at_s + planned[-1].lasts_s < FULL.for_s
    counts = [sum(each.fault == fault for each in planned) for fault in FAULTS]
    assert min(counts) >= 4


def test_the_seed_decides() -> None:
    one, again, other = (strikes(replace(FULL, seed=seed), list(FAULTS)) for seed in (1, 1, 2))
    assert one == again
    assert [each.fault for each in one] != [each.fault for each in other]


def test_the_quick_run_has_every_fault_once_in_its_order() -> None:
    planned = strikes(QUICK, list(FAULTS))
    assert [each.fault for each in planned] == list(FAULTS)
    assert all(each.lasts_s < QUICK.fault_every_s for each in planned)


def test_the_page_says_how_many_of_the_devices_have_connections_of_their_own() -> None:
    page = (
        (Path(__file__).parents[3] / "docs" / "operations.md")
        .read_text()
        .partition("\n## Soak")[2]
        .partition("\n## ")[0]
    )
    said = f"all {FULL.boxes:,} ({QUICK.boxes_with_lines} of {QUICK.boxes} with `--quick`)"
    assert FULL.boxes_with_lines == FULL.boxes
    assert said in page
