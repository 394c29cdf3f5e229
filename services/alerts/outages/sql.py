"""The SQL of this room, by name; and who takes which turn of `one_at_a_time` in it."""

from typing import Final

from services.chassis.postgres import Queries

QUERIES = Queries.beside(__file__)
TAKING: Final = 1
"""Changes are taken by one process at a time."""
DECIDING: Final = 2
"""And outages are decided about, and counted, by one."""
