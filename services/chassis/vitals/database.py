"""How large the database is, what room its disk and its NOTIFY queue have, whether standbys keep up, when it was backed up."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.chassis.postgres import Connection, Queries, is_transient
from services.chassis.postgres.pool import COMMAND_TIMEOUT_S, connect

QUERIES = Queries.beside(__file__)

_GAUGES = {
    "telecare_database_size_bytes": "What the database takes on disk, its WAL not counted.",
    "telecare_database_disk_bytes": "The size of the file system that TELECARE_DATABASE_DISK is on; absent: not set.",
    "telecare_database_disk_free_bytes": "What is free on that file system.",
    "telecare_database_standbys": "Standbys that are connected to the database.",
    "telecare_database_replication_lag_seconds": "How far the slowest standby is behind; absent: we may not see it (pg_monitor).",
    "telecare_database_wal_kept_bytes": "WAL that the slowest replication slot keeps from being recycled.",
    "telecare_database_notify_queue_ratio": "How much of PostgreSQL's queue of notifications is taken; 1: it takes none any more.",
}

_BACKUP = (
    "telecare_backup_timestamp_seconds",
    "When a backup was last made of the database; before the first: since when it is watched.",
)


async def _size(connection: Connection) -> Mapping[str, float]:
    return {"telecare_database_size_bytes": await connection.fetchval(QUERIES["size"])}


async def _standbys(connection: Connection) -> Mapping[str, float]:
    (row,) = await connection.fetch(QUERIES["standbys"])
    counted = {"telecare_database_standbys": row["standbys"]}
    return counted | ({"telecare_database_replication_lag_seconds": row["lag_s"]} if row["told"] else {})


async def _wal_kept(connection: Connection) -> Mapping[str, float]:
    return {"telecare_database_wal_kept_bytes": await connection.fetchval(QUERIES["wal_kept"])}


async def _notify_queue(connection: Connection) -> Mapping[str, float]:
    return {"telecare_database_notify_queue_ratio": await connection.fetchval(QUERIES["notify_queue"])}


async def _backups(connection: Connection) -> Mapping[str, float]:
    return {kind["what"]: kind["made_at_s"] for kind in await connection.fetch(QUERIES["backups"])}


_FIGURES: Final = (_size, _standbys, _wal_kept, _notify_queue)
_NONE: Final[Mapping[str, float]] = MappingProxyType({})


class DatabaseVitals(Collector):
    """As last seen; of what could not be looked at nothing is told. As the login role: no service may look past its own schema."""

    def __init__(self, metrics: CollectorRegistry, database_url: str, disk: Path | None) -> None:
        self._database_url = database_url
        self._disk = disk
        self._seen: dict[str, float] = {}
        self._backups: Mapping[str, float] = _NONE
        metrics.register(self)

    async def run_once(self) -> int:
        """Look at each figure, whatever became of the one before: one that stands still looks well, so what failed is told no more.

        Returns 0: the next look is due in a minute. Raises what was said of one that can't be had, once all were looked at.
        """
        seen: dict[str, float] = {}
        backups = _NONE
        failed: list[Exception] = []

        async def had(look: Awaitable[Mapping[str, float]]) -> Mapping[str, float]:
            try:
                return await look
            except Exception as error:  # noqa: BLE001 - raised below
                failed.append(error)
                return _NONE

        seen |= await had(self._room())
        try:
            connection = await connect(self._database_url, name="vitals")
            try:
                for figure in _FIGURES:
                    seen |= await had(figure(connection))
                backups = await had(_backups(connection))
            finally:
                await connection.close(timeout=COMMAND_TIMEOUT_S)
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(error)
        self._seen, self._backups = seen, backups
        if failed:
            raise next((error for error in failed if not is_transient(error)), failed[0])
        return 0

    async def _room(self) -> Mapping[str, float]:
        if self._disk is None:
            return _NONE
        room = shutil.disk_usage(self._disk)
        return {"telecare_database_disk_bytes": room.total, "telecare_database_disk_free_bytes": room.free}

    def describe(self) -> Iterator[Metric]:
        """The names, so that registering twice fails at once."""
        yield from (GaugeMetricFamily(name, help_) for name, help_ in (*_GAUGES.items(), _BACKUP))

    def collect(self) -> Iterator[Metric]:
        """What the last look found."""
        for name, value in self._seen.items():
            yield GaugeMetricFamily(name, _GAUGES[name], value=value)
        if self._backups:
            made = GaugeMetricFamily(*_BACKUP, labels=["what"])
            for what, at_s in self._backups.items():
                made.add_metric([what], at_s)
            yield made
