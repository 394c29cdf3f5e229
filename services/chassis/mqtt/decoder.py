"""Bytes of a connection, cut anywhere → MQTT packets."""

import mqtt5

from services.chassis.mqtt.errors import Disconnected, DisconnectReason

PACKET_BYTES_MAX = 1 << 20
"""Announced to the broker, which then drops what is larger (MQTT 5, 3.1.2.11.4) and does not send it for ever.

Far above the contract's 16 KiB: the limit that a device meets is the broker's `message_size_limit`.
"""

SizedPacket = tuple[mqtt5.Packet, int]
"""A packet and the bytes it took."""


class Decoder:
    """Feed it what the socket yields; it keeps the incomplete tail."""

    def __init__(self, packet_bytes_max: int = PACKET_BYTES_MAX) -> None:
        self._packet_bytes_max = packet_bytes_max
        self._tail = b""
        self.broken: Disconnected | None = None
        """Set once the bytes can be no MQTT 5: nothing after that can be trusted, all before it was returned."""

    def feed(self, data: bytes) -> list[SizedPacket]:
        """All packets that `data` completes, in order. Never raises."""
        view = memoryview(self._tail + data if self._tail else data)
        packets: list[SizedPacket] = []
        at, end = 0, len(view)
        while at < end and self.broken is None:
            try:
                sized = mqtt5.read(view[at:])
            except IndexError:  # the codec's word for "not enough bytes"
                self.broken = self._why_incomplete(view[at:])
                break
            except Exception as error:  # noqa: BLE001 -- whatever it is, these bytes are the peer's, and bad
                self.broken = _malformed(str(error))
            except BaseException as error:
                # The codec panics on a topic that is not UTF-8, and a Rust panic is no Exception.
                if type(error).__name__ != "PanicException":
                    raise
                self.broken = _malformed("text that is not UTF-8")
            else:
                packets.append(sized)
                at += sized[1]
        self._tail = b"" if self.broken else bytes(view[at:])
        return packets

    def _why_incomplete(self, packet: memoryview) -> Disconnected | None:
        """None: more is to come. Else it will be too large, or claims to be complete already."""
        size = _announced_size(packet)
        if size is None:
            return None
        if size > self._packet_bytes_max:
            return Disconnected(DisconnectReason.PACKET_TOO_LARGE, f"{size} bytes announced")
        return _malformed("fields longer than their packet") if size <= len(packet) else None


def _malformed(detail: str) -> Disconnected:
    return Disconnected(DisconnectReason.PROTOCOL_ERROR, f"malformed packet: {detail}")


def _announced_size(packet: memoryview) -> int | None:
    """Size in bytes from the fixed header (MQTT 5, 1.5.5), or None while that is incomplete itself."""
    remaining = 0
    for position, byte in enumerate(packet[1:5]):
        remaining |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:  # no continuation bit
            return remaining + position + 2
    return None
