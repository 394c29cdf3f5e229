"""What docs/security.md says of large fleets: a device is whom its certificate names, and Mosquitto alone sees to it."""

import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.outsider import Outsider, outsider
from tests.support.ports import free_port
from tests.support.stack import STACK, RealBroker

pytestmark = pytest.mark.real_stack

ROOT = "telecare/v1"
GLASGOW = f"{ROOT}/devices/glasgow-city"
SECURITY = Path(__file__).parents[4] / "docs" / "security.md"


@dataclass
class Fleet:
    broker: RealBroker
    port: int
    devices: Authority
    lost: tuple[Path, Path]

    def device(
        self, device_id: str, client_id: str | None = None, *, v5: bool = True
    ) -> AbstractContextManager[Outsider]:
        own = self.devices.issue(device_id)
        return outsider(self.port, None, None, client_id or device_id, ca=self.devices.certificate, own=own, v5=v5)

    def service(self) -> AbstractContextManager[Outsider]:
        """One of ours, on loopback, where nobody is asked for a certificate."""
        return outsider(self.broker.port, None, None, "witness")

    def refuses(self, own: tuple[Path, Path] | None) -> bool:
        """Whether the handshake fails, for the certificate that is shown. By TLS 1.2, where it is told within it."""
        context = ssl.create_default_context(cafile=self.devices.certificate)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        if own is not None:
            context.load_cert_chain(*own)
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as line:
            try:
                context.wrap_socket(line, server_hostname="localhost").close()
            except ssl.SSLError:
                return True
        return False


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A broker with the listener that the page describes; who is on loopback, as our services are there, comes without."""
    devices, broker, port = Authority(tmp_path), RealBroker(), free_port()
    lost = devices.issue("TC-LOST")
    certificate, key = devices.issue("broker", "localhost")
    crl = devices.revoke(lost[0])
    broker.start()
    broker.halt()
    listener, acl = documented()
    files = {
        "/etc/mosquitto/certs/devices-ca.pem": devices.certificate,
        "/etc/mosquitto/certs/devices.crl": crl,
        "/etc/mosquitto/certs/broker.crt": certificate,
        "/etc/mosquitto/certs/broker.key": key,
    }
    (tmp_path / "devices.acl").write_text(f"topic readwrite #\n{acl}")  # whoever has no name: ours
    files["/etc/mosquitto/devices.acl"] = tmp_path / "devices.acl"
    text = (broker.directory / "mosquitto.conf").read_text()
    text += f"listener {port} 127.0.0.1\ncertfile /etc/mosquitto/certs/broker.crt\n"
    text += f"keyfile /etc/mosquitto/certs/broker.key\n{listener}"
    for named, file in files.items():
        copy = broker.directory / file.name
        shutil.copy(file, copy)
        if (account := STACK.account("mosquitto")) is not None:
            shutil.chown(copy, *account)
        text = text.replace(named, STACK.inside(copy))
    (broker.directory / "mosquitto.conf").write_text(text)
    broker.more_ports = (port,)
    broker.start()
    try:
        yield Fleet(broker, port, devices, lost)
    finally:
        broker.stop()


def documented() -> tuple[str, str]:
    """The listener's lines on the page, and the file of rules that its sentence describes."""
    text = SECURITY.read_text(encoding="utf-8").partition("mutual TLS")[2]
    listener = text.split("```")[1].strip()
    for rule in ("pattern write telecare/v1/devices/+/%u/heartbeat", "pattern read telecare/v1/devices/+/%u/receipt"):
        assert rule in text
    up = [f"pattern write {ROOT}/devices/+/%u/{lane}" for lane in ("heartbeat", "alarm", "status")]
    down = [f"pattern read {ROOT}/devices/+/%u/{lane}" for lane in ("receipt", "command")]
    return f"{listener}\n", "\n".join([*up, *down]) + "\n"


@pytest.mark.parametrize("v5", [True, False])
def test_a_device_speaks_as_its_certificate_names_it_and_as_nobody_else(fleet: Fleet, *, v5: bool) -> None:
    with fleet.service() as us:
        for lane in ("heartbeat", "alarm", "status"):
            assert us.may_subscribe(f"{ROOT}/devices/+/+/{lane}")
        foreign = (
            f"{GLASGOW}/TC-B/alarm",
            f"{GLASGOW}/TC-A/receipt",
            f"{ROOT}/hubs/clyde-arc/actions",
            f"{GLASGOW}/%u/alarm",
        )
        for topic in foreign:
            with fleet.device("TC-A", v5=v5) as device:
                assert device.let_in
                device.publish(topic, b"forged")
        with fleet.device("TC-A", v5=v5) as device:
            device.publish(f"{GLASGOW}/TC-A/alarm", b"its own")
        assert us.heard() == (f"{GLASGOW}/TC-A/alarm", b"its own")


@pytest.mark.parametrize("v5", [True, False])
def test_a_device_hears_what_is_for_it_whatever_it_asks_for(fleet: Fleet, *, v5: bool) -> None:
    with fleet.service() as us, fleet.device("TC-A", v5=v5) as device:
        for pattern in ("#", f"{GLASGOW}/TC-B/receipt"):
            device.may_subscribe(pattern)  # granted, and delivers nothing
        us.publish(f"{GLASGOW}/TC-B/receipt", b"for B")
        us.publish(f"{ROOT}/hubs/clyde-arc/notifications", b"for the hub")
        us.publish(f"{GLASGOW}/TC-A/receipt", b"for A")
        assert device.heard() == (f"{GLASGOW}/TC-A/receipt", b"for A")


def test_a_device_under_anothers_client_id_ends_nobodys_session(fleet: Fleet) -> None:
    """`use_username_as_clientid`: its client id is its name, whatever it says."""
    with fleet.service() as us, fleet.device("TC-B") as other:
        assert other.may_subscribe(f"{GLASGOW}/TC-B/receipt")
        with fleet.device("TC-A", "TC-B") as thief:
            assert thief.let_in
            us.publish(f"{GLASGOW}/TC-B/receipt", b"still there")
            assert other.heard() == (f"{GLASGOW}/TC-B/receipt", b"still there")
        assert other.is_connected


def test_nobody_comes_without_a_certificate_of_the_devices_authority_or_with_a_revoked_one(
    fleet: Fleet, tmp_path: Path
) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    assert fleet.refuses(None)
    assert fleet.refuses(Authority(folder).issue("TC-A"))
    assert fleet.refuses(fleet.lost)
    assert not fleet.refuses(fleet.devices.issue("TC-A"))
