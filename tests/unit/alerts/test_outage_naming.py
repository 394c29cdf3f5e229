"""What may be the name of an outage."""

from __future__ import annotations

import pytest

from services.alerts.domain.outages.census import Attribute, Trait
from services.alerts.domain.outages.naming import is_name


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("cell_id", "1A2B-77"),
        ("cell_id", "c" * 32),
        ("firmware", "9" * 64),
        ("firmware", "4.2 (build 7) Ærø"),
        ("sim_operator", "23410"),
        ("model", "Hub A"),
    ],
)
def test_what_the_contract_lets_a_device_tell_and_people_can_read_is_a_name(attribute: Attribute, value: str) -> None:
    assert is_name(Trait(attribute, value))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("cell_id", ""),
        ("cell_id", "  "),
        ("cell_id", "c" * 33),
        ("firmware", "9" * 65),
        ("model", "m" * 65),
        ("firmware", "4.2\n"),
        ("firmware", "4.2\r\nSubject: all is well"),
        ("cell_id", "\x1b[2J"),
        ("cell_id", "\x85"),
        ("firmware", "\u202e2.4"),
        ("firmware", "4.2\u2028"),
        ("firmware", "4.2\ufeff"),
    ],
)
def test_what_is_blank_too_long_or_not_printable_is_none(attribute: Attribute, value: str) -> None:
    assert not is_name(Trait(attribute, value))
