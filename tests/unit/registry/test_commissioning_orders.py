"""What a box is told while somebody stands beside it."""

from datetime import UTC, datetime, timedelta

import pytest

from services.registry.domain.commissioning import Session, orders, restoring

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def told(session: Session) -> list[str]:
    return [order.name for order in orders(session, NOW)]


def test_at_the_beginning_a_box_is_told_to_report_now_and_often_for_half_an_hour() -> None:
    often, now = orders(Session(NOW, 60, None, None), NOW)
    assert (often.name, often.args) == ("set_heartbeat_interval", {"interval_s": 15, "for_s": 1800})
    assert (now.name, now.args) == ("report_now", {})


def test_a_box_that_reports_often_anyway_is_only_asked_to_report_now() -> None:
    assert told(Session(NOW, 10, None, None)) == ["report_now"]
    assert told(Session(ago(60), 10, ago(60), ago(600))) == []


@pytest.mark.parametrize(
    ("told_s", "heard_s", "again"),
    [(60, 10, False), (60, 40, True), (20, 40, False), (60, None, True)],
)
def test_it_is_told_again_when_it_does_not_report_as_often_as_it_was_told(
    told_s: float, heard_s: float | None, again: bool
) -> None:
    heard_at = None if heard_s is None else ago(heard_s)
    assert told(Session(ago(100), 60, ago(told_s), heard_at)) == (["set_heartbeat_interval"] if again else [])


def test_it_is_told_again_at_once_when_it_has_restarted() -> None:
    assert told(Session(ago(100), 60, ago(20), ago(1), booted_at=ago(1))) == ["set_heartbeat_interval"]
    assert told(Session(ago(100), 60, ago(20), ago(1), booted_at=ago(50))) == []


def test_it_is_not_told_for_ever() -> None:
    (often,) = orders(Session(ago(1700), 60, ago(100), ago(60)), NOW)
    assert often.args["for_s"] == 100
    assert told(Session(ago(1800), 60, ago(100), ago(60))) == []


def test_afterwards_it_is_told_to_report_as_usual_unless_it_does_so_by_itself() -> None:
    assert [order.args for order in restoring(ago(100), 60, NOW)] == [{"interval_s": 60}]
    assert restoring(ago(1801), 60, NOW) == []
    assert restoring(ago(100), 15, NOW) == []
