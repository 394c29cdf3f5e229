"""What certificates are presented to devices, hubs and browsers, and by servers to us: seen as they see it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from services.chassis.settings import Settings, SettingsError
from services.chassis.vitals.listener import Fault, Listener
from services.chassis.vitals.presented import listeners
from services.cli.doctor.finding import Finding, good, wrong

_GOOD_FOR_MIN: Final = timedelta(days=14)
_FAULTS: Final[dict[Fault, tuple[str, str]]] = {
    "unseen": ("presents no certificate", "is it up, and is the address right? (TELECARE_WATCH_LISTENERS)"),
    "untrusted": (
        "presents a certificate whose signers are not trusted",
        "put the whole chain in place and reload; an authority of your own is named in TELECARE_WATCH_LISTENERS (&trust=…)",
    ),
    "wrong_name": ("presents a certificate that is not for that name", "put the right one in place and reload"),
}


async def examine_presented(settings: Settings) -> list[Finding]:
    """A look at each listener that is watched. This process serves nothing itself."""
    try:
        found = listeners(settings)
    except SettingsError as error:
        return [wrong("listeners", str(error), "correct the setting: no service starts with it")]
    now = datetime.now(UTC)
    return [await asyncio.to_thread(_examine, each, now) for each in found]


def _examine(listener: Listener, now: datetime) -> Finding:
    look = listener.look()
    if look.fault is not None:
        what, advice = _FAULTS[look.fault]
        return wrong("listeners", f"{listener} {what} ({look.reason})", advice)
    ends = datetime.fromtimestamp(look.ends_at_s or 0.0, UTC)
    what = f"{listener} presents a certificate that is good until {ends:%Y-%m-%d}"
    if ends - now < _GOOD_FOR_MIN:
        return wrong(
            "listeners", what, "renew it, or, if its file is new already, let who presents it load that: reload"
        )
    return good("listeners", what)
