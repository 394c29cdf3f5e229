"""Settings from the environment, prefix `TELECARE_` (contract, "Settings")."""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contracts.ids import SLUG_LENGTH_MAX, SLUG_PATTERN
from services.chassis.oidc.grants import Grant

# A path may follow, for an installation behind a proxy; no space and no quote, so that it can stand in any text.
_PUBLIC_URL_PATTERN = r"^https?://[^\s/?#\"'<>]+(?:/[^\s?#\"'<>]*)?$"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Way = Literal["http", "broker", "database"]


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and says what to do."""


class Settings(BaseSettings):
    """What an installation may choose. URLs of servers hold passwords, so they show nowhere."""

    model_config = SettingsConfigDict(
        env_prefix="TELECARE_", env_file=None, env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: SecretStr
    mqtt_url: SecretStr
    mqtt_admin_url: SecretStr | None = None  # who keeps the broker's register of users; without it nobody does
    gate_listen: Annotated[str, Field(pattern=r"^[^\s:]+:[0-9]{1,5}$")] | None = None  # host:port of the enrolment gate
    gate_cert: Path | None = None
    gate_key: Path | None = None
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    http_cert: Path | None = None  # TLS of our own: a chain of certificates, PEM
    http_key: Path | None = None
    # What something else protects beyond loopback, and so may go without TLS of ours (services/chassis/exposure.py).
    tls_elsewhere: Annotated[tuple[Way, ...], NoDecode] = ()
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()  # whose X-Forwarded-For is believed
    requests_per_s: Annotated[float, Field(ge=0)] = 200.0  # by one token or session; 0: no limit
    bootstrap_token: SecretStr | None = None
    secret_key: SecretStr | None = None
    fallback_hub: Annotated[str, Field(pattern=SLUG_PATTERN, max_length=SLUG_LENGTH_MAX)] | None = None
    webhook_allow_cidrs: Annotated[tuple[Network, ...], NoDecode] = ()
    public_url: Annotated[str, Field(pattern=_PUBLIC_URL_PATTERN)] | None = None  # where people open the console
    smtp_url: SecretStr | None = None
    email_from: str | None = None
    notify_api_key: SecretStr | None = None
    notify_url: str | None = None
    notify_template_id: UUID | None = None
    notify_callback_token: SecretStr | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_role_map: Annotated[dict[str, Grant], NoDecode] = Field(default_factory=dict)
    oidc_role_claims: Annotated[tuple[str, ...], NoDecode] = ("roles", "groups")
    oidc_scope: str = "openid profile email offline_access"
    oidc_prompt: Literal["select_account", "login", "none"] = (
        "select_account"  # none: whoever is signed in there comes in
    )
    oidc_name: Annotated[str, Field(min_length=1, max_length=64)] = "your organisation"  # "Sign in with …"
    # How long what is about people is kept (record 17). Heartbeats: a year and its month, for a dispute about last winter.
    keep_heartbeats_days: Annotated[int, Field(ge=7, le=3660)] = 400
    keep_text_days: Annotated[int, Field(ge=30, le=3660)] = 180
    keep_audit_days: Annotated[int, Field(ge=366, le=7320)] = 2192
    database_disk: Path | None = None  # any path on the file system that the database's files are on
    watch_certificates: Annotated[tuple[Path, ...], NoDecode] = ()  # PEM files whose end is watched, beside our own
    # Seconds after which a process whose event loop stands ends itself, for whoever starts it anew; 0: never, as under systemd,
    # which sees to that (WatchdogSec).
    watchdog_s: Annotated[float, Field(ge=0)] = 0.0
    # Who presents a certificate to others, beside those that we go to: https://name, mqtts://127.0.0.1:8883?name=name&trust=file
    watch_listeners: Annotated[tuple[str, ...], NoDecode] = ()
    data_dir: Path = Path("~/.local/state/telecare")
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("oidc_role_map", mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator(
        "webhook_allow_cidrs",
        "trusted_proxies",
        "oidc_role_claims",
        "tls_elsewhere",
        "watch_certificates",
        "watch_listeners",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("data_dir")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser()


def load_settings(**overrides: object) -> Settings:
    """Read the environment; `overrides` win. Raises SettingsError naming every setting that is missing or wrong.

    What the environment does not say may be a file, as `telecare_database_url`, in TELECARE_SECRETS_DIR, or where systemd puts
    credentials.
    """
    try:
        return Settings(_secrets_dir=_secrets_dir(), **overrides)  # type: ignore[arg-type]  # pydantic validates
    except ValidationError as error:
        faults = dict.fromkeys(_explain(each["loc"], each["type"], each["msg"]) for each in error.errors())
        raise SettingsError("; ".join(faults)) from None


def _secrets_dir() -> str | None:
    directory = os.environ.get("TELECARE_SECRETS_DIR") or os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is not None and not Path(directory).is_dir():
        raise SettingsError(f"TELECARE_SECRETS_DIR (or systemd's CREDENTIALS_DIRECTORY) is no directory: {directory}")
    return directory


# What is read elsewhere: by this module, by the command line, and by what deploys us.
_OTHERS = frozenset({"api_url", "api_token", "secrets_dir", "name", "release", "stack_dir"})


def unknown_settings() -> list[str]:
    """Variables, and files in place of variables, that are named as settings of ours and are none: they do nothing."""
    directory = _secrets_dir()
    files = [] if directory is None else [each.name for each in Path(directory).iterdir() if each.is_file()]
    names = {
        name.removeprefix("telecare_") for name in map(str.lower, [*os.environ, *files]) if name.startswith("telecare_")
    }
    return [f"TELECARE_{name.upper()}" for name in sorted(names - Settings.model_fields.keys() - _OTHERS)]


_EXAMPLES = {
    "database_url": "postgresql://user:password@host:5432/telecare",
    "mqtt_url": "mqtt://user:password@host:1883",
}


def _explain(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    # The value itself is never repeated: it may hold a password.
    field = str(loc[0])
    variable = f"TELECARE_{field.upper()}"
    if kind == "missing":
        return f"{variable} is not set: give it like {_EXAMPLES.get(field, '…')}, or try `telecare up --embedded`"
    return f"{variable} is not usable: {message}"
