"""The SQL of the service, by name."""

from services.chassis.postgres import Queries

QUERIES = Queries.beside(__file__)
