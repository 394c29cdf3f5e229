"""Thousands of connections need thousands of open files."""

import resource

import pytest

from tests.soak.files import TooFewFiles, allow_connections


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The account's, soft and hard; the last is in force."""
    held = [(1024, 20_000)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: held[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: held.append(limit))
    return held


def test_the_limit_is_raised_as_far_as_the_connections_need(limits: list[tuple[int, int]]) -> None:
    allow_connections(5000)
    assert limits[-1] == (6000, 20_000)


def test_a_limit_that_is_enough_is_left_alone(limits: list[tuple[int, int]]) -> None:
    limits.append((resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    allow_connections(5000)
    limits.append((6000, 6000))
    allow_connections(5000)
    assert len(limits) == 3


def test_who_may_not_have_so_many_is_told_how_many_it_can_be(limits: list[tuple[int, int]]) -> None:
    limits.append((1024, 4096))
    with pytest.raises(TooFewFiles, match=r"6,000 open files .* may have 4,096: .*--own 3096"):
        allow_connections(5000)
    assert limits[-1] == (1024, 4096)
