"""Secrets at rest, encrypted (Fernet: AES-128-CBC with HMAC-SHA-256) under a key that is in no database."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import structlog
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.chassis.settings import Settings, SettingsError

_log = structlog.get_logger(__name__)

PASSPHRASE_LENGTH_MIN = 16
KEY_FILE = "secret.key"

# Part of the key: changing it makes every stored secret unreadable.
_PURPOSE = b"telecare secrets at rest, v1"


class SecretKeyError(Exception):
    """What was stored was encrypted under another key; the message names the setting."""


class Vault:
    """Encrypts what is stored and may not be read there: channels' secrets, responders' contacts."""

    def __init__(self, passphrase: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(passphrase.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))
        self._passphrase = passphrase.encode()

    @classmethod
    def from_settings(cls, settings: Settings) -> Vault:
        """The vault under TELECARE_SECRET_KEY, else under a key kept in DATA_DIR, which is made on first use.

        Raises SettingsError when the passphrase is shorter than 16 characters or the file can't be made or read.
        """
        if settings.secret_key is None:
            return cls(_kept(settings.data_dir / KEY_FILE))
        passphrase = settings.secret_key.get_secret_value()
        if len(passphrase) < PASSPHRASE_LENGTH_MIN:
            raise SettingsError(f"TELECARE_SECRET_KEY is too short: give at least {PASSPHRASE_LENGTH_MIN} characters")
        return cls(passphrase)

    def key(self, purpose: str) -> bytes:
        """256 bits for one purpose, always the same: they tell nothing of those for another, nor of the passphrase."""
        info = f"telecare key, v1: {purpose}".encode()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._passphrase)

    def encrypt(self, plain: bytes) -> bytes:
        """Twice the same plaintext gives two different results."""
        return self._fernet.encrypt(plain)

    def decrypt(self, encrypted: bytes) -> bytes:
        """Raises SecretKeyError when it was encrypted under another key, or altered."""
        try:
            return self._fernet.decrypt(encrypted)
        except InvalidToken:
            raise SecretKeyError(
                "a stored secret was encrypted under another key: set TELECARE_SECRET_KEY to the one it was stored under "
                f"(without the setting, the key is the file {KEY_FILE} in TELECARE_DATA_DIR), or give the secret again"
            ) from None


def _kept(path: Path) -> str:
    try:
        if not path.exists():
            _make(path)
        passphrase = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(
            f"TELECARE_SECRET_KEY is not set and no key can be kept in TELECARE_DATA_DIR: {error.strerror}: {path}"
        ) from None
    if len(passphrase) < PASSPHRASE_LENGTH_MIN:
        raise SettingsError(f"{path} holds no key: restore it, or remove it and give every channel's secret again")
    return passphrase


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole or not at all, and never replaces the key that another process made a moment ago.
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    _log.warning(
        "secret_key_made",
        path=str(path),
        hint="set TELECARE_SECRET_KEY, the same for every process, and keep it apart from the database's backup",
    )
