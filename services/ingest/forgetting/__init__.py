"""What ingest keeps no longer: on request, and by its age."""

from services.ingest.forgetting.loops import forgetting_loops

__all__ = ["forgetting_loops"]
