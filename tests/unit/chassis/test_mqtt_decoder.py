import itertools

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.mqtt.decoder import Decoder
from services.chassis.mqtt.errors import DisconnectReason

PACKETS: list[mqtt5.Packet] = [
    mqtt5.ConnAckPacket(session_present=True),
    mqtt5.PublishPacket("a/b", b"x" * 200, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=7),
    mqtt5.PublishPacket("å", b"", user_properties=[("k", "v")]),
    mqtt5.PublishPacket("c", b"y" * 20_000, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=65_535),
    mqtt5.PingRespPacket(),
]
WIRE = b"".join(packet.write() for packet in PACKETS)

# On a topic that is not UTF-8 the Rust codec panics, and leaves an error that nobody can catch for the interpreter's log.
codec_may_panic = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@given(st.lists(st.integers(0, len(WIRE)), max_size=12))
def test_however_the_network_cuts_the_bytes_the_packets_are_the_same(cuts: list[int]) -> None:
    decoder = Decoder()
    edges = [0, *sorted(cuts), len(WIRE)]
    received = [sized for a, b in itertools.pairwise(edges) for sized in decoder.feed(WIRE[a:b])]
    assert [packet.write() for packet, _ in received] == [packet.write() for packet in PACKETS]
    assert sum(size for _, size in received) == len(WIRE)
    assert decoder.broken is None


@codec_may_panic
@given(st.lists(st.binary(max_size=64), max_size=8))
def test_no_bytes_whatever_make_it_raise(chunks: list[bytes]) -> None:
    decoder = Decoder()
    for chunk in chunks:
        decoder.feed(chunk)


@codec_may_panic
@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x00\x00", DisconnectReason.PROTOCOL_ERROR),  # no such packet type
        (b"\x32\xff\xff\xff\xff\x01", DisconnectReason.PROTOCOL_ERROR),  # a length of five bytes
        (b"\x36\x08\x00\x01A\x00\x07\x00pp", DisconnectReason.PROTOCOL_ERROR),  # QoS 3
        (b"\x32\x08\x00\x01\xff\x00\x07\x00pp", DisconnectReason.PROTOCOL_ERROR),  # the topic is not UTF-8
        (b"\x32\x04\x00\x50AB", DisconnectReason.PROTOCOL_ERROR),  # a topic longer than its packet
        (b"\x32\xff\xff\xff\x7f", DisconnectReason.PACKET_TOO_LARGE),  # 256 MiB to come
    ],
)
def test_what_is_no_mqtt_ends_it_and_what_came_before_counts(wire: bytes, reason: DisconnectReason) -> None:
    decoder = Decoder()
    assert len(decoder.feed(WIRE + wire)) == len(PACKETS)
    assert decoder.broken is not None
    assert decoder.broken.reason is reason
    assert decoder.feed(WIRE) == []
