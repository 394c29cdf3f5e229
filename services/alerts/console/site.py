"""The console's site: what its templates know besides what every page knows."""

from __future__ import annotations

from typing import Final, get_args

from contracts.notification import AlarmNotificationType
from services.alerts.console import words
from services.alerts.console.operators import has, may_act
from services.chassis.pages import Site

SITE: Final = Site("/console", __file__)
SITE.environment.globals |= {
    "events": get_args(AlarmNotificationType),
    "outcomes": words.OUTCOMES,
    "priorities": words.PRIORITIES,
    "channels": words.CHANNELS,
    "headline": words.headline,
    "what_happened": words.what_happened,
    "has": has,
    "may_act": may_act,
}
SITE.environment.filters |= {"place": words.place, "why": words.why}
