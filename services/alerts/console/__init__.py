"""`/console`: the page that operators work with. Server-rendered; small plain scripts; server-sent events.

What it shows is read in one transaction together with the place from which the stream goes on, so a page and its stream are one.
What its people do goes the way of the HTTP API: the same `People`, the same answers.
"""

from services.alerts.console.embedding import Button, Embedding
from services.alerts.console.routes import Console, console_routers

__all__ = ["Button", "Console", "Embedding", "console_routers"]
