"""The month as a person reads it."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from types import SimpleNamespace

import pytest
from fastapi import Request

from contracts.access import Principal
from services.alerts.domain.kpis import Figures, Group, Month, Report
from services.alerts.kpis.page import percent, render, wait
from services.chassis.pages import Session
from tests.unit.alerts.test_kpis import figures, report


def asked() -> Request:
    """By a viewer, of a service that has no other page."""
    who = Principal(name="viewer", role="viewer")
    session = Session(uuid.uuid4(), "Ailsa", who, datetime(2099, 1, 1, tzinfo=UTC))
    app = SimpleNamespace(state=SimpleNamespace(links=()))
    scope = {"type": "http", "path": "/console/kpis", "headers": [], "query_string": b"", "app": app}
    return Request(scope | {"state": {"session": session}})


def markup(month: Report, names: Mapping[tuple[str, str], str] | None = None) -> str:
    """The page as it is sent."""
    return bytes(render(asked(), month, names or {}).body).decode()


def text(month: Report, names: Mapping[tuple[str, str], str] | None = None) -> str:
    """What is read of it."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", markup(month, names))).split())


def test_the_page_says_in_words_whether_each_target_was_met() -> None:
    page = text(report(figures(1000, 974, 990)))
    assert "97.4 % within 60 s missed: the target is 97.5 %" in page
    assert "99 % within 180 s met: the target is 99 %" in page
    assert "These figures are final." in page


def test_a_month_that_runs_says_so_and_who_still_waits() -> None:
    waiting = Figures.of(within=(0, 0), answered=0, not_answered=0, waiting=2, percentiles_s=None)
    page = text(report(waiting, now=datetime(2026, 11, 22, 14, 2, tzinfo=UTC)))
    assert "No calls yet." in page
    assert "2 more wait for an answer" in page
    assert "these figures will change" in page
    assert "As of 22 November 2026, 14:02 GMT" in page


def test_councils_and_hubs_bear_their_names_and_what_has_none_says_so() -> None:
    groups = (Group("moray", figures(1, 1, 1)), Group("fife", figures(1, 1, 1)), Group("", figures(1, 1, 1)))
    page = text(report(figures(3, 3, 3), councils=groups), {("council", "fife"): "Kingdom of Fife"})
    assert page.index("Kingdom of Fife") < page.index("moray") < page.index("Nobody knows which")


def test_a_name_is_text_and_never_markup() -> None:
    named = {("hub", "clyde-arc"): '<script>alert("x")</script>'}
    page = markup(report(figures(1, 1, 1), hubs=(Group("clyde-arc", figures(1, 1, 1)),)), named)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_browser_may_run_nothing_and_fetch_nothing_but_our_own_styles() -> None:
    answer = render(asked(), report(figures(1, 1, 1)), {})
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';")
    assert "script-src" not in policy
    assert "connect-src" not in policy
    assert "<style" not in bytes(answer.body).decode()
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_months_before_and_after_are_a_link_away_but_none_that_has_not_begun() -> None:
    november = report(figures(1, 1, 1))
    assert 'href="?month=2026-12"' in markup(november)
    december = replace(november, month=Month(2026, 12), as_of=november.as_of + timedelta(days=1))
    page = markup(december)
    assert 'href="?month=2026-11"' in page
    assert 'href="?month=2027-01"' not in page


@pytest.mark.parametrize(
    ("share", "shown"), [(0.974999, "97.49 %"), (0.975, "97.5 %"), (0.57, "57 %"), (1, "100 %"), (0.99999, "99.99 %")]
)
def test_a_share_is_never_rounded_up(share: float, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (200, "3 min 20 s"), (3999, "1 h 6 min")],
)
def test_a_wait_is_told_as_people_tell_it(seconds: float | None, shown: str) -> None:
    assert wait(seconds) == shown
