"""Passwords as Mosquitto keeps them: PBKDF2-HMAC-SHA-512."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from typing import Any, Final

ITERATIONS: Final = 101
"""Mosquitto's own number. Ours are 256 random bits, which no number of iterations makes harder to guess."""
_SALT_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class PasswordHash:
    sha512: bytes
    salt: bytes
    iterations: int

    @classmethod
    def of(cls, password: str) -> PasswordHash:
        salt = os.urandom(_SALT_BYTES)
        return cls(hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS), salt, ITERATIONS)

    def to_json(self) -> dict[str, Any]:
        return {
            "password": base64.b64encode(self.sha512).decode(),
            "salt": base64.b64encode(self.salt).decode(),
            "iterations": self.iterations,
        }
