"""When certificates end: those that this process presents, and those it is told to watch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog
from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge

from services.chassis.settings import Settings

_log = structlog.get_logger(__name__)

UNREADABLE_S = 0.0  # as if it had ended in 1970: whoever can't read it can't present it either


def watched(settings: Settings) -> tuple[Path, ...]:
    """Every file that a setting ending in `_cert` names, and those of others: `TELECARE_WATCH_CERTIFICATES`."""
    named = (getattr(settings, name) for name in type(settings).model_fields if name.endswith("_cert"))
    return tuple(dict.fromkeys([*(path for path in named if path is not None), *settings.watch_certificates]))


def ends_at(path: Path) -> float:
    """When the first certificate of a PEM file ends, in seconds since 1970: a chain is as good as its weakest.

    Raises OSError, ValueError, InvalidVersion.
    """
    chain = x509.load_pem_x509_certificates(path.read_bytes())
    return min(each.not_valid_after_utc for each in chain).timestamp()


class CertificateVitals:
    """`telecare_certificate_expiry_timestamp_seconds{file}`; no series where no certificate is named."""

    def __init__(self, metrics: CollectorRegistry, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._unreadable: set[Path] = set()
        self._gauge: Gauge | None = None
        if paths:
            self._gauge = Gauge(
                "telecare_certificate_expiry_timestamp_seconds",
                "When the first certificate of a file ends; 0: the file can't be read.",
                ["file"],
                registry=metrics,
            )

    async def run_once(self) -> int:
        """Read them all again: a renewed one counts at once. Returns 0: the next look is due in a minute."""
        for path in self._paths:
            ends_at_s = await asyncio.to_thread(self._read, path)
            if self._gauge is not None:
                self._gauge.labels(str(path)).set(ends_at_s)
        return 0

    def _read(self, path: Path) -> float:
        try:
            ends_at_s = ends_at(path)
        except (OSError, ValueError, x509.InvalidVersion) as error:
            if path not in self._unreadable:
                _log.warning("certificate_unreadable", file=str(path), reason=f"{type(error).__name__}: {error}")
                self._unreadable.add(path)
            return UNREADABLE_S
        self._unreadable.discard(path)
        return ends_at_s
