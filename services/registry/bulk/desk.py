"""Where files are taken in: one after another, and what takes processor time in a thread, for alarms share the event loop."""

from __future__ import annotations

import asyncio
from typing import Literal

from services.registry.bulk.reading import Unreadable, read_sheet
from services.registry.bulk.report import Report
from services.registry.bulk.rows import candidates
from services.registry.bulk.store import BulkStore
from services.registry.devices.values import Asked


class Desk:
    def __init__(self, store: BulkStore) -> None:
        self._store = store
        self._busy = asyncio.Lock()

    async def take(
        self,
        body: bytes,
        asked: Asked,
        reach: frozenset[str] | None,
        *,
        dry_run: bool,
        mode: Literal["all", "good"],
        update: bool,
    ) -> Report:
        """Read a file and store it, or say what would be stored. Raises what the database raises; then nothing is stored."""
        async with self._busy:
            try:
                sheet = await asyncio.to_thread(read_sheet, body)
            except Unreadable as error:
                return Report.unreadable(error.faults, dry_run=dry_run, mode=mode)
            found, faults, refused = await asyncio.to_thread(candidates, sheet)
            # None: all or nothing, which the register decides.
            write = False if dry_run or (faults and mode == "all") else mode == "good" or None
            intake = await self._store.store(found, sheet.positions, asked, reach=reach, update=update, write=write)
            intake.faults += faults
            intake.refused += refused
            return Report.of(intake, dry_run=dry_run, mode=mode)
