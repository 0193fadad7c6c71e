"""What the server says of itself, and whom it admits, when its recogniser comes and goes."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from reswhis.backends.base import BackendConfig
from reswhis.core.errors import Overloaded
from reswhis.observability.health import State
from reswhis.server.limits import Limits
from reswhis.server.service import Service

LIMIT_S = 20


@asynccontextmanager
async def service(model):
    async with asyncio.timeout(LIMIT_S), Service(BackendConfig("fake", model), Limits()) as made:
        yield made


def test_nobody_is_admitted_before_the_model_is_there_nor_after_a_stop():
    async def scenario():
        async with service("auto") as made:
            with pytest.raises(Overloaded):
                made.admit()
            await made.settled.wait()
            assert made.health.state is State.READY
            place, _ = made.admit()
            async with place:
                assert made.sessions == 1
            await made.drain()
            assert made.health.state is State.DRAINING
            with pytest.raises(Overloaded):
                made.admit()

    asyncio.run(scenario())


def test_a_model_that_is_there_only_when_the_server_stops_does_not_open_it_again():
    async def scenario():
        async with service("load:0.3") as made:
            await made.drain()
            await made.settled.wait()
            assert made.health.state is State.DRAINING

    asyncio.run(scenario())
