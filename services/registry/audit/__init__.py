"""The audit log, read: for ops only, and each look at it is a row of it."""
