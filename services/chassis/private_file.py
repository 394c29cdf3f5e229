"""A file that holds secrets: for its owner's eyes only; all of it, or nothing."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Mode 0600 from its first byte on, and in place of what was there only once it is whole. Raises OSError."""
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as whole:
        whole.write(text)
    part.replace(file)
