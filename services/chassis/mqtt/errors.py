"""What can go wrong between us and a broker.

MqttError
├── ConnectFailed         nobody answered: no route, no TLS, or no CONNACK or SUBACK in time
├── ConnectionRefused     the broker's CONNACK said no (.reason: credentials, client id, quota, …)
├── SubscriptionRefused   the broker's SUBACK said no (.pattern, .reason)
├── Disconnected          a connection that stood is gone (.reason, .detail)
└── PublishFailed         not known to have reached the broker: publish again
    └── PublishRefused    the broker's PUBACK said no (.reason): the same again is refused again
"""

import enum


class DisconnectReason(enum.StrEnum):
    """Why a connection is gone, as far as a caller acts on it."""

    CLOSED = "closed"  # by us, with a DISCONNECT
    CONNECTION_LOST = "connection_lost"  # TCP ended without a word
    PEER_SILENT = "peer_silent"  # keep-alive: not a byte for one and a half intervals
    SESSION_TAKEN_OVER = "session_taken_over"  # DISCONNECT 0x8E: another connection has our client id
    SERVER_DISCONNECTED = "server_disconnected"  # DISCONNECT with any other reason
    SUBSCRIPTION_REFUSED = "subscription_refused"  # learnt only after messages of a kept session had come
    PROTOCOL_ERROR = "protocol_error"  # bytes that are no MQTT, or not in this state
    PACKET_TOO_LARGE = "packet_too_large"  # above the size that we announced


class MqttError(Exception):
    """Base of everything here."""


class ConnectFailed(MqttError):
    """No connection stood: no route, no TLS, or no CONNACK or SUBACK in time."""


class ConnectionRefused(MqttError):
    """The broker answered CONNECT with a refusal."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the broker refused the connection: {reason}")
        self.reason = reason


class SubscriptionRefused(MqttError):
    """The broker refused one of the filters; the session is of no use without it."""

    def __init__(self, pattern: str, reason: str) -> None:
        super().__init__(f"the broker refused the subscription {pattern!r}: {reason}")
        self.pattern = pattern
        self.reason = reason


class Disconnected(MqttError):
    """The connection is gone. Everything of it that was not acknowledged comes again on the next one."""

    def __init__(self, reason: DisconnectReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class PublishFailed(MqttError):
    """Not known to have reached the broker (it may have, even so): publish again later."""


class PublishRefused(PublishFailed):
    """The broker's PUBACK carries a refusal (ACL, quota): the same again will be refused again."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the broker refused the message: {reason}")
        self.reason = reason
