"""Reading what is damaged, without ever raising, and the same way each time: equal bytes give equal readings."""

import json
import math
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

PAYLOAD_BYTES_MAX: Final = 16 * 1024
"""What we accept (contract, "What a device promises"), and how much of raw bytes we keep."""
TOPIC_LENGTH_MAX: Final = 200
NESTING_MAX: Final = 200
"""Brackets within brackets. Python's own limit depends on the stack below it, and a reading must not."""
DIGITS_MAX: Final = 40

EARLIEST: Final = datetime(2024, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2036, 1, 1, tzinfo=UTC)

_unstorable = re.compile("[\0\ud800-\udfff]")
# A string that never ends is taken to the end of the text: given up and begun again at its every quotation mark, 64 KiB took
# 47 s, in which no alarm was read.
_brackets = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|([\[{])|[\]}]', re.DOTALL)


def read_object(payload: bytes) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The JSON object in these bytes, or None, and the marks of what was put up with to read it.

    Put up with: a byte order mark, control characters in strings, lone surrogates, NaN, numbers of any size and, marked
    `bad_encoding`, bytes that are no UTF-8. Of a name that comes twice the last counts, as for pydantic.
    """
    text = payload.decode("utf-8-sig", "replace")
    marks = () if _is_utf8(payload) else ("bad_encoding",)
    if _nesting(text) > NESTING_MAX:
        return None, marks
    try:
        read = json.loads(text, strict=False, parse_int=_integer)
    except ValueError:
        return None, marks
    return (read if isinstance(read, dict) else None), marks


def storable(text: str) -> str:
    """The text with U+FFFD for what PostgreSQL refuses: NUL and lone surrogates.

    Not left out, or a damaged word could turn into another one that means something.
    """
    return _unstorable.sub("\ufffd", text)


def unmistakable(text: str, keep: int, *, within: str = "") -> str:
    """At most `keep` characters of the text, `~`, and 16 hex digits of a digest, so that two texts never become one.

    Nor does one text within two different places: the digest covers `within` as well.
    """
    digest = sha256((within + text).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{storable(text[:keep])}~{digest[:16]}"


def storable_topic(topic: str) -> str:
    """The topic, or where it is too long for an index or can't be stored, a form of it that no other topic shares."""
    if len(topic) <= TOPIC_LENGTH_MAX and not _unstorable.search(topic):
        return topic
    return unmistakable(topic, TOPIC_LENGTH_MAX)


def in_utc(time: datetime) -> datetime | None:
    """The time in UTC; None where an offset carries it out of the years 1 to 9999."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return None


def is_plausible(sent_at: datetime) -> bool:
    """Whether a device in use can have sent this: a clock that never was set says 1970, a broken one 2099."""
    return EARLIEST <= sent_at < LATEST


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _integer(digits: str) -> float:
    """Python refuses to convert thousands of digits; nothing we read needs more than nineteen."""
    return int(digits) if len(digits) <= DIGITS_MAX else math.inf


def _nesting(text: str) -> int:
    """How deep brackets are nested, strings left out."""
    if text.count("[") + text.count("{") <= NESTING_MAX:
        return 0
    depth = deepest = 0
    for found in _brackets.finditer(text):
        if found[0][0] != '"':
            depth += 1 if found[1] else -1
            deepest = max(deepest, depth)
    return deepest
