"""What is wrong with one box: its clock, its randomness, its memory of manners. Composable; none by default."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.simulator.malformed import GARBLINGS, Garbling

_YEAR: Final = timedelta(days=365)
CLOCK_SKEWS: Final = (timedelta(minutes=-7), timedelta(minutes=12), -56 * _YEAR, 73 * _YEAR)
"""Clocks off by minutes, at 1970 for want of a battery, and at the end of a century."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaws:
    """The shares are probabilities, 0 … 1, per message."""

    clock_skew: timedelta = timedelta(0)
    no_entropy: bool = False  # the same boot_id after every boot, so that identities are used again
    qos: int = 1
    malformed_share: float = 0.0
    duplicate_share: float = 0.0  # the same bytes published twice
    receipt_loss_share: float = 0.0

    def garbling(self, rng: random.Random) -> Garbling | None:
        """How the next message is spoiled, if it is."""
        return rng.choice(GARBLINGS) if _happens(self.malformed_share, rng) else None

    def duplicates(self, rng: random.Random) -> bool:
        """Whether the next message goes out twice."""
        return _happens(self.duplicate_share, rng)

    def misses_receipt(self, rng: random.Random) -> bool:
        """Whether the next receipt is lost."""
        return _happens(self.receipt_loss_share, rng)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlawMix:
    """How a fleet is flawed. `malformed`, `duplicate` and `lost_receipts` per message, the others a share of the boxes."""

    malformed: float = 0.0
    duplicate: float = 0.0
    lost_receipts: float = 0.0
    clock_skew: float = 0.0
    no_entropy: float = 0.0
    qos_0: float = 0.0

    def draw(self, rng: random.Random) -> Flaws:
        """The flaws of one box."""
        return Flaws(
            clock_skew=rng.choice(CLOCK_SKEWS) if _happens(self.clock_skew, rng) else timedelta(0),
            no_entropy=_happens(self.no_entropy, rng),
            qos=0 if _happens(self.qos_0, rng) else 1,
            malformed_share=self.malformed,
            duplicate_share=self.duplicate,
            receipt_loss_share=self.lost_receipts,
        )


def _happens(share: float, rng: random.Random) -> bool:
    return share > 0 and rng.random() < share
