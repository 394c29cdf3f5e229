"""The certificates of a trial, as `deploy/certificates` makes them, and servers that speak TLS with them."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port
from tests.support.stack import DEPLOY, STACK, RealBroker, RealPostgres


def certificates(folder: Path, *names: str) -> Path:
    """Make them, with the shipped script; where they are."""
    made = subprocess.run(
        [DEPLOY / "certificates", folder, *(names or ("telecare.example",))],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    return folder


def hand_over(file: Path, folder: Path, user: str) -> Path:
    """A copy in the folder that only this user of the real stack may read."""
    copy = Path(shutil.copy(file, folder))
    copy.chmod(0o600)
    if (account := STACK.account(user)) is not None:
        shutil.chown(copy, *account)
    return copy


@contextmanager
def database_with_tls(trial: Path, *, pristine: Path) -> Iterator[RealPostgres]:
    """PostgreSQL with the trial's certificate; `url` is the superuser's still, without a word on TLS."""
    folder = STACK.temporary_directory("telecare-database-tls-", "postgres")
    certificate, key = (hand_over(trial / f"database.{kind}", folder, "postgres") for kind in ("crt", "key"))
    tls = {"ssl": "on", "ssl_cert_file": STACK.inside(certificate), "ssl_key_file": STACK.inside(key)}
    server = RealPostgres(pristine=pristine, settings=tls)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextmanager
def broker_with_tls(trial: Path, register: str) -> Iterator[tuple[RealBroker, int]]:
    """Mosquitto with the shipped users.conf and, beside loopback, the listener that its comments describe; that one's port."""
    broker, port = RealBroker(register), free_port()
    broker.start()
    broker.halt()
    certificate, key = (hand_over(trial / f"broker.{kind}", broker.directory, "mosquitto") for kind in ("crt", "key"))
    main = broker.directory / "mosquitto.conf"
    listener = documented_listener()
    listener = listener.replace("listener 8883", f"listener {port} 127.0.0.1")
    listener = listener.replace("/etc/mosquitto/certs/fullchain.pem", STACK.inside(certificate))
    listener = listener.replace("/etc/mosquitto/certs/privkey.pem", STACK.inside(key))
    main.write_text(main.read_text() + listener)
    broker.more_ports = (port,)
    try:
        broker.start()
        yield broker, port
    finally:
        broker.stop()


def documented_listener() -> str:
    """What deploy/mosquitto/users.conf says of the devices' listener, without its number signs."""
    lines = (DEPLOY / "mosquitto" / "users.conf").read_text().splitlines()
    first = lines.index("#   listener 8883")
    return "\n".join(line.removeprefix("#   ") for line in lines[first : first + 4]) + "\n"
