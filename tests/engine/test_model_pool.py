"""Which models are in memory: the pool with models that are none, a clock and a memory that the tests turn."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reswhis.core.errors import ConfigurationError, EngineDead, Overloaded, ReswhisError
from reswhis.engine.model_pool import Bounds, Fetched, ModelPool, Residence

LIMIT_S = 5
TTL_S = 100.0


class Model:
    def __init__(self, name):
        self.name = name
        self.alive = True


class House:
    """A pool, what it has done, and all that it is given."""

    def __init__(self, *, max_loaded=2, patience_s=LIMIT_S, ttl_s=TTL_S):
        self.now = 0.0
        self.free = 10**9
        self.failures = []
        """Raised by the next loads, the first first."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.loads, self.unloaded, self.at_once = [], [], 0
        self.needs = 0
        bounds = Bounds(ttl_s, max_loaded, patience_s)
        self.pool = ModelPool(self.fetch, self.unload, bounds, is_short=self.is_short, clock=lambda: self.now)

    def is_short(self, needs):
        return needs > self.free

    async def fetch(self, name):
        return Fetched(lambda: self.load(name), self.needs)

    async def load(self, name):
        self.at_once += 1
        assert self.at_once == 1
        self.loads.append(name)
        try:
            await self.gate.wait()
            if self.failures:
                raise self.failures.pop(0)
        finally:
            self.at_once -= 1
        return Model(name)

    async def unload(self, model):
        await asyncio.sleep(0)
        self.unloaded.append(model.name)

    async def visit(self, *names):
        """Use them one after the other, a second apart."""
        for name in names:
            async with self.pool.use(name):
                self.now += 1

    @property
    def loaded(self):
        return sorted(model.name for model in self.pool.models)


async def idle():
    for _ in range(50):
        await asyncio.sleep(0)


def play(scenario, **options):
    async def main():
        async with asyncio.timeout(LIMIT_S):
            house = House(**options)
            return await scenario(house)

    return asyncio.run(main())


def test_all_who_ask_at_once_get_the_same_model_which_is_loaded_once():
    async def scenario(house):
        async def ask():
            async with house.pool.use("a") as model:
                await asyncio.sleep(0)
                return model

        models = await asyncio.gather(*(ask() for _ in range(10)))
        assert len(set(models)) == 1 and house.loads == ["a"]
        assert house.pool.residence("a") is Residence.LOADED and house.pool.residence("b") is Residence.NOT_LOADED

    play(scenario)


def test_a_model_goes_when_it_was_unused_for_its_time_and_not_before_nor_while_it_is_used():
    async def scenario(house):
        async with house.pool.use("a"):
            await house.visit("b")
            house.now += TTL_S - 0.5
            await house.pool.sweep()
            assert house.loaded == ["a", "b"]
            house.now += 0.5
            await house.pool.sweep()
            assert house.loaded == ["a"]
        await house.pool.sweep()
        assert house.loaded == ["a"]  # its time begins when its last user leaves
        house.now += TTL_S
        await house.pool.sweep()
        assert house.loaded == []

    play(scenario)


def test_the_pool_sweeps_by_itself():
    async def scenario(house):
        async with house.pool:
            await house.visit("a")
            while house.loaded:
                await asyncio.sleep(0)
        return house.unloaded

    assert play(scenario, ttl_s=0.0) == ["a"]


def test_room_is_made_by_the_least_recently_used_of_those_that_nobody_uses():
    async def scenario(house):
        await house.visit("a", "b", "a", "c")
        assert house.unloaded == ["b"]
        async with house.pool.use("a"):
            await house.visit("d")  # c was used later than a, but a is in use
        assert house.unloaded == ["b", "c"]

    play(scenario)


def test_when_all_are_in_use_the_next_is_refused_until_one_is_free():
    async def scenario(house):
        async with house.pool.use("a"):
            async with house.pool.use("b"):
                with pytest.raises(Overloaded, match="no room for the model c"):
                    await house.visit("c")
            await house.visit("c")
        assert house.unloaded == ["b"]

    play(scenario)


def test_short_memory_makes_unused_models_go_the_oldest_first_and_before_another_is_loaded():
    async def scenario(house):
        await house.visit("a", "b")
        house.needs, house.free = 6, 5
        with pytest.raises(Overloaded, match="no room"):
            await house.visit("c")
        assert house.unloaded == ["a", "b"] and house.loads == ["a", "b"]  # c was not even tried
        house.free = 6
        async with house.pool.use("c"):
            house.free = -1
            await house.pool.sweep()
            assert house.loaded == ["c"]
        await house.pool.sweep()
        assert house.loaded == []

    play(scenario)


def out_of_memory():
    error = ConfigurationError("The model in /c cannot be loaded")
    error.__cause__ = RuntimeError("CUDA failed with error out of memory")
    return error


def test_a_load_that_lacks_memory_is_tried_again_when_others_have_gone():
    async def scenario(house):
        await house.visit("a", "b")
        house.failures = [out_of_memory(), EngineDead("CUDA out of memory")]
        house.pool._bounds = Bounds(TTL_S, 3, LIMIT_S)
        await house.visit("c")
        assert house.unloaded == ["a", "b"] and house.loads == ["a", "b", "c", "c", "c"]

    play(scenario)


@pytest.mark.parametrize("others_in_use", [True, False])
def test_a_load_that_lacks_memory_is_hopeless_only_where_nothing_else_is_loaded(others_in_use):
    async def scenario(house):
        async with asyncio.timeout(LIMIT_S), in_use(house, "a" if others_in_use else None):
            house.failures = [out_of_memory()]
            await house.visit("c")

    with pytest.raises(Overloaded if others_in_use else ConfigurationError):
        play(scenario)


@asynccontextmanager
async def in_use(house, name):
    if name is None:
        yield
    else:
        async with house.pool.use(name):
            yield


def test_a_failed_load_is_told_to_all_who_wait_and_tried_again_for_the_next():
    async def scenario(house):
        house.failures = [ConfigurationError("It is damaged.")]
        results = await asyncio.gather(*(house.visit("a") for _ in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["It is damaged."] * 3 and house.loads == ["a"]
        await house.visit("a")
        assert house.loads == ["a", "a"]

    play(scenario)


def test_a_model_that_has_died_is_loaded_anew_for_the_next():
    async def scenario(house):
        async with house.pool.use("a") as first:
            first.alive = False
            async with house.pool.use("a") as second:
                assert second.alive
        await idle()
        assert house.loads == ["a", "a"] and house.unloaded == ["a"] and house.pool.models == [second]

    play(scenario)


def test_who_waits_too_long_is_sent_away_and_finds_the_model_later():
    async def scenario(house):
        house.gate.clear()
        with pytest.raises(Overloaded, match="still being loaded"):
            await house.visit("a")
        assert house.pool.residence("a") is Residence.LOADING
        house.gate.set()
        await idle()
        await house.visit("a")
        assert house.loads == ["a"]

    play(scenario, patience_s=0.01)


def test_at_the_end_who_waits_is_told_and_all_is_unloaded_even_what_is_in_use():
    async def scenario(house):
        async with house.pool:
            using = in_use(house, "a")
            await using.__aenter__()
            house.gate.clear()
            waiting = [asyncio.create_task(house.visit(name)) for name in ("b", "b", "c")]
            await idle()
            late = asyncio.create_task(house.visit("d"))  # has not begun when the pool ends
        results = await asyncio.gather(*waiting, late, return_exceptions=True)
        assert [type(result) for result in results] == [Overloaded] * 4
        assert house.unloaded == ["a"]
        await using.__aexit__(None, None, None)

    play(scenario)


NAMES = st.sampled_from("abcd")


class Anything(RuleBasedStateMachine):
    """Whatever is asked, left, cancelled, loaded, failed and forgotten in whatever order."""

    @initialize(max_loaded=st.integers(1, 3))
    def begin(self, max_loaded):
        self.runner = asyncio.Runner()
        self.max_loaded = max_loaded
        self.runner.run(self.make())
        self.visits = []
        """``(task, leave)``"""
        self.users, self.last_used = Counter(), {}
        self.in_memory = {}

    async def make(self):
        self.house = house = House(max_loaded=self.max_loaded)
        load = house.load

        async def noted_load(name):
            model = await load(name)
            assert name not in self.in_memory and len(self.in_memory) < self.max_loaded
            self.in_memory[name] = model
            self.last_used[name] = house.now
            return model

        async def noted_unload(model):
            del self.in_memory[model.name]
            if house.pool._closed:
                return
            assert not self.users[model.name]
            mine = self.last_used[model.name]
            assert all(mine <= self.last_used[other] for other in self.in_memory if not self.users[other])

        house.load, house.pool._unload = noted_load, noted_unload

    def settle(self, *, then=None):
        async def main():
            if then is not None:
                then()
            await idle()

        self.house.now += 1
        self.runner.run(main())

    async def visit(self, name, leave):
        self.users[name] += 1
        try:
            async with self.house.pool.use(name) as model:
                assert model is self.in_memory[name]
                await leave.wait()
                assert self.house.pool._closed or model is self.in_memory[name]
        except ReswhisError:
            pass
        finally:
            self.users[name] -= 1
            self.last_used[name] = self.house.now

    @rule(name=NAMES)
    def ask(self, name):
        def begin():
            leave = asyncio.Event()
            self.visits.append((asyncio.get_running_loop().create_task(self.visit(name, leave)), leave))

        self.settle(then=begin)

    @rule(which=st.integers(0, 20), cancelled=st.booleans())
    def leave(self, which, cancelled):
        if self.visits:
            task, leave = self.visits.pop(which % len(self.visits))
            self.settle(then=task.cancel if cancelled else leave.set)
            assert task.done() or not (cancelled or self.house.gate.is_set())
            if task.done() and not task.cancelled():
                task.result()

    @rule(is_open=st.booleans())
    def loading_goes_on_or_waits(self, is_open):
        self.settle(then=self.house.gate.set if is_open else self.house.gate.clear)

    @rule(error=st.sampled_from([ConfigurationError("damaged"), MemoryError("x"), EngineDead("failed to allocate")]))
    def the_next_load_fails(self, error):
        self.house.failures[:] = [ConfigurationError("out of memory") if isinstance(error, MemoryError) else error]

    @rule(seconds=st.sampled_from([1, TTL_S / 2, TTL_S]), free=st.sampled_from([-1, 10**9]))
    def time_passes(self, seconds, free):
        self.house.now += seconds
        self.house.free = free
        tasks = []
        self.settle(then=lambda: tasks.append(asyncio.get_running_loop().create_task(self.house.pool.sweep())))
        if tasks[0].done():
            tasks[0].result()
            longest = self.house.now - TTL_S
            unused = [name for name in self.in_memory if not self.users[name]]
            assert not unused if free < 0 else all(self.last_used[name] > longest - 1 for name in unused)
        self.house.free = 10**9

    @invariant()
    def what_the_pool_says_is_so(self):
        if hasattr(self, "house"):
            assert {model.name for model in self.house.pool.models} == set(self.in_memory)

    def teardown(self):
        if not hasattr(self, "house"):
            return

        async def end():
            await self.house.pool.__aexit__()
            for _, leave in self.visits:
                leave.set()
            async with asyncio.timeout(LIMIT_S):
                await asyncio.gather(*(task for task, _ in self.visits))

        with self.runner:
            self.house.gate.clear()
            self.runner.run(end())
            assert not self.in_memory


Anything.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestAnything = Anything.TestCase
