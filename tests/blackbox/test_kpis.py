"""How soon people answered, as a stranger with a token reads it."""

from datetime import datetime
from zoneinfo import ZoneInfo

from tests.blackbox.api import PROBLEM, Api
from tests.blackbox.installation import Installation, MakeBox

KPIS = "/api/v1/kpis"


async def test_a_press_that_somebody_takes_is_a_call_answered_in_time_and_a_test_is_none(
    installation: Installation, box: MakeBox
) -> None:
    await installation.make_hub("forth-valley-arc", "stirling")
    hub = installation.alarms_api.by(await installation.token("hub", "--hub", "forth-valley-arc"))
    home = await box(council="stirling")
    home.press("fall", test=True)
    await installation.alarm(home.device_id, test=True)
    home.press("fall")
    alarm = await installation.alarm(home.device_id, test=False)
    taken = await hub.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"operator": "morag"})
    assert taken.status == 200, taken

    month = datetime.fromisoformat(alarm["received_at"]).astimezone(ZoneInfo("Europe/London")).strftime("%Y-%m")
    report = (await hub.get(KPIS, month=month)).body

    (council,), (own,), (priority,) = report["councils"], report["hubs"], report["priorities"]
    assert (council["council_id"], own["hub_id"], priority["priority"]) == ("stirling", "forth-valley-arc", 1)
    for figures in (report["total"], council, own, priority):
        assert (figures["calls"], [each["answered"] for each in figures["within"]]) == (1, [1, 1])
        assert [(each["target"], each["met"]) for each in figures["within"]] == [(0.975, True), (0.99, True)]
    assert report["excluded"]["tests"] == 1


async def test_a_month_comes_as_a_table_and_what_is_no_month_is_refused(api: Api) -> None:
    table = await api.get(KPIS, month="2026-01", format="csv")
    assert (table.status, table.content_type) == (200, "text/csv")
    assert table.body.startswith("month,as_of,group,key,calls,answered")
    refused = await api.get(KPIS, month="January")
    assert (refused.status, refused.content_type) == (422, PROBLEM)
    assert refused.body["errors"][0]["field"] == "month"


async def test_the_figures_need_a_token(installation: Installation) -> None:
    assert (await installation.alarms_api.by(None).get(KPIS)).status == 401
