"""The ladder: who hears of an alarm, and what an attempt to tell them comes to."""

from datetime import datetime

import pytest

from contracts.ids import HubId
from contracts.vocabulary import Priority
from services.alerts.domain.delivery import AWAITING, DELIVERED, Verdict, of_http_status, retry_at
from services.alerts.domain.routing import Channel, Recipient, Route, route
from tests.unit.alerts.build import NOON, seconds


def hub(name: str, rung: int | None = None) -> Recipient:
    return Recipient(HubId(name), (Channel(f"{name}-1", "webhook"),), rung)


def names(recipients: tuple[Recipient, ...]) -> list[str]:
    return [recipient.hub_id for recipient in recipients]


MORAY, ABERDEEN, FIFE = hub("moray-arc", 1), hub("aberdeen-arc", 0), hub("fife-arc")


def test_hubs_are_told_in_the_councils_order_and_then_all_of_them() -> None:
    ladder = route([FIFE, MORAY, ABERDEEN], None)
    assert [names(ladder.at(step)) for step in (0, 1, 7)] == [
        ["aberdeen-arc"],
        ["aberdeen-arc", "moray-arc"],
        ["aberdeen-arc", "moray-arc"],
    ]
    assert (ladder.by, ladder.others_left(0), ladder.others_left(1)) == ("council", True, False)


def test_whoever_was_told_before_hears_the_rest_even_from_the_foot_of_the_ladder() -> None:
    ladder = route([FIFE, MORAY, ABERDEEN], None)
    assert names(ladder.at(0, {HubId("moray-arc"), HubId("fife-arc")})) == ["aberdeen-arc", "moray-arc", "fife-arc"]


def test_without_a_route_the_fallback_hub_is_told() -> None:
    ladder = route([FIFE, hub("borders-arc")], HubId("borders-arc"))
    assert (ladder.by, names(ladder.at(0))) == ("fallback", ["borders-arc"])


@pytest.mark.parametrize("fallback", [None, HubId("no-such-hub")])
def test_without_a_route_or_a_fallback_every_hub_is_told_at_once(fallback: HubId | None) -> None:
    ladder = route([FIFE, hub("borders-arc")], fallback)
    assert (ladder.by, names(ladder.at(0)), ladder.others_left(0)) == ("everyone", ["fife-arc", "borders-arc"], False)


def test_nobody_is_told_only_when_there_is_nobody() -> None:
    assert route([], HubId("fife-arc")) == Route((), (), "everyone")
    assert route([], None).at(3) == ()


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (301, "permanent"),
        (308, "permanent"),
        (400, "permanent"),
        (401, "permanent"),
        (408, "transient"),
        (410, "permanent"),
        (425, "transient"),
        (429, "transient"),
        (500, "transient"),
        (503, "transient"),
        (101, "transient"),
    ],
)
def test_what_an_answer_means(status: int, verdict: Verdict) -> None:
    assert of_http_status(status).verdict == verdict


def test_a_life_alarm_is_tried_again_at_most_ten_seconds_apart_for_ever() -> None:
    def gap(attempts: int) -> float:
        return (retry_at("webhook", Priority.LIFE, "transient", attempts, NOON) - NOON).total_seconds()

    assert [gap(n) for n in (1, 2, 3, 4, 5, 6, 100_000)] == [1, 2, 4, 8, 9, 9, 9]


def test_less_urgent_ones_and_receipts_wait_longer_and_still_for_ever() -> None:
    def due(kind: str, attempts: int) -> datetime:
        return retry_at(kind, Priority.DEGRADED, "transient", attempts, NOON)  # type: ignore[arg-type]

    assert due("mqtt", 10**6) == NOON + seconds(120)
    assert due("receipt", 10**6) == NOON + seconds(600)


def test_a_hub_has_nine_seconds_to_say_received_before_it_is_told_again() -> None:
    assert AWAITING != DELIVERED
    assert retry_at("mqtt", Priority.LIFE, "awaiting", 1, NOON) == NOON + seconds(9)
