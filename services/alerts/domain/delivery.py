"""What came of an attempt to deliver, and when the next is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from contracts.vocabulary import Priority

SEND_TIMEOUT_S: Final = 10.0
_FIRST: Final = timedelta(seconds=1)
_LIFE_MAX: Final = timedelta(seconds=9)  # and up to a second until it is noticed to be due: never more than 10 s
_OTHER_MAX: Final = timedelta(minutes=2)
_RECEIPT_MAX: Final = timedelta(minutes=10)
_ASK_MAX: Final = timedelta(minutes=1)
_CONFIRM_WITHIN: Final = timedelta(seconds=9)

DeliveryKind: TypeAlias = Literal["webhook", "mqtt", "email", "sms", "receipt"]
HUB_KINDS: Final = frozenset({"webhook", "mqtt"})
"""By these a hub is told. What an e-mail or a text came to says nothing of a hub, and is never an acknowledgement."""
Verdict: TypeAlias = Literal["delivered", "awaiting", "transient", "permanent"]
"""`awaiting`: sent, and not delivered until the other end says so: a hub its action `received`, a provider its receipt."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt. `detail` is for operators: a status or the name of an error, never a body or a URL."""

    verdict: Verdict
    detail: str | None = None
    reference: str | None = None  # what the provider calls it: the next attempt asks instead of sending


DELIVERED: Final = Outcome("delivered")
AWAITING: Final = Outcome("awaiting")


def transient(detail: str) -> Outcome:
    """The same again can succeed later."""
    return Outcome("transient", detail)


def permanent(detail: str) -> Outcome:
    """The same again will be refused again."""
    return Outcome("permanent", detail)


def of_http_status(status: int) -> Outcome:
    """2xx is delivered. For good: 3xx (redirects are not followed) and 4xx, but for 408, 425 and 429. Else it may pass."""
    if 200 <= status < 300:
        return DELIVERED
    if 300 <= status < 500 and status not in {408, 425, 429}:
        return permanent(f"HTTP {status}")
    return transient(f"HTTP {status}")


def retry_at(kind: DeliveryKind, priority: Priority, verdict: Verdict, attempts: int, started_at: datetime) -> datetime:
    """When an attempt that began at `started_at`, the `attempts`th, is followed by the next; for ever.

    Doubling from 1 s, counted from the start of the attempt, so that a hub which hangs for the whole time-out is tried
    again at once: priority 1 never waits longer than 10 s from attempt to attempt. A receipt is only news to a box that
    already has its `stored`. A telephone that is switched off is asked about less and less: its provider says when it has it.
    """
    if kind == "receipt":
        longest = _RECEIPT_MAX
    elif kind == "sms" and verdict == "awaiting":
        longest = _ASK_MAX
    elif priority == Priority.LIFE:
        longest = _LIFE_MAX
    else:
        longest = _OTHER_MAX
    delay = min(_FIRST * (1 << min(max(attempts, 1) - 1, 16)), longest)
    return started_at + (max(delay, _CONFIRM_WITHIN) if verdict == "awaiting" else delay)
