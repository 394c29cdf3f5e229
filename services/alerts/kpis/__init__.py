"""How soon people answered, month by month: as JSON, as CSV, and as a page."""

from services.alerts.kpis.http import routes
from services.alerts.kpis.store import Months

__all__ = ["Months", "routes"]
