"""`/api/v1/alarms`: listed, read, followed, taken, given back and closed."""

from services.alerts.http.routes import routes

__all__ = ["routes"]
