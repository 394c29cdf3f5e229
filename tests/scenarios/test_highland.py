"""NHS Highland, 2015: everything in an area is off for four hours, and who was exposed must be found and asked after.

There, some 2,500 homes were checked by hand over a day and a half, for nobody had a list.
"""

import csv
import io

from tests.scenarios.hours import LongStory, paged


async def test_highland_goes_dark_for_four_hours_and_every_home_is_on_one_list(hours: LongStory) -> None:
    highland_arc = await hours.hub("highland-arc", "highland")
    clyde_arc = await hours.hub("clyde-arc", "glasgow-city")
    homes = hours.homes
    highland = [
        *await homes.settle_in(40, council_id="highland", district="IV2", cell_id="IV2-1", sim_operator="23410"),
        *await homes.settle_in(30, council_id="highland", district="IV30", cell_id="IV30-1", sim_operator="23415"),
        *await homes.settle_in(30, council_id="highland", district="PH33", cell_id="PH33-1", sim_operator="23430"),
    ]
    for operator in ("23410", "23415", "23430"):
        await homes.settle_in(60, district=f"G{operator[-2:]}", cell_id=f"G-{operator}", sim_operator=operator)
    await hours.hours_pass(1)
    assert (await hours.silent(), await hours.open()) == (set(), [])

    homes.fall_silent(highland)
    await hours.silence_is_found(highland)
    assert await hours.open() == [("silent", "council_id", "highland", len(highland))]
    assert await hours.silent() == set(highland)
    assert paged(highland_arc, "outage.updated") == [("outage.opened", "highland")]

    by_a_neighbours_wifi = await hours.box(highland[7], "highland", registered=False)
    await by_a_neighbours_wifi.presses()
    pressed = await highland_arc.hears(of=by_a_neighbours_wifi)
    assert (pressed.data["priority"], pressed.data["state"]) == (1, "open")
    morag = await hours.operator("Morag", highland_arc)
    assert (await morag.takes(pressed.data)).status == 200
    assert (await morag.closes(pressed.data, "attended")).status == 200
    await hours.silence_is_found(highland)
    assert await hours.open() == [
        ("silent", "council_id", "highland", len(highland))
    ]  # quiet again, it is one of them again

    (outage,) = await hours.outages()
    path = f"/api/v1/outages/{outage['outage_id']}"
    asked = [*highland[:25], highland[7]]
    for home in asked:
        said = await morag.api.post(f"{path}/members/{home}/contacted", {"operator": "Morag"})
        assert said.status == 200, said
    await hours.hours_pass(2)

    homes.are_back(highland)
    await hours.hours_pass(0.5)
    await hours.minutes_pass(2)
    assert (await hours.open(), await hours.silent()) == ([], set())
    worklist = (await morag.api.get(f"{path}/worklist.csv")).body.lstrip("\ufeff")
    rows = {row["device_id"]: row for row in csv.DictReader(io.StringIO(worklist))}
    assert set(rows) == set(highland)
    assert {home for home, row in rows.items() if row["contacted_by"] == "Morag"} == set(asked)
    assert {row["contacted_by"] for row in rows.values()} == {"Morag", ""}
    assert all(
        row["left_at"] and row["since"] and row["installation_ref"] == f"INST-{row['device_id']}"
        for row in rows.values()
    )

    about_the_press = {"alarm.raised", "alarm.acknowledged", "alarm.closed"}
    told = paged(highland_arc, *about_the_press)
    assert [each for each, _ in told if each != "outage.updated"] == ["outage.opened", "outage.closed"]
    assert ("outage.updated", "highland") in told  # in between, that all are back
    assert {name for _, name in told} == {"highland"}
    assert [each.data["device_id"] for each in highland_arc.heard("alarm.raised")] == [highland[7]]
    assert paged(clyde_arc) == []
    assert await hours.singles() == []
    assert (highland_arc.refused, highland_arc.logbook.broken_promises) == (0, [])
