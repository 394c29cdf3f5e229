"""Shards: fixed MQTT sessions (a client id, its filters, its queue at the broker), each worked by whoever holds its lease.

Any number of processes run; one works a shard, and a successor takes it over with its queue. See docs/decisions.
"""

from services.chassis.shard.progress import Progress
from services.chassis.shard.runner import Lane, Work
from services.chassis.shard.shards import Shards

__all__ = ["Lane", "Progress", "Shards", "Work"]
