"""Styles and scripts of a folder, read once and served from here alone. Their address changes whenever they do."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi.responses import Response

from services.chassis.http import Problem

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


class Assets:
    """The files of `folder`, which need not be there."""

    def __init__(self, folder: Path) -> None:
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        self._files = {path.name: path.read_bytes() for path in found if path.suffix in _MEDIA_TYPES}
        self.version = hashlib.sha256(b"\0".join(self._files.values())).hexdigest()[:12]

    def response(self, version: str, name: str) -> Response:
        """One file; kept by browsers for ever under the version that it belongs to. 404 for any other name."""
        if name not in self._files:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such file.")
        # A page from before an update asks for its old version: it gets the present files, and keeps none of them.
        keeping = "public, max-age=31536000, immutable" if version == self.version else "no-store"
        return Response(
            self._files[name], media_type=_MEDIA_TYPES[Path(name).suffix], headers={"Cache-Control": keeping}
        )
