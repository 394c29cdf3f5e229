"""The look at everything takes a large register seconds: nobody waits for it, and what changed meanwhile stays as it is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.chassis.mqtt import MqttUrl
from services.chassis.postgres import Pool, open_pool
from services.chassis.postgres.pool import connect
from services.chassis.secrets import Vault
from services.registry.broker.reconciler import Reconciler
from services.registry.broker.room import PURPOSE
from tests.integration.registry.broker.secured import ADMIN, Secured, url_of
from tests.integration.registry.identity.town import SECRET_KEY
from tests.support.proxy import TcpProxy
from tests.support.servers import until

pytestmark = pytest.mark.real_stack

_A_LISTING_BYTES = 500  # an answer that is no CONNACK, SUBACK or PUBACK


@pytest.fixture
async def pool(secured: Secured) -> AsyncIterator[Pool]:
    pool = await open_pool(secured.settings.database_url.get_secret_value(), role="telecare_registry", name="looker")
    yield pool
    await pool.close()


@pytest.fixture
async def proxy(secured: Secured) -> AsyncIterator[TcpProxy]:
    proxy = TcpProxy(url_of(ADMIN, secured.port))
    await proxy.start()
    yield proxy
    await proxy.stop()


async def test_what_is_told_while_the_broker_lists_its_users_is_neither_held_up_nor_undone(
    secured: Secured, pool: Pool, proxy: TcpProxy
) -> None:
    """The registry's own look has been, and the next is a minute away: this is another process's."""
    disabled = await secured.provisioned("TC-A")
    await secured.meddle(command="disableClient", username="TC-A")
    await secured.meddle(command="createClient", username="TC-OLD", password="x", textname="telecare")
    await secured.meddle(command="createClient", username="TC-GONE", password="x", textname="telecare")
    other = Reconciler(pool, secured.town.clock, MqttUrl.parse(proxy.url), Vault(SECRET_KEY).key(PURPOSE))
    proxy.delay(0.2)
    look = asyncio.create_task(other.run_once())

    async def lists() -> bool:
        return proxy.down_bytes > _A_LISTING_BYTES

    await until(lists, what="the broker to list its users")
    proxy.blackhole()  # as a register of thousands, which takes it long
    assert await _states_of_its_connections(secured) == {"idle"}
    new = await secured.provisioned("TC-OLD")  # listed as in no row of ours, and now it is
    await secured.town.device("TC-B")
    claim = await secured.claim("TC-B")  # not listed, and now it is there
    assert not look.done()
    proxy.restore()
    await look
    assert other.trouble is None
    assert await secured.lets_in("TC-A", disabled)
    assert await secured.lets_in("TC-OLD", new)
    assert await secured.lets_in("claim:SN-TC-B", claim.code)
    assert await secured.client("TC-GONE") is None
    assert not await secured.town.rows("select from registry.broker_user where missing_since is not null")


async def _states_of_its_connections(secured: Secured) -> set[str]:
    """As the login role, which sees what each does."""
    connection = await connect(secured.settings.database_url.get_secret_value(), name="test")
    try:
        rows = await connection.fetch("select state from pg_stat_activity where application_name = 'telecare looker'")
    finally:
        await connection.close()
    return {row["state"] for row in rows}
