"""When a code may be sent, and when it verifies."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.verification import (
    ATTEMPTS_MAX,
    CODE_LIFE,
    SEND_EVERY,
    SENDS_MAX,
    SENDS_WITHIN,
    Pending,
    Reason,
    Refused,
    digest,
    judge,
    may_send,
    sends_that_count,
)

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
CHANNEL, OTHER = UUID(int=1), UUID(int=2)


def pending(code: str = "123456", *, attempts: int = 0) -> Pending:
    return Pending(digest(CHANNEL, code), NOW + CODE_LIFE, attempts, [NOW])


def test_the_right_code_in_time_verifies() -> None:
    assert judge(pending(), CHANNEL, "123456", NOW) is None
    assert judge(pending(attempts=ATTEMPTS_MAX - 1), CHANNEL, "123456", NOW + CODE_LIFE - timedelta(seconds=1)) is None


def test_what_does_not_verify_says_why() -> None:
    assert judge(None, CHANNEL, "123456", NOW) == Refused(Reason.NO_CODE)
    assert judge(pending(), CHANNEL, "123456", NOW + CODE_LIFE) == Refused(Reason.EXPIRED)
    assert judge(pending(attempts=ATTEMPTS_MAX), CHANNEL, "123456", NOW) == Refused(Reason.USED_UP)
    assert judge(pending(), CHANNEL, "123457", NOW) == Refused(Reason.WRONG, attempts_left=ATTEMPTS_MAX - 1)
    assert judge(pending(attempts=ATTEMPTS_MAX - 1), CHANNEL, "123457", NOW) == Refused(Reason.WRONG, attempts_left=0)


def test_one_channels_code_is_no_others_and_does_not_look_like_it() -> None:
    assert digest(CHANNEL, "123456") != digest(OTHER, "123456")
    assert judge(pending(), OTHER, "123456", NOW) == Refused(Reason.WRONG, attempts_left=ATTEMPTS_MAX - 1)


@given(st.lists(st.integers(1, 600), max_size=60))
def test_however_often_one_asks_codes_come_one_a_minute_and_five_an_hour(waits_s: list[int]) -> None:
    now, sent, ever = NOW, list[datetime](), list[datetime]()
    for wait_s in waits_s:
        now += timedelta(seconds=wait_s)
        refused = may_send(sent, now)
        if refused is None:
            sent = [*sends_that_count(sent, now), now]
            ever.append(now)
        else:
            # Whoever comes back when told so is served.
            assert refused.again_at is not None
            assert refused.again_at > now
            assert may_send(sent, refused.again_at) is None
        assert len(sent) <= SENDS_MAX
    assert all(later - earlier >= SEND_EVERY for earlier, later in pairwise(ever))
    assert all(later - earlier >= SENDS_WITHIN for earlier, later in zip(ever, ever[SENDS_MAX:], strict=False))
