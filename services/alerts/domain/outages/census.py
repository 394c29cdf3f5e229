"""How many devices there are, in all and with each trait: all that is ever known of them here, were they half a million."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from contracts.condition import Condition

Attribute: TypeAlias = Literal[
    "sim_operator", "cell_id", "network", "council_id", "postcode_district", "firmware", "model"
]
CONDITIONS: Final[tuple[Condition, ...]] = get_args(Condition)
ATTRIBUTES: Final[tuple[Attribute, ...]] = get_args(Attribute)


class Trait(NamedTuple):
    """Something that devices have in common: operator 23410, say."""

    attribute: Attribute
    value: str


@dataclass(frozen=True, slots=True)
class Census:
    """A count of devices: `devices` in all, and of each trait that at least one of them has."""

    devices: int = 0
    by_trait: Mapping[Trait, int] = field(default_factory=dict)

    def of(self, trait: Trait) -> int:
        return self.by_trait.get(trait, 0)

    def plus(self, other: "Census") -> "Census":
        """Of both, which have no device in common."""
        summed = dict(self.by_trait)
        for trait, devices in other.by_trait.items():
            summed[trait] = summed.get(trait, 0) + devices
        return Census(self.devices + other.devices, summed)

    def without(self, others: Iterable["Census"]) -> "Census":
        """Of those that are in none of `others`. Never below nought: the fleet is counted less often than its members."""
        left, devices = dict(self.by_trait), self.devices
        for other in others:
            devices -= other.devices
            for trait, gone in other.by_trait.items():
                left[trait] = max(left.get(trait, 0) - gone, 0)
        return Census(max(devices, 0), left)
