"""Whoever comes to the broker from outside: paho, not a client of ours, and so as stubborn as a stranger."""

import contextlib
import queue
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from services.chassis.mqtt.threaded import hang_up

_TIMEOUT_S = 30.0  # for what must come; what must not is waited for by whoever says so


class Outsider:
    """One connection; everything waits for its answer."""

    def __init__(
        self,
        port: int,
        username: str | None,
        password: str | None,
        client_id: str | None = None,
        *,
        v5: bool = True,
        address: str = "",
        ca: Path | None = None,
        own: tuple[Path, Path] | None = None,
    ) -> None:
        """`ca`: over TLS, believing this authority only. `own`: its certificate and key. Raises OSError when TLS fails."""
        protocol = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
        name = client_id or username or ""
        self.paho = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol)
        if username is not None:
            self.paho.username_pw_set(username, password)
        if ca is not None:
            self.paho.tls_set_context(_context(ca, own))
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._connacks: queue.Queue[Any] = queue.Queue()
        self._subacks: queue.Queue[Any] = queue.Queue()
        self._answered: set[int] = set()
        self._ends: queue.Queue[str] = queue.Queue()
        self.paho.on_connect = lambda _c, _u, _f, code, _p: self._connacks.put(code)
        self.paho.on_subscribe = lambda _c, _u, _m, codes, _p: self._subacks.put(codes[0])
        self.paho.on_publish = lambda _c, _u, mid, _code, _p: self._answered.add(mid)
        self.paho.on_message = lambda _c, _u, message: self.messages.put((message.topic, bytes(message.payload)))
        self.paho.on_disconnect = lambda _c, _u, _f, code, _p: self._ends.put(str(code))
        self.paho.reconnect_delay_set(600, 600)  # once it is cut off, it stays away
        self.paho.connect("127.0.0.1", port, keepalive=30, bind_address=address)
        self.paho.loop_start()
        code = self._connacks.get(timeout=_TIMEOUT_S)
        self.let_in = not code.is_failure

    def may_subscribe(self, pattern: str) -> bool:
        self.paho.subscribe(pattern, qos=1)
        return not self._subacks.get(timeout=_TIMEOUT_S).is_failure

    def publish(self, topic: str, payload: bytes = b"x", *, qos: int = 1, retain: bool = False) -> None:
        """Returns once it is acknowledged, refused, or the connection has ended for it.

        By its own number: paho says of QoS 0 as well that it was published, and that is no answer to this one.
        """
        number = self.paho.publish(topic, payload, qos=qos, retain=retain).mid
        if qos:
            self._wait(lambda: number in self._answered or not self._ends.empty())

    def heard(self, timeout_s: float = _TIMEOUT_S) -> tuple[str, bytes] | None:
        try:
            return self.messages.get(timeout=timeout_s)
        except queue.Empty:
            return None

    @property
    def is_connected(self) -> bool:
        return self._ends.empty() and self.let_in

    def ended(self, timeout_s: float = _TIMEOUT_S) -> str:
        """Why the broker ended the connection. Raises queue.Empty when it did not."""
        return self._ends.get(timeout=timeout_s)

    def close(self) -> None:
        hang_up(self.paho)

    @staticmethod
    def _wait(happened: Any) -> None:
        until = time.monotonic() + _TIMEOUT_S
        while not happened():
            assert time.monotonic() < until, "no answer from the broker"
            time.sleep(0.005)


class _Tidy(ssl.SSLSocket):
    """paho forgets the socket of a handshake that failed."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except ssl.SSLError:
            self.close()
            raise


def _context(ca: Path, own: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    context.sslsocket_class = _Tidy
    if own is not None:
        context.load_cert_chain(*own)
    return context


@contextlib.contextmanager
def outsider(
    port: int, username: str | None, password: str | None, client_id: str | None = None, **how: Any
) -> Iterator[Outsider]:
    one = Outsider(port, username, password, client_id, **how)
    try:
        yield one
    finally:
        one.close()
