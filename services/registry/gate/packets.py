"""As much of MQTT 3.1.1 and 5 as the gate must read: CONNECT and SUBSCRIBE, whole, and of a PUBLISH its topic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

CONNECT: Final = 1
PUBLISH: Final = 3
SUBSCRIBE: Final = 8
DISCONNECT: Final = 14
_WILL, _PASSWORD, _USER = 0x04, 0x40, 0x80
_LEVELS: Final = (4, 5)
_NOBODYS: Final = b"telecare/v1/refused"
"""A filter that the broker lets nobody have: it answers that one with a refusal, in its place in the SUBACK."""


class Unreadable(Exception):
    """No MQTT, or none that the gate lets through."""


@dataclass(frozen=True, slots=True)
class Connect:
    """A CONNECT, taken apart so that it can be put together again with another name on it."""

    head: bytes  # protocol, flags, keep-alive, properties
    level: int
    client_id: str
    will: bytes
    username: str
    password: bytes

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Raises Unreadable, also for one without user and password."""
        try:
            return cls._read(body)
        except (IndexError, UnicodeDecodeError):
            raise Unreadable("a CONNECT that cannot be read") from None

    @classmethod
    def _read(cls, body: bytes) -> Self:
        name, at = _field(body, 0)
        level, flags = body[at], body[at + 1]
        if name != b"MQTT" or level not in _LEVELS or not flags & _USER or not flags & _PASSWORD:
            raise Unreadable("not MQTT 3.1.1 or 5 with user and password")
        at = _skip_properties(body, at + 4, level)
        head = body[:at]
        client_id, at = _field(body, at)
        will_at = at
        if flags & _WILL:
            at = _skip_properties(body, at, level)
            for _ in ("topic", "payload"):
                _, at = _field(body, at)
        username, after = _field(body, at)
        password, _ = _field(body, after)
        return cls(head, level, client_id.decode(), body[will_at:at], username.decode(), password)

    def renamed(self, client_id: str, username: str, password: str) -> bytes:
        """The packet, under other names."""
        new = replace(self, client_id=client_id, username=username, password=password.encode())
        body = new.head + _text(client_id.encode()) + new.will + _text(username.encode()) + _text(new.password)
        return bytes([CONNECT << 4]) + _length(len(body)) + body

    @property
    def refusal(self) -> bytes:
        """CONNACK: not authorised."""
        return b"\x20\x02\x00\x05" if self.level == _LEVELS[0] else b"\x20\x03\x00\x87\x00"

    @property
    def keep_alive_s(self) -> int:
        """How long it is silent at most, by its own word; 0 for as long as it likes."""
        return int.from_bytes(self.head[8:10], "big")  # after the name, level and flags

    @property
    def will_topic(self) -> str | None:
        if not self.will:
            return None
        topic, _ = _field(self.will, _skip_properties(self.will, 0, self.level))
        return topic.decode(errors="replace")


def topic_of(body: bytes) -> str:
    """Of a PUBLISH. Raises Unreadable for none: an alias stands for a topic that we do not know."""
    try:
        topic, _ = _field(body, 0)
        text = topic.decode()
    except (IndexError, UnicodeDecodeError):
        raise Unreadable("a PUBLISH that cannot be read") from None
    if not text:
        raise Unreadable("a PUBLISH by an alias")
    return text


def subscribing(body: bytes, level: int, allowed: str) -> bytes:
    """The SUBSCRIBE, whole, with a filter that the broker refuses for each but `allowed`. Raises Unreadable.

    A unit that asks for more than it may is answered so, and not cut off: its alarms are to be heard all the same.
    """
    try:
        at = _skip_properties(body, 2, level)
        out = bytearray(body[:at])
        while at < len(body):
            wanted, at = _field(body, at)
            out += _text(wanted if wanted == allowed.encode() else _NOBODYS)
            out.append(body[at])
            at += 1
    except IndexError:
        raise Unreadable("a SUBSCRIBE that cannot be read") from None
    return bytes([SUBSCRIBE << 4 | 0x02]) + _length(len(out)) + bytes(out)


def _field(body: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    if at + 2 > len(body) or end > len(body):
        raise IndexError
    return body[at + 2 : end], end


def _skip_properties(body: bytes, at: int, level: int) -> int:
    if level == _LEVELS[0]:
        return at
    length, shift = 0, 0
    while True:
        byte = body[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            break
    if at + length > len(body):
        raise IndexError
    return at + length


def _text(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _length(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)
