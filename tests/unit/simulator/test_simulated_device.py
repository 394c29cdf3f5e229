from datetime import timedelta
from itertools import pairwise

import pytest

from contracts.device import Alarm, Heartbeat
from contracts.ids import is_boot_id
from services.simulator.device import Device
from services.simulator.flaws import Flaws
from services.simulator.memory import KeptAlarm
from services.simulator.occurrence import Occurrence
from services.simulator.timing import Timing
from tests.unit.simulator.simulated_home import Home, lanes, only, read

PRESS = Occurrence(kind="personal_trigger", peripheral_id="pendant-1")


def press(home: Home) -> KeptAlarm:
    alarm = home.device.raise_alarm(PRESS, home.now)
    assert alarm is not None
    return alarm


def test_a_box_that_comes_online_says_so_and_sends_a_heartbeat_that_the_contract_takes() -> None:
    home = Home()
    status, heartbeat = home.connect()
    assert status.retain
    assert read(status)["state"] == "online"
    told = Heartbeat.model_validate_json(heartbeat.payload)
    assert (told.battery_pct, told.mains, told.boot_id) == (100, True, home.device.boot_id)
    assert is_boot_id(told.boot_id)
    assert heartbeat.expiry_s == 120


def test_the_will_says_offline_for_the_present_boot() -> None:
    home = Home()
    will = home.device.will(home.now)
    assert will.retain
    assert read(will) | {"sent_at": None} == {"state": "offline", "boot_id": home.device.boot_id, "sent_at": None}


def test_heartbeats_come_once_an_interval_give_or_take_a_twentieth() -> None:
    home = Home()
    home.connect()
    assert 58 <= len(only(home.live(3600), "heartbeat")) <= 62


def test_a_box_that_is_offline_publishes_nothing_and_sends_what_it_kept_when_it_is_back() -> None:
    home = Home()
    alarm = press(home)
    assert home.live(3600) == []
    messages = home.connect()
    assert lanes(messages) == ["status", "alarm", "heartbeat"]
    assert Alarm.model_validate_json(messages[1].payload).seq == alarm.seq


def test_an_alarm_is_sent_again_after_10_s_doubling_to_10_min_give_or_take_a_fifth() -> None:
    home = Home()
    home.connect()
    alarm = press(home)
    sent_at = []
    home.step()
    for _ in range(9):
        before = home.now
        home.now = alarm.due_at
        assert only(home.step(), "alarm")[0].payload == alarm.payload
        sent_at.append((home.now - before).total_seconds())
    for waited_s, nominal_s in zip(sent_at, [10, 20, 40, 80, 160, 320, 600, 600, 600], strict=True):
        assert 0.8 * nominal_s <= waited_s <= 1.2 * nominal_s


@pytest.mark.parametrize("state", ["stored", "notified", "acknowledged", "closed"])
def test_a_receipt_of_any_state_ends_the_repeats(state: str) -> None:
    home = Home()
    home.connect()
    alarm = press(home)
    home.step()
    home.receipt(alarm, state)  # type: ignore[arg-type]
    assert only(home.live(7200), "alarm") == []


def test_a_receipt_for_another_alarm_ends_nothing() -> None:
    home = Home()
    home.connect()
    alarm = press(home)
    home.step()
    home.receipt(alarm, seq=alarm.seq + 1)
    home.receipt(alarm, boot_id="another-boot")
    home.receipt(alarm, payload_sha256="0" * 64)
    home.device.receive("receipt", b"\xff no receipt at all", home.now)
    assert list(home.device.memory) == [alarm]


def test_the_receipt_for_an_unreadable_alarm_is_known_by_its_digest() -> None:
    home = Home()
    home.connect()
    alarm = home.device.raise_alarm(Occurrence(kind="fall", garbling="binary"), home.now)
    assert alarm is not None
    home.step()
    home.receipt(alarm, boot_id=None, seq=None, payload_sha256=alarm.payload_sha256)
    assert len(home.device.memory) == 0


def test_after_a_reboot_an_alarm_is_sent_with_the_boot_and_number_it_was_born_with() -> None:
    home = Home()
    home.connect()
    alarm = press(home)
    first = only(home.step(), "alarm")[0]
    home.device.boot(home.now)
    again = only(home.connect(), "alarm")[0]
    assert again.payload == first.payload
    assert read(again)["boot_id"] == alarm.boot_id != home.device.boot_id


def test_one_number_series_runs_over_heartbeats_and_alarms_and_starts_anew_at_a_boot() -> None:
    home = Home()
    home.connect()
    press(home)
    home.live(300)
    seqs = [read(message)["seq"] for message in home.published if message.lane != "status"]
    assert sorted(set(seqs)) == list(range(len(set(seqs))))
    home.device.boot(home.now)
    assert read(only(home.connect(), "heartbeat")[0])["seq"] == 0


def test_without_entropy_a_boot_uses_the_identities_of_the_last_again() -> None:
    home = Home(flaws=Flaws(no_entropy=True))
    first = press(home)
    home.device.boot(home.now)
    second = home.device.raise_alarm(Occurrence(kind="fall"), home.now)
    assert second is not None
    assert (first.boot_id, first.seq) == (second.boot_id, second.seq)
    assert first.payload != second.payload


def test_a_receipt_for_an_identity_ends_no_alarm_that_was_never_sent_under_it() -> None:
    home = Home(flaws=Flaws(no_entropy=True))
    home.connect()
    first = press(home)
    home.step()
    home.device.boot(home.now)
    second = home.device.raise_alarm(Occurrence(kind="fall"), home.now)
    home.receipt(first)
    assert list(home.device.memory) == [second]


def test_in_a_power_cut_a_box_reports_it_then_its_battery_then_falls_silent() -> None:
    home = Home(timing=Timing(battery_life_s=3600, heartbeat_interval_s=600))
    home.connect()
    home.device.lose_mains(home.now)
    home.live(2 * 3600)
    reports = [(alarm.occurrence.kind, alarm.occurrence.status) for alarm in home.device.take_born()]
    assert reports == [("power_supply", "activated"), ("power_supply", "battery_low")]
    assert not home.device.is_on
    assert home.device.wake_at is None
    assert home.device.raise_alarm(PRESS, home.now) is None
    levels = [read(message)["battery_pct"] for message in only(home.published, "heartbeat")]
    assert all(later <= earlier for earlier, later in pairwise(levels))
    assert levels[-1] < 20


def test_when_the_power_is_back_a_flat_box_boots_with_its_alarms_and_reports_the_restore() -> None:
    home = Home(timing=Timing(battery_life_s=3600))
    press(home)
    boot_id = home.device.boot_id
    home.device.lose_mains(home.now)
    home.live(7200)
    home.device.restore_mains(home.now)
    assert home.device.is_on
    assert home.device.boot_id != boot_id
    kept = [(alarm.occurrence.kind, alarm.occurrence.status) for alarm in home.device.memory]
    assert kept == [
        ("personal_trigger", "activated"),
        ("power_supply", "activated"),
        ("power_supply", "battery_low"),
        ("power_supply", "restored"),
    ]


def test_a_flicker_of_the_mains_is_reported_to_nobody() -> None:
    home = Home()
    home.connect()
    home.device.lose_mains(home.now)
    home.live(60)
    home.device.restore_mains(home.now)
    home.live(3600)
    assert home.device.take_born() == []


def test_report_now_brings_a_heartbeat_at_once() -> None:
    home = Home()
    home.connect()
    assert home.step(1) == []
    assert home.command("report_now") is not None
    assert lanes(home.step()) == ["heartbeat"]


def test_a_command_delivered_twice_or_too_late_does_nothing() -> None:
    home = Home()
    home.connect()
    home.command("report_now")
    home.step()
    assert home.command("report_now") is None
    assert home.command("report_now", command_id="c2", expires_in_s=-1) is None
    assert home.device.receive("command", b"{}", home.now) is None
    assert home.step() == []


@pytest.mark.parametrize("interval_s", [0, -5, 1e9, "60", None])
def test_a_senseless_heartbeat_interval_is_ignored(interval_s: object) -> None:
    home = Home()
    home.connect()
    assert home.command("set_heartbeat_interval", interval_s=interval_s) is None
    assert home.device.heartbeat_interval_s == 60


def test_a_new_heartbeat_interval_counts_from_the_command_on() -> None:
    home = Home()
    home.connect()
    home.command("set_heartbeat_interval", interval_s=10)
    beats = only(home.live(300), "heartbeat")
    assert 28 <= len(beats) <= 33
    assert beats[0].expiry_s == 20


def test_what_a_box_hears_stays_near_what_is_heard_where_it_stands() -> None:
    home = Home()
    home.connect()
    home.device.move(network="lte", signal_dbm=-90)
    told = [read(payload)["signal_dbm"] for payload in only(home.live(48 * 3600), "heartbeat")]
    assert len(told) > 500
    assert set(told) == set(range(-92, -87)), "it fades, and does not wander off"


def test_an_interval_for_a_time_ends_by_itself() -> None:
    home = Home()
    home.connect()
    home.command("set_heartbeat_interval", interval_s=10, for_s=120)
    assert 11 <= len(only(home.live(120), "heartbeat")) <= 14
    assert 8 <= len(only(home.live(600), "heartbeat")) <= 12
    home.command("set_heartbeat_interval", command_id="c2", interval_s=10, for_s="long")
    assert len(only(home.live(600), "heartbeat")) > 50, "a senseless bound is none"


def test_a_box_carried_elsewhere_tells_what_it_hears_there() -> None:
    home = Home()
    home.connect()
    home.device.move(network="gsm", signal_dbm=-113)
    home.command("report_now")
    told = read(only(home.step(), "heartbeat")[0])
    assert told["network"] == "gsm"
    assert told["signal_dbm"] < -110
    home.device.move(network="ethernet")
    home.command("report_now", command_id="c2")
    assert "signal_dbm" not in read(only(home.step(), "heartbeat")[0])


def test_a_skewed_clock_shows_in_sent_at_only() -> None:
    skew = timedelta(days=-20_000)
    home = Home(flaws=Flaws(clock_skew=skew))
    _, heartbeat = home.connect()
    assert Heartbeat.model_validate_json(heartbeat.payload).sent_at == home.now + skew
    assert home.device.wake_at is not None
    assert home.device.wake_at > home.now


def test_flaws_of_sending_show_on_the_wire() -> None:
    home = Home(flaws=Flaws(qos=0, duplicate_share=1.0))
    _, *heartbeats = home.connect()
    assert [message.qos for message in heartbeats] == [0, 0]
    assert heartbeats[0].payload == heartbeats[1].payload


def test_a_lost_receipt_leaves_the_alarm_to_be_repeated() -> None:
    home = Home(flaws=Flaws(receipt_loss_share=1.0))
    home.connect()
    alarm = press(home)
    home.step()
    home.receipt(alarm)
    assert len(only(home.live(100), "alarm")) >= 2


def test_an_alarm_delivered_twice_is_so_only_the_first_time() -> None:
    home = Home()
    home.connect()
    home.device.raise_alarm(Occurrence(kind="fall", sent_twice=True), home.now)
    assert lanes(home.step()) == ["alarm", "alarm"]
    assert lanes(only(home.live(15), "alarm")) == ["alarm"]


def test_a_malformed_alarm_is_repeated_as_malformed_as_it_was_born() -> None:
    home = Home(flaws=Flaws(malformed_share=1.0))
    home.connect()
    alarm = press(home)
    assert alarm.occurrence.garbling is not None
    assert {message.payload for message in only(home.live(600), "alarm")} == {alarm.payload}


def test_every_device_of_a_street_has_boot_ids_of_its_own() -> None:
    boots = {Home(seed=seed).device.boot_id for seed in range(50)}
    assert len(boots) == 50
    assert isinstance(Home().device, Device)
