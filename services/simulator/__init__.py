"""A fleet of devices that behave, and misbehave, like real ones, and a hub that answers.

A library first: the demo, the scenarios and the benchmarks drive it as `telecare simulate` does. Inside out: `Device` is one
box as a pure state machine, `Box` puts it on a connection of its own, `Fleet` runs many and keeps a trace of every alarm.
"""

from services.simulator.device import Device
from services.simulator.flaws import FlawMix, Flaws
from services.simulator.fleet import Fleet, FleetConfig
from services.simulator.hub import HubConfig, Manners, SimulatedHub
from services.simulator.misbehaviour import Flapping, OperatorOutage, PowerCut
from services.simulator.occurrence import Occurrence
from services.simulator.population import DeviceIdentity, Population
from services.simulator.timing import Timing
from services.simulator.traces import AlarmTrace, FleetEvent, Totals

__all__ = [
    "AlarmTrace",
    "Device",
    "DeviceIdentity",
    "Flapping",
    "FlawMix",
    "Flaws",
    "Fleet",
    "FleetConfig",
    "FleetEvent",
    "HubConfig",
    "Manners",
    "Occurrence",
    "OperatorOutage",
    "Population",
    "PowerCut",
    "SimulatedHub",
    "Timing",
    "Totals",
]
