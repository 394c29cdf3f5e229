"""What a process stands on and does not own: its certificates, the database's disk and standbys, the broker's queues."""

from services.chassis.vitals.broker import BrokerVitals
from services.chassis.vitals.room import vitals_loops

__all__ = ["BrokerVitals", "vitals_loops"]
