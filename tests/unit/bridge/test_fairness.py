"""Nobody waits for another's trouble: four forward functions in virtual time, with Connect's quotas."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import testing.forward_functions as forward
from bridge.config import Delivery
from testing.builders import DELIVERIES
from testing.clock import NOON
from testing.forward_functions import ForwardFunctions, Text
from testing.models.connect import QUOTAS, Connect, Faults, Trouble
from testing.virtual_time import VirtualTime

RAISED: Mapping[str, tuple[float, float]] = dict.fromkeys(QUOTAS, (100, 150))
"""An account whose quotas are no limit, ..."""
RATES = {"connect_rate": 50, "message_rate": 50, "start_chat_rate": 50, "connection_rate": 50}
"""... and the configuration for it."""
BAD = 20
"""Bad conversations, beside 40 good ones."""
HELD = 3 + 5
"""Seconds for which a batch waits for one conversation: its patience, and `limits.call_timeout`."""


class World:
    def __init__(
        self,
        delivery: Delivery,
        faults: Faults | None = None,
        *,
        seed: int = 1,
        quotas: Mapping[str, tuple[float, float]] = QUOTAS,
        **limits: Any,
    ) -> None:
        self.rng, self.time = random.Random(seed), VirtualTime(NOON.timestamp())
        self.connect = Connect(self.time, self.rng, faults=faults, quotas=quotas)
        self.functions = ForwardFunctions(
            time=self.time, rng=self.rng, connect=self.connect, config=forward.settings(delivery, **limits)
        )
        self.began = self.time.time

    def write(self, texts: int, *, customer: Callable[[int], str], every: float, after: float = 0) -> None:
        """Texts whose distances are random, and `every` seconds on average."""

        def work() -> None:
            self.time.sleep(after)
            for number in range(texts):
                name = customer(number)
                self.functions.send(f"{name}: {number}", name)
                self.time.sleep(2 * every * self.rng.random())

        self.time.spawn(work)

    def run(self, *, shown: int, seconds: float = 900) -> None:
        end = self.time.time + seconds
        self.time.run(until=lambda: len(self.connect.shown) >= shown or self.time.time >= end)

    def waits(self, counts: Callable[[Text], bool] = lambda _: True) -> tuple[float, float, float]:
        """The median, the 99th percentile and the longest, in seconds."""
        waits = self.functions.waits(counts)
        return waits[len(waits) // 2], waits[len(waits) * 99 // 100], waits[-1]


def crowd(delivery: Delivery, *, seed: int, room: int, full: str = "ThrottlingException") -> float:
    """150 customers write four texts each. Seconds until those who have a chat have been answered."""
    world = World(delivery, Faults(room=room, full=full), seed=seed)
    world.write(600, customer=lambda number: f"customer-{number % 150}", every=0.05)
    world.run(shown=4 * room)
    assert len(world.connect.shown) == 4 * room
    return max(world.connect.shown.values()) - world.began


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("full", ["ThrottlingException", "LimitExceededException"])
def test_a_full_instance_slows_nobody_who_has_a_chat(delivery: Delivery, full: str, seed: int) -> None:
    """Whatever it answers. Ten customers are too many; the others are done within 1.5 of the time without them."""
    assert crowd(delivery, seed=seed, room=140, full=full) <= 1.5 * crowd(delivery, seed=seed, room=150)


def test_a_conversation_that_alone_is_throttled_is_at_the_chat_limit() -> None:
    world = World("integration-event", Faults(troubles={"bad": "throttled"}))
    world.write(500, customer=lambda number: f"good-{number % 20}", every=0.2)
    world.write(1, customer=lambda _: "bad", every=1)
    world.run(shown=500)
    assert world.functions.error("bad: 0") == "ChatLimitError"


@pytest.mark.parametrize("seed", [1, 2])
def test_open_chats_do_not_wait_behind_new_customers(seed: int) -> None:
    """Ten open chats with 3.3 texts a second; after five seconds 150 strangers come within three."""
    world = World("start-chat", seed=seed)
    world.write(10, customer=lambda number: f"open-{number}", every=0.1)
    world.run(shown=10)
    begun = world.time.time
    world.write(200, customer=lambda _: f"open-{world.rng.randrange(10)}", every=1 / 3.3)
    world.write(150, customer=lambda number: f"stranger-{number}", every=0.02, after=5)
    world.run(shown=360)
    median, slow, _ = world.waits(lambda text: text.customer.startswith("open") and text.sent >= begun)
    assert median <= 0.3 and slow <= 3
    _, _, last = world.waits(lambda text: text.customer.startswith("stranger"))
    assert last <= 90, "150 at five a second take 30 s"


@pytest.mark.parametrize("seed", [1, 2])
def test_random_429s_and_server_errors_slow_few_texts(seed: int) -> None:
    """30 % and 10 % of all calls; five texts a second need eight calls."""
    world = World("integration-event", Faults(throttled=0.3, failing=0.1), seed=seed)
    world.write(600, customer=lambda _: f"customer-{world.rng.randrange(100)}", every=0.2)
    world.run(shown=600)
    median, slow, _ = world.waits()
    assert median <= 0.5 and slow <= 20


@pytest.mark.parametrize("seed", [1, 2])
def test_hanging_calls_slow_few_texts(seed: int) -> None:
    """One call in twenty gets no answer, at twenty texts a second."""
    world = World("integration-event", Faults(hanging=0.05), seed=seed, quotas=RAISED, **RATES)
    world.write(1200, customer=lambda _: f"customer-{world.rng.randrange(100)}", every=0.05)
    world.run(shown=1200)
    median, slow, _ = world.waits()
    assert median <= 0.2 and slow <= 10


troubles: st.SearchStrategy[list[Trouble]] = st.lists(
    st.sampled_from(["throttled", "refused", "hanging", "poison"]), max_size=BAD
)


@settings(deadline=None, max_examples=8, derandomize=True)
@given(st.sampled_from(DELIVERIES), troubles)
def test_bad_conversations_cost_a_good_text_a_bounded_wait(delivery: Delivery, bad: list[Trouble]) -> None:
    _bounded(delivery, bad)


@pytest.mark.parametrize("trouble", ["throttled", "refused", "hanging", "poison"])
def test_twenty_conversations_with_one_trouble_cost_a_bounded_wait(delivery: Delivery, trouble: Trouble) -> None:
    _bounded(delivery, [trouble] * BAD)


def _bounded(delivery: Delivery, bad: list[Trouble]) -> None:
    world = World(
        delivery,
        Faults(troubles={f"bad-{number}": trouble for number, trouble in enumerate(bad)}),
        quotas=RAISED,
        **RATES,
    )
    world.write(240, customer=lambda number: f"good-{number % 40}", every=0.125)
    if bad:
        world.write(len(bad) * 2, customer=lambda number: f"bad-{number % len(bad)}", every=0.01)
    world.run(shown=240)
    _, _, longest = world.waits(lambda text: text.customer.startswith("good"))
    assert longest <= 2 * HELD if bad else longest <= 1
