"""How large the database is, how much room its disk has, whether who stands by keeps up, and when it was last backed up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.chassis.postgres import Queries
from services.chassis.postgres.pool import connect

QUERIES = Queries.beside(__file__)

_GAUGES = {
    "telecare_database_size_bytes": "What the database takes on disk, its WAL not counted.",
    "telecare_database_disk_bytes": "The size of the file system that TELECARE_DATABASE_DISK is on; absent: not set.",
    "telecare_database_disk_free_bytes": "What is free on that file system.",
    "telecare_database_standbys": "Standbys that are connected to the database.",
    "telecare_database_replication_lag_seconds": "How far the slowest standby is behind; absent: we may not see it (pg_monitor).",
    "telecare_database_wal_kept_bytes": "WAL that the slowest replication slot keeps from being recycled.",
}

_BACKUP = (
    "telecare_backup_timestamp_seconds",
    "When a backup was last made of the database; before the first: since when it is watched.",
)


class DatabaseVitals(Collector):
    """As last seen; nothing while the database can't be asked. As the login role: no service may look past its own schema."""

    def __init__(self, metrics: CollectorRegistry, database_url: str, disk: Path | None) -> None:
        self._database_url = database_url
        self._disk = disk
        self._seen: dict[str, float] = {}
        self._backups: dict[str, float] = {}
        metrics.register(self)

    async def run_once(self) -> int:
        """Look. Returns 0: the next look is due in a minute. Raises what the database or the file system says."""
        self._seen = self._room()  # first: a full disk is why the database may be away
        connection = await connect(self._database_url, name="vitals")
        try:
            row = await connection.fetchrow(QUERIES["database"])
            if row is not None:
                self._seen |= {
                    "telecare_database_size_bytes": row["size_bytes"],
                    "telecare_database_standbys": row["standbys"],
                    "telecare_database_wal_kept_bytes": row["wal_kept_bytes"],
                }
                if row["told"]:
                    self._seen["telecare_database_replication_lag_seconds"] = row["lag_s"]
            # Last: a login that may not read it says so in the log, and has cost nothing of the above.
            self._backups = {kind["what"]: kind["made_at_s"] for kind in await connection.fetch(QUERIES["backups"])}
        finally:
            await connection.close()
        return 0

    def _room(self) -> dict[str, float]:
        if self._disk is None:
            return {}
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
