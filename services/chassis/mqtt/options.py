"""What a session asks of the broker, as values and as packets."""

from collections.abc import Iterable
from dataclasses import dataclass

import mqtt5

from services.chassis.mqtt.decoder import PACKET_BYTES_MAX
from services.chassis.mqtt.url import MqttUrl

SUBSCRIBE_PACKET_ID = 1  # the first that we number: a session publishes nothing


@dataclass(frozen=True, slots=True)
class Filter:
    """A subscription. `retain_handling` 0: retained messages always, 1: only for a new subscription, 2: never."""

    pattern: str
    qos: int = 1
    retain_as_published: bool = True
    retain_handling: int = 0

    def __post_init__(self) -> None:
        if self.qos not in {0, 1}:
            raise ValueError("subscribe at QoS 0 or 1: with QoS 2 a delayed acknowledgement loses messages")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """A session, whichever connection carries it at the moment.

    `receive_max`: how many messages may be un-acknowledged, 1 … 65,535. No more than that many, nor more than
    `buffer_bytes_max`, wait in memory for `Session.batch`; a broker that ignores the limit is throttled by TCP.
    `session_expiry_s`: how long the broker keeps it while every process of ours is away; two weeks unless told.
    `connect_timeout_s` spans everything from the name look-up to the SUBACK.
    """

    client_id: str
    filters: tuple[Filter, ...]
    receive_max: int
    session_expiry_s: int = 14 * 24 * 3600
    keep_alive_s: int = 15
    clean_start: bool = False
    connect_timeout_s: float = 10.0
    buffer_bytes_max: int = 32 << 20

    def __post_init__(self) -> None:
        if not 1 <= self.receive_max <= 65_535:
            raise ValueError("receive_max is 1 … 65,535")
        if not self.client_id or not self.filters:
            raise ValueError("a session needs a client id and at least one filter")


def connect_packet(url: MqttUrl, options: SessionOptions) -> mqtt5.ConnectPacket:
    return mqtt5.ConnectPacket(
        options.client_id,
        username=url.username,
        password=url.password.encode() if url.password is not None else None,
        clean_start=options.clean_start,
        keep_alive=options.keep_alive_s,
        session_expiry_interval=options.session_expiry_s,
        receive_max=options.receive_max,
        max_packet_size=PACKET_BYTES_MAX,
    )


def subscribe_packet(filters: Iterable[Filter], packet_id: int = SUBSCRIBE_PACKET_ID) -> mqtt5.SubscribePacket:
    """One SUBSCRIBE for all filters: the broker answers for each."""
    topic_filters = [
        mqtt5.TopicFilter(
            wanted.pattern,
            max_qos=mqtt5.QoS(wanted.qos),
            retain_as_published=wanted.retain_as_published,
            retain_handling=mqtt5.RetainHandling(wanted.retain_handling),
        )
        for wanted in filters
    ]
    return mqtt5.SubscribePacket(packet_id, topic_filters)
