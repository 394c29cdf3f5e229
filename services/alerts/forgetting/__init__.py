"""What alerts keeps no longer: on request, and by its age. Never of an alarm that is not closed."""

from services.alerts.forgetting.loops import forgetting_loops

__all__ = ["forgetting_loops"]
