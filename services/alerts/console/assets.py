"""The console's styles and scripts, read once and served from here alone. Their address changes whenever they do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi.responses import Response

from services.chassis.http import Problem

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def _read(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in _MEDIA_TYPES}


_FILES: Final = _read(Path(__file__).with_name("static"))
VERSION: Final = hashlib.sha256(b"\0".join(_FILES.values())).hexdigest()[:12]


def asset(version: str, name: str) -> Response:
    """One file; kept by browsers for ever under the version that it belongs to. 404 for any other name."""
    if name not in _FILES:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such file.")
    # A page from before an update asks for its old version: it gets the present files, and keeps none of them.
    keeping = "public, max-age=31536000, immutable" if version == VERSION else "no-store"
    return Response(_FILES[name], media_type=_MEDIA_TYPES[Path(name).suffix], headers={"Cache-Control": keeping})
