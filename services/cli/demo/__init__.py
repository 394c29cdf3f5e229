"""The demo: the whole service on embedded servers, with a hub whose operators answer and a fleet that lives through a story."""

from services.cli.demo.run import run_demo

__all__ = ["run_demo"]
