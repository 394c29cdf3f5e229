"""The loops that look at what a process stands on."""

from __future__ import annotations

from typing import Final

from services.chassis.loop import Loop
from services.chassis.service import Runtime
from services.chassis.vitals.certificates import CertificateVitals, watched
from services.chassis.vitals.database import DatabaseVitals
from services.chassis.vitals.presented import PresentedVitals, listeners

EVERY_S: Final = 60.0  # disks and certificates are slow, and a database's size is the sum of all its files'
PRESENTED_EVERY_S: Final = 600.0  # each look is a connection, and a line in somebody's log


def vitals_loops(runtime: Runtime, own_url: str | None = None) -> tuple[Loop, ...]:
    """Each process looks for itself: a certificate is its own, and the database may be away for one of them alone.

    `own_url`: where it serves HTTP. Raises SettingsError for a listener that is none.
    """
    settings = runtime.settings
    certificates = CertificateVitals(runtime.metrics, watched(settings))
    database = DatabaseVitals(runtime.metrics, runtime.database_url, settings.database_disk)
    presented = PresentedVitals(runtime.metrics, listeners(settings, own_url))
    return (
        Loop("certificate-vitals", certificates.run_once, EVERY_S),
        Loop("presented-vitals", presented.run_once, PRESENTED_EVERY_S),
        Loop("presented-vitals-again", presented.again, EVERY_S),
        Loop("database-vitals", database.run_once, EVERY_S),
    )
