"""What the canary would show to a network: by the same rule as every service (services/chassis/exposure.py)."""

from __future__ import annotations

from typing import get_args

from services.canary.identity import CanaryIdentity
from services.canary.metered import Metered
from services.chassis.exposure import Exposure, http_is_safe, mqtt_exposure, refuse
from services.chassis.settings import SettingsError, Way


def protected(identity: CanaryIdentity, metered: Metered, tls_elsewhere: str) -> None:
    """`tls_elsewhere`: as TELECARE_TLS_ELSEWHERE has it. Raises SettingsError naming everything that would show."""
    ways: dict[str, Way] = {each: each for each in get_args(Way)}
    said = [each.strip() for each in tls_elsewhere.split(",") if each.strip()]
    if unknown := [each for each in said if each not in ways]:
        raise SettingsError(f"TELECARE_TLS_ELSEWHERE names no way of ours: {unknown[0]!r}; there are {', '.join(ways)}")
    elsewhere = [ways[each] for each in said]
    found = [
        _metrics(metered, elsewhere),
        mqtt_exposure("the hub's URL in the canary's file", identity.hub_mqtt_url, elsewhere),
        *(
            mqtt_exposure(f"the URL of {each.device_id} in the canary's file", each.mqtt_url, elsewhere)
            for each in identity.devices
        ),
    ]
    refuse(each for each in found if each is not None)


def _metrics(metered: Metered, elsewhere: list[Way]) -> Exposure | None:
    if http_is_safe(metered.host, tls=metered.certificate is not None, elsewhere=elsewhere):
        return None
    return Exposure(
        "--host is beyond loopback, and there is no TLS: whoever is in between could say that all is well",
        "give --cert and --key; or listen on 127.0.0.1; or, where something else protects that way and nobody else reaches "
        "that address, TELECARE_TLS_ELSEWHERE=http",
    )
