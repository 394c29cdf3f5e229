"""Who lives where: as many devices as wanted, the same ones every time, computed when asked for and never listed."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, overload

from contracts.ids import CouncilId, DeviceId
from contracts.vocabulary import Network

DISTRICTS: Final[Mapping[CouncilId, tuple[str, ...]]] = {
    CouncilId("glasgow-city"): ("G31", "G11", "G42", "G51"),
    CouncilId("city-of-edinburgh"): ("EH6", "EH3", "EH11"),
    CouncilId("aberdeen-city"): ("AB24", "AB10", "AB15"),
    CouncilId("fife"): ("KY11", "KY1", "KY16"),
    CouncilId("highland"): ("IV2", "IV30", "PH33"),
    CouncilId("dundee-city"): ("DD4", "DD2"),
}
"""Postcode districts of some councils, big and small, so that an outage of one has neighbours that it spares."""

OPERATORS: Final = ("23410", "23415", "23430")
"""The PLMNs of the mobile networks of the UK with the most telecare SIMs: O2, Vodafone, EE."""

_MODELS: Final[tuple[tuple[str, Network], ...]] = (
    ("hearth-4g", "lte"),
    ("hearth-4g", "lte"),
    ("hearth-ip", "ethernet"),
    ("ingle-nb", "nb_iot"),
)

_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15  # 2^64 / golden ratio


class DeviceIdentity(NamedTuple):  # cheap to make, for `Multiplex` makes one for each heartbeat
    """What is printed on a box and written in the register; every box has a SIM, also one that prefers another network."""

    device_id: DeviceId
    council_id: CouncilId
    serial: str
    model: str
    network: Network
    postcode_district: str
    sim_operator: str
    installation_ref: str


class Population(Sequence[DeviceIdentity]):
    """Devices `TC-000001` and on. A million of them take no memory: each is made, always the same, when it is asked for."""

    def __init__(self, count: int, *, first: int = 1, councils: Sequence[CouncilId] | None = None) -> None:
        self._numbers = range(first, first + count)
        self._councils = tuple(councils or DISTRICTS)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> DeviceIdentity: ...
    @overload
    def __getitem__(self, index: slice) -> "Population": ...
    def __getitem__(self, index: int | slice) -> "DeviceIdentity | Population":
        if isinstance(index, slice):
            if index.step not in {None, 1}:
                raise ValueError("a part of a population is a run of neighbours")
            part = self._numbers[index]
            return Population(len(part), first=part.start, councils=self._councils)
        return self._make(self._numbers[index])

    def _make(self, number: int) -> DeviceIdentity:
        # Fibonacci hashing scatters neighbours over districts, operators and models, whatever their council.
        dice = (number * _GOLDEN & 0xFFFF_FFFF_FFFF_FFFF) >> 24
        council = self._councils[number % len(self._councils)]
        districts = DISTRICTS.get(council, ("G31",))
        model, network = _MODELS[dice % len(_MODELS)]
        return DeviceIdentity(
            device_id=DeviceId(f"TC-{number:06d}"),
            council_id=council,
            serial=f"{model.partition('-')[0].upper()}-{number:08d}",
            model=model,
            network=network,
            postcode_district=districts[(dice >> 8) % len(districts)],
            sim_operator=OPERATORS[(dice >> 16) % len(OPERATORS)],
            installation_ref=f"INST-{number:06d}",
        )
