"""A claim that nobody can use any more is forgotten, some time after; what it led to is in the device's history."""

from datetime import timedelta

from services.registry.expiry import Expiry
from tests.integration.registry.identity.town import Town, opened
from tests.support.servers import Database


async def test_a_claim_is_kept_while_somebody_may_ask_what_became_of_it_and_no_longer(database: Database) -> None:
    async with opened(database, "", 0) as town:
        expiry = Expiry(town.pool, town.clock)
        await town.device("TC-1")
        claim = await town.claim("TC-1")

        town.clock.ahead = claim.expires_at - town.clock.now() + timedelta(hours=1)
        await expiry.run_once()
        assert await claims(town) == [claim.serial]

        town.clock.ahead += timedelta(days=1)
        await expiry.run_once()
        assert await claims(town) == []
        assert "claim_issued" in await town.history("TC-1")


async def claims(town: Town) -> list[str]:
    return [row["serial"] for row in await town.rows("select serial from registry.claim")]
