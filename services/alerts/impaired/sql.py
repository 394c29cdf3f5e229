"""The SQL of the room, by name."""

from services.chassis.postgres import Queries

QUERIES = Queries.beside(__file__)
