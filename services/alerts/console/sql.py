"""The console's statements."""

from services.chassis.postgres import Queries

QUERIES = Queries.beside(__file__)
