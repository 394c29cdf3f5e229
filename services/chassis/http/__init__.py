"""HTTP: one FastAPI application per process, problem documents, bearer tokens, cursors, and uvicorn inside our event loop."""

from services.chassis.http.access import Access, require
from services.chassis.http.app import create_app
from services.chassis.http.bodies import Body
from services.chassis.http.paging import ById, NewestFirst, Page, Paging
from services.chassis.http.problems import Problem, invalid
from services.chassis.http.server import HttpServer, serve
from services.chassis.http.tls import ServerTls

__all__ = [
    "Access",
    "Body",
    "ById",
    "HttpServer",
    "NewestFirst",
    "Page",
    "Paging",
    "Problem",
    "ServerTls",
    "create_app",
    "invalid",
    "require",
    "serve",
]
