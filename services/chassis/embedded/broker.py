"""The rumqttd broker from the `iotcore` wheel, as a child of ours on two ports of loopback.

Its limits, all measured (design.md, "The embedded default"): it speaks MQTT 3.1.1 and 5 on different ports; it keeps a
session only if `clean_start` was false from the very first connect; it forgets everything when it restarts.
"""

import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from services.chassis.embedded.ports import LOOPBACK, PortClaim, answers, claim_port
from services.chassis.embedded.process import GuardedProcess, ServerDidNotStartError

_READY_TIMEOUT_S: Final = 60.0  # a second; a machine that is busy has paused one for five

# `rumqttd` logs every packet as an error; what is wrong with our listeners or with Python still reaches the log file.
_PROGRAM: Final = """
import logging, sys
from iotcore import Broker
logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
Broker(config_path=sys.argv[1]).run_forever()
"""

# The contract accepts payloads of 16 KiB; a broker that drops the connection above that would hide that we cope.
_CONFIG: Final = """
id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
"""
_LISTENER: Final = """
[{version}.1]
name = "{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 10000
dynamic_filters = true
"""


class EmbeddedBroker:
    """One broker. Calls block for a few tenths of a second: from a coroutine use `asyncio.to_thread`.

    A taken port is replaced by a free one.
    """

    def __init__(self, *, port: int | None = None, port_v311: int | None = None) -> None:
        self._wanted_ports = (port, port_v311)
        self._claims: list[PortClaim] = []
        self._server: GuardedProcess | None = None
        self._directory: Path | None = None
        self.port = 0
        self.port_v311 = 0

    @property
    def url(self) -> str:
        """For clients that speak MQTT 5, as ours do."""
        return f"mqtt://{LOOPBACK}:{self.port}"

    @property
    def url_v311(self) -> str:
        """For clients that speak MQTT 3.1.1."""
        return f"mqtt://{LOOPBACK}:{self.port_v311}"

    @property
    def process(self) -> GuardedProcess:
        """The running broker's process; `RuntimeError` when it isn't started."""
        if self._server is None:
            raise RuntimeError("the embedded broker is not running")
        return self._server

    def start(self) -> None:
        """Return when both ports take connections; raises `ServerDidNotStartError`.

        A second start, after a halt or a kill, uses the same ports again.
        """
        self._choose_ports()
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="telecare-broker-"))
        config = self._directory / "rumqttd.toml"
        listeners = (("v5", self.port), ("v4", self.port_v311))
        config.write_text(_CONFIG + "".join(_LISTENER.format(version=v, host=LOOPBACK, port=p) for v, p in listeners))
        self._server = GuardedProcess(
            [sys.executable, "-I", "-c", _PROGRAM, str(config)],
            log=self._directory / "rumqttd.log",
            stop_signals=(signal.SIGKILL,),  # it has nothing to finish and keeps nothing
            remove=[self._directory],
        )
        try:
            self._server.wait_until_ready(lambda: answers(self.port) and answers(self.port_v311), _READY_TIMEOUT_S)
        except ServerDidNotStartError:
            self.stop()
            raise

    @property
    def running(self) -> bool:
        """Whether it was started, and has not ended since."""
        return self._server is not None and self._server.running

    def revive(self) -> None:
        """Start it again after it ended by itself, on the same ports. Raises `ServerDidNotStartError`: then try again."""
        if self._server is not None:
            self.kill()
        self.start()

    def halt(self) -> None:
        """End it for a while. It will have forgotten everything."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def stop(self) -> None:
        """End it. Leaves no process, no port, no file."""
        self.halt()
        for claim in self._claims:
            claim.release()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def kill(self) -> None:
        """SIGKILL it."""
        self.process.kill()
        self._server = None

    def _choose_ports(self) -> None:
        if not self.port:
            self._claims = [claim_port(wanted) for wanted in self._wanted_ports]
            self.port, self.port_v311 = (claim.port for claim in self._claims)
