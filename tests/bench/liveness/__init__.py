"""A simulated month of a fleet, by a plain "last seen + time-out" rule and by ours: `make bench-liveness`."""
