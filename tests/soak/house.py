"""What is put under stress: the real stack, each server behind a proxy, and the service as five processes."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg

from tests.blackbox import program
from tests.blackbox.api import Api
from tests.blackbox.installation import empty_database, settings_for
from tests.blackbox.program import Program
from tests.soak.volume import NoVolume, Volume
from tests.support.servers import Broker, DatabaseServer, TcpProxy, free_port, until
from tests.support.stack import STACK, RealBroker, RealPostgres

SERVICES: Final = ("ingest-a", "ingest-b", "alerts-a", "alerts-b", "registry")
BACK_S: Final = 60.0
_CONNECT_S: Final = 30.0  # the machine may stand still for a while, and what it is asked then is not to be a finding
_ANSWER: Final = aiohttp.ClientTimeout(total=2)
# The machine's own: a small disk must hold the write-ahead log, too.
_SMALL_DISK: Final = {"max_wal_size": "512MB", "min_wal_size": "128MB"}


@dataclass
class Service:
    """One process of ours. `down`: a fault has ended or stopped it, so that nobody wonders."""

    name: str
    program: Program
    api: Api
    down: bool = False

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]

    async def is_ready(self) -> bool:
        """By its own word; whether it is one that works or one that stands by."""
        try:
            async with self.api.session.get(f"{self.api.url}/readyz", timeout=_ANSWER) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def pause(self) -> None:
        """SIGSTOP: it keeps its connections, and does nothing."""
        self.down = True
        os.kill(self.program.pid, signal.SIGSTOP)

    async def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.program.pid, signal.SIGCONT)
        self.down = False

    async def kill(self) -> None:
        """SIGKILL."""
        self.down = True
        await asyncio.to_thread(self.program.kill)

    async def start(self) -> None:
        """As systemd would. Returns once it takes part again."""
        self.program.start()
        self.down = False
        await until(self.is_ready, BACK_S, what=f"{self.name} to be ready again")


@dataclass
class House:
    """Everything that runs. Faults happen to what is in here; boxes and hubs are outside."""

    broker: Broker
    database: DatabaseServer
    broker_proxy: TcpProxy
    database_proxy: TcpProxy
    settings: Mapping[str, str]
    database_url: str  # past the proxy
    volume: Volume | None
    no_volume: str | None  # why there is none
    database_log: Path
    services: Mapping[str, Service]
    ended_by_themselves: list[str] = field(default_factory=list)

    @property
    def ops(self) -> Api:
        """The register's API."""
        return self.services["registry"].api

    def of_kind(self, kind: str) -> list[Service]:
        return [each for each in self.services.values() if each.kind == kind]

    async def worker(self, shard: str) -> Service | None:
        """Who holds the lease of this shard; None when that can't be said just now."""
        with suppress(asyncpg.PostgresError, OSError, TimeoutError):
            async with asyncio.timeout(2), self.connection() as connection:
                holder = await connection.fetchval("select holder from chassis.shard where shard = $1", shard)
                pids = {str(each.program.pid): each for each in self.services.values()}
                return next((pids[part] for part in (holder or "").split("-") if part in pids), None)
        return None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """One that no fault of a line touches."""
        connection = await asyncpg.connect(self.database_url, timeout=_CONNECT_S)
        try:
            yield connection
        finally:
            await connection.close(timeout=_CONNECT_S)

    async def database_back(self) -> None:
        """Return once it answers; whoever watches over services starts one that has ended."""

        async def answers() -> bool:
            if not self.database.running:
                self.database.kill()
                await asyncio.to_thread(self.database.start)
            with suppress(asyncpg.PostgresError, OSError, TimeoutError):
                async with self.connection() as connection:
                    return bool(await connection.fetchval("select true"))
            return False

        await until(answers, BACK_S, what="the database to be back")

    async def restart_the_fallen(self) -> None:
        """A process that has ended without our doing is a finding; it is started again, as systemd would."""
        for each in self.services.values():
            if not each.down and not each.program.running:
                self.ended_by_themselves.append(f"{each.name}: {each.program.log_tail(1)[:400]}")
                each.program.start()

    async def all_ready(self) -> bool:
        return all([await each.is_ready() for each in self.services.values()])

    async def stop(self) -> list[str]:
        """SIGTERM to all; which of them did not end as they should."""
        faults = []
        for each in self.services.values():
            each.down = True
            try:
                code = await each.program.stop()
            except AssertionError as error:
                faults.append(f"{each.name} {error}")
            else:
                faults += [f"{each.name} ended with exit code {code}"] if code else []
        return faults


@asynccontextmanager
async def open_house(logs: Path) -> AsyncIterator[House]:
    """Servers, migrated, proxies, and the service's processes, not started. All is gone afterwards but the logs."""
    home = STACK.temporary_directory("telecare-soak-", "postgres")
    server = RealPostgres(home / "cluster", settings=_SMALL_DISK)
    database, broker = DatabaseServer(server), Broker(RealBroker())
    volume: Volume | None = None
    no_volume: str | None = None
    try:
        try:
            volume = await asyncio.to_thread(_move_to_a_volume, server.initialise() / "data", home / "disk.img")
        except NoVolume as reason:
            no_volume = str(reason)
        await asyncio.to_thread(database.start)
        await asyncio.to_thread(broker.start)
        async with empty_database(database) as url, aiohttp.ClientSession() as http:
            proxies = TcpProxy(broker.url), TcpProxy(url)
            for proxy in proxies:
                await proxy.start()
            settings = settings_for(proxies[1].url, proxies[0].url, home) | {
                "SECRET_KEY": secrets.token_urlsafe(32),
                "REQUESTS_PER_S": "0",  # the hubs' operators share a token
            }
            migrated = await program.run("migrate", settings=settings)
            assert migrated.code == 0, migrated.output
            services = {name: _service(name, settings, logs, http) for name in SERVICES}
            house = House(broker, database, *proxies, settings, url, volume, no_volume, server.log, services)
            try:
                yield house
            finally:
                for each in services.values():
                    each.program.kill()
                for proxy in proxies:
                    await proxy.stop()
    finally:
        for closing in (broker, database):
            await asyncio.to_thread(closing.close)
        if volume is not None:
            await asyncio.to_thread(volume.close)
        shutil.rmtree(home, ignore_errors=True)


def _service(name: str, settings: Mapping[str, str], logs: Path, http: aiohttp.ClientSession) -> Service:
    port = free_port()
    log = logs / f"{name}.log"
    log.unlink(missing_ok=True)
    running = Program(name.partition("-")[0], settings={**settings, "HTTP_PORT": str(port)}, log=log)
    return Service(name, running, Api(http, f"http://127.0.0.1:{port}", settings["BOOTSTRAP_TOKEN"]))


def _move_to_a_volume(data: Path, image: Path) -> Volume:
    """Put the cluster's files on a small disk of their own, mounted where they were."""
    before = data.with_name("data.before")
    data.rename(before)
    data.mkdir(mode=0o700)
    try:
        volume = Volume(data, image)
    except NoVolume:
        data.rmdir()
        before.rename(data)
        raise
    shutil.copystat(before, data)
    for command in (["/bin/cp", "-a", f"{before}/.", str(data)], ["/bin/rm", "-r", str(before)]):
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    account = STACK.account("postgres")
    if account is not None:
        os.chown(data, *account)
    data.chmod(0o700)
    return volume
